"""Does the commons answer, and does it accept the key?"""

from __future__ import annotations

from collections.abc import Iterator

from gen3sync.cli.ask import error_of, expect
from gen3sync.cli.checks import Finding, Site, ok, warn
from gen3sync.names import printable

TITLE = "Commons"
NEEDS = ("configuration", "credentials")


def look(site: Site) -> Iterator[Finding]:
    client = site.client
    version = expect(client.version(), "its version")
    named = (("submission service", version.version), ("dictionary", version.dictionary_version))
    said = ", ".join(f"{what} {printable(which, 60)}" for what, which in named if which)
    yield ok(f"{client.url} answers: {said or 'it does not tell its version'}")
    client.tokens.token()
    user = expect(client.whoami(), "the user of the key")
    yield ok(f"It accepts the key of {printable(user.username or user.email or 'an unnamed user', 80)}")
    probe = client.graphql("{__typename}")
    if error_of(probe, "GraphQL"):
        yield warn(
            "GraphQL does not answer: mirrors are then exported in full each time and receipts prove less.",
            "Ask the commons' administrators whether peregrine runs; gen3sync works without it.",
        )
