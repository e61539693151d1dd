"""Does the commons' dictionary know the nodes that mirrors ask for?"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator, Sequence

from gen3sync.cli.checks import Finding, Site, fail, ok
from gen3sync.errors import ExitCode

TITLE = "Nodes"
NEEDS = ("configuration", "credentials", "commons")


def look(site: Site) -> Iterator[Finding]:
    dictionary = site.dictionary
    yield ok(f"The dictionary has {len(dictionary.order)} nodes")
    for mirror in site.settings.inbox.mirror:
        for pattern in mirror.nodes:
            if (hint := hint_for(pattern, dictionary.order)) is not None:
                said = f"A mirror asks for the node {pattern!r}, which the dictionary does not have."
                yield fail(said, hint, ExitCode.CONFIG)


def hint_for(pattern: str, known: Sequence[str]) -> str | None:
    """What to do about a name or glob that means none of the `known` nodes; None where it means some."""
    if pattern.startswith("@") or fnmatch.filter(known, pattern):
        return None
    close = difflib.get_close_matches(pattern, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else "`gen3sync template NODE` shows what a node looks like."
