"""Each exchange with the commons is told of once: what it was, how it ended."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.clock import SystemClock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.connect import open_commons
from gen3sync.commons.export import ExportBroken, NodeExport
from gen3sync.commons.metered import Kind, kind_of
from gen3sync.commons.replies import Broken, BrokenCause
from gen3sync.config import CommonsSettings
from gen3sync.names import Project
from gen3sync.observe import Nobody
from gen3sync.sandbox import Sandbox
from tests.scenario.lab import away

P = Project("DEV", "test")
CASE = b"type\tsubmitter_id\tprojects.code\ttitle\nstudy\tHEART\ttest\tHearts\n"


class Notes(Nobody):
    def __init__(self) -> None:
        self.exchanges: list[tuple[str, str]] = []
        self.tokens: list[str] = []

    def asked(self, kind: str, result: str, seconds: float) -> None:
        assert seconds >= 0
        self.exchanges.append((kind, result))

    def token_exchanged(self, outcome: str) -> None:
        self.tokens.append(outcome)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        yield sandbox


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def client(sandbox: Sandbox, notes: Notes, tmp_path: Path) -> Iterator[CommonsClient]:
    key = sandbox.write_api_key(tmp_path / "key.json")
    client = open_commons(CommonsSettings(credentials=key), {}, SystemClock(), notes)
    yield client
    client.close()


def put(client: CommonsClient, *, dry_run: bool = False) -> object:
    return client.submit(P, CASE, content_type="text/tab-separated-values", document_name="d", dry_run=dry_run)


def test_what_is_asked_is_told_by_kind_and_status(client: CommonsClient, notes: Notes) -> None:
    client.version()
    client.dictionary()
    client.whoami()
    client.programs()
    put(client, dry_run=True)
    put(client)
    client.graphql("{ study { id } }")
    export = client.export_node(P, "study")
    assert isinstance(export, NodeExport)
    with export:
        assert ("export", "200") not in notes.exchanges  # it lasts as long as its body
        export.read()
        export.close()
    client.export_records(P, ["00000000-0000-0000-0000-000000000000"])
    assert notes.exchanges == [
        ("version", "200"),
        ("dictionary", "200"),
        ("token", "200"),
        ("user", "200"),
        ("other", "200"),
        ("dry_run", "200"),
        ("submit", "200"),
        ("graphql", "200"),
        ("export", "200"),
        ("export", "404"),
    ]
    assert notes.tokens == ["renewed"]


def test_a_refusal_is_told_by_its_status(client: CommonsClient, sandbox: Sandbox, notes: Notes) -> None:
    sandbox.faults.answer(503, times=1, method="PUT")
    put(client)
    assert notes.exchanges == [("token", "200"), ("submit", "503")]


def test_a_key_that_is_refused_is_no_exchange_but_its_own(
    client: CommonsClient, sandbox: Sandbox, notes: Notes
) -> None:
    sandbox.revoke_key()
    assert isinstance(put(client), Broken)
    assert [kind for kind, _ in notes.exchanges] == ["token"]
    assert notes.tokens == ["refused"]


def test_a_commons_that_is_not_there(client: CommonsClient, sandbox: Sandbox, notes: Notes) -> None:
    assert client.url
    away(sandbox)
    answer = client.version()
    assert isinstance(answer, Broken)
    assert answer.cause is BrokenCause.CONNECT
    assert notes.exchanges == [("version", "connect")]
    put(client)
    assert notes.tokens == ["unreachable"]


def test_a_body_that_is_cut_counts_as_broken(client: CommonsClient, sandbox: Sandbox, notes: Notes) -> None:
    whole = gzip.compress(b'{"data": [')
    sandbox.faults.answer(
        200,
        times=1,
        method="GET",
        path="export",
        body=whole[:-6],
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    export = client.export_node(P, "study")
    assert isinstance(export, NodeExport)
    with export, pytest.raises(ExportBroken):
        export.read()
    assert notes.exchanges[-1] == ("export", "content")


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("PUT", "/api/v0/submission/DEV/test", Kind.SUBMIT),
        ("PUT", "/api/v0/submission/DEV/export", Kind.SUBMIT),
        ("PUT", "/api/v0/submission/export/graphql", Kind.SUBMIT),
        ("PUT", "/api/v0/submission/DEV/test/_dry_run", Kind.DRY_RUN),
        ("GET", "/api/v0/submission/DEV/test/export?node_label=case", Kind.EXPORT),
        ("POST", "/api/v0/submission/graphql/x/export", Kind.EXPORT),
        ("POST", "/api/v0/submission/graphql", Kind.GRAPHQL),
        ("GET", "/api/v0/submission/graphql", Kind.OTHER),
        ("GET", "/api/v0/submission/", Kind.OTHER),
        ("GET", "/api/v0/submission/DEV", Kind.OTHER),
        ("GET", "/api/v0/submission/template/case", Kind.OTHER),
        ("GET", "/api/v0/submission/_dictionary/_all", Kind.DICTIONARY),
        ("POST", "/user/credentials/cdis/access_token?expires_in=60", Kind.TOKEN),
        ("GET", "/user/user", Kind.USER),
        ("GET", "/authz/mapping", Kind.USER),
        ("GET", "/api/_version", Kind.VERSION),
        ("GET", "/elsewhere", Kind.OTHER),
    ],
)
def test_a_kind_is_told_by_the_shape_of_the_address(method: str, path: str, kind: Kind) -> None:
    assert kind_of(method, f"https://commons.example.org{path}") is kind
