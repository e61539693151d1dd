"""Does the commons' dictionary know the nodes that mirrors ask for?"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator

from gen3sync.cli.checks import Finding, Site, fail, ok
from gen3sync.errors import ExitCode

TITLE = "Nodes"
NEEDS = ("configuration", "credentials", "commons")


def look(site: Site) -> Iterator[Finding]:
    dictionary = site.dictionary
    yield ok(f"The dictionary has {len(dictionary.order)} nodes")
    for mirror in site.settings.inbox.mirror:
        for pattern in mirror.nodes:
            if pattern.startswith("@") or fnmatch.filter(dictionary.order, pattern):
                continue
            close = difflib.get_close_matches(pattern, dictionary.order, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else "`gen3sync template NODE` shows what a node looks like."
            yield fail(
                f"A mirror asks for the node {pattern!r}, which the dictionary does not have.", hint, ExitCode.CONFIG
            )
