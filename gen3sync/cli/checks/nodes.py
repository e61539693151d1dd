"""Does the commons' dictionary know the nodes that mirrors ask for?"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Iterator, Sequence

from gen3sync.cli.checks import Finding, Site, fail, ok
from gen3sync.errors import ExitCode

TITLE = "Nodes"
NEEDS = ("configuration", "credentials", "commons")


def look(site: Site) -> Iterator[Finding]:
    dictionary = site.dictionary
    yield ok(f"The dictionary has {len(dictionary.order)} nodes")
    for mirror in site.settings.inbox.mirror:
        for pattern in mirror.nodes:
            if pattern.startswith("@"):
                what, hint = "category", category_hint(pattern, dictionary.categories)
            else:
                what, hint = "node", hint_for(pattern, dictionary.order)
            if hint is not None:
                said = f"A mirror asks for the {what} {pattern!r}, which the dictionary does not have."
                yield fail(said, hint, ExitCode.CONFIG)


def hint_for(pattern: str, known: Sequence[str]) -> str | None:
    """What to do about a name or glob that means none of the `known` nodes; None where it means some."""
    if pattern.startswith("@") or fnmatch.filter(known, pattern):
        return None
    close = difflib.get_close_matches(pattern, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else "`gen3sync template NODE` shows what a node looks like."


def category_hint(pattern: str, categories: Iterable[str]) -> str | None:
    """What to do about an `@category` that means none of the dictionary's; None where it means some."""
    # As mirrors choose: nodes of this one are never mirrored by their category.
    known = sorted(category for category in categories if category and category != "internal")
    if any(fnmatch.fnmatchcase(category, pattern[1:]) for category in known):
        return None
    close = difflib.get_close_matches(pattern[1:], known, n=1)
    return f"Did you mean {'@' + close[0]!r}?" if close else f"It has {', '.join('@' + each for each in known)}."
