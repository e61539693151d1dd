"""The client against the sandbox: both sides were written from the same facts, apart from each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gen3sync.clock import SystemClock
from gen3sync.commons import queries
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.credentials import CredentialsSource
from gen3sync.commons.export import ExportBroken, NodeExport
from gen3sync.commons.replies import (
    Broken,
    BrokenCause,
    Busy,
    Failure,
    Forbidden,
    Known,
    Landed,
    Missing,
    RefusalKind,
    Refused,
    Signature,
    SubmitReply,
    TooLarge,
    Transaction,
    TransactionState,
    Unknown,
)
from gen3sync.commons.tokens import TokenManager
from gen3sync.commons.transport import Timeouts, Transport
from gen3sync.names import Project
from gen3sync.sandbox import Point, Sandbox

P = Project("DEV", "test")
TSV = "text/tab-separated-values"


@dataclass
class Pair:
    sandbox: Sandbox
    client: CommonsClient
    documents: int = 0

    def put(self, *rows: str, dry_run: bool = False) -> SubmitReply:
        self.documents += 1
        body = "\n".join(row.replace(" | ", "\t") for row in rows).encode()
        return self.client.submit(P, body, content_type=TSV, document_name=f"doc-{self.documents}", dry_run=dry_run)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with Sandbox() as sandbox:
        source = CredentialsSource(sandbox.write_api_key(tmp_path / "key.json"), {})
        transport = Transport(timeouts=Timeouts(20, 60, 120), proxies={})
        client = CommonsClient(transport, TokenManager(transport, source, SystemClock()))
        built = Pair(sandbox, client)
        assert isinstance(built.put("type | submitter_id | projects.code", "study | E-1 | test"), Landed)
        yield built
        client.close()


def _cases(pair: Pair, *names: str) -> SubmitReply:
    return pair.put("type | submitter_id | studies.submitter_id", *(f"subject | {name} | E-1" for name in names))


def test_what_a_commons_is(pair: Pair) -> None:
    client = pair.client
    assert client.url == pair.sandbox.url
    assert client.programs() == ("DEV",)
    assert client.projects("DEV") == (P,)
    assert isinstance(client.projects("NOPE"), Missing)
    dictionary = client.dictionary()
    assert isinstance(dictionary, dict)
    assert "subject" in dictionary
    template = client.template("subject")
    assert isinstance(template, str)
    assert template.startswith("*type\t")
    assert isinstance(client.template("nosuch"), Missing)
    rights = client.permissions()
    assert not isinstance(rights, Refused | Failure)
    assert rights.known


def test_a_submission_and_its_proof(pair: Pair) -> None:
    before = queries.last_transaction_id(pair.client, P)
    assert isinstance(before, int)
    landed = _cases(pair, "C-1", "Case-2")
    assert isinstance(landed, Landed)
    assert (landed.created, [entity.submitter_id for entity in landed.entities]) == (2, ["C-1", "Case-2"])
    assert landed.transaction_id is not None
    logged = queries.transaction(pair.client, P, landed.transaction_id)
    assert isinstance(logged, Transaction)
    assert (logged.state, logged.document_names, logged.is_dry_run) == (TransactionState.SUCCEEDED, ("doc-2",), False)
    assert queries.find_transaction(pair.client, P, "doc-2", before) == logged
    assert queries.find_transaction(pair.client, P, "doc-3", before) is None
    found = queries.find_ids(pair.client, P, "subject", ["c-1", "CASE-2", "c-3"])
    assert isinstance(found, dict)
    assert {key: known.submitter_id for key, known in found.items()} == {"c-1": "C-1", "case-2": "Case-2"}
    records = pair.client.export_records(P, [known.id for known in found.values()])
    assert isinstance(records, tuple)
    assert {record["submitter_id"] for record in records} == {"C-1", "Case-2"}
    assert queries.list_ids(pair.client, P, "subject") == found


def test_records_that_are_not_there(pair: Pair) -> None:
    missing = "11111111-1111-4111-8111-111111111111"
    assert pair.client.export_records(P, [missing]) == ()
    assert pair.client.export_records(P, []) == ()
    assert queries.find_ids(pair.client, P, "subject", ["x"]) == {}


def test_refusals(pair: Pair) -> None:
    orphan = pair.put("type | submitter_id | studies.submitter_id", "subject | C-1 | NOPE", "subject | C-2 | E-1")
    assert isinstance(orphan, Refused)
    assert orphan.kind is RefusalKind.ROWS
    assert [entity.at_fault for entity in orphan.entities] == [True, False]
    assert orphan.entities[0].errors[0].type == "INVALID_LINK"
    twins = _cases(pair, "T-1", "T-1")
    assert isinstance(twins, Refused)
    assert twins.kind is RefusalKind.REQUEST
    garbage = pair.client.submit(P, b"\xff\xfe", content_type=TSV, document_name="g")
    assert isinstance(garbage, Refused)
    assert garbage.kind is RefusalKind.UNREADABLE
    dry = pair.put("type | submitter_id | studies.submitter_id", "subject | C-1 | NOPE", dry_run=True)
    assert isinstance(dry, Refused)
    assert dry.status == 200
    lie = _cases(pair, "twin", "TWIN")
    assert isinstance(lie, Landed)
    assert lie.transaction_id is not None
    logged = queries.transaction(pair.client, P, lie.transaction_id)
    assert isinstance(logged, Transaction)
    assert logged.state is TransactionState.PENDING


def test_exports(pair: Pair) -> None:
    assert isinstance(_cases(pair, *(f"C-{n}" for n in range(300))), Landed)
    export = pair.client.export_node(P, "subject")
    assert isinstance(export, NodeExport)
    with export:
        assert len(json.loads(export.read())["data"]) == 300
        assert export.received < export.produced
    text = pair.client.export_text(P, node="subject")
    assert isinstance(text, NodeExport)
    with text:
        assert text.read().count(b"\n") == 301
    assert isinstance(pair.client.export_node(P, "nosuch"), Refused)
    pair.sandbox.faults.cut_export(bytes=2000, clean=False)
    broken = pair.client.export_node(P, "subject")
    assert isinstance(broken, NodeExport)
    with broken, pytest.raises(ExportBroken):
        broken.read()


def test_signatures(pair: Pair) -> None:
    first = queries.signature(pair.client, P, ["subject", "sample"])
    assert isinstance(first, Signature)
    assert (first.project_id, first.state) == ("DEV-test", "open")
    assert isinstance(_cases(pair, "C-1"), Landed)
    second = queries.signature(pair.client, P, ["subject", "sample"])
    assert isinstance(second, Signature)
    assert second.ok == first.ok + 1
    assert second.nodes[0] != first.nodes[0]
    assert second.nodes[1] == first.nodes[1]
    assert isinstance(queries.signature(pair.client, Project("DEV", "nosuch"), ["subject"]), Unknown)
    pair.sandbox.faults.set(graphql="denied")
    assert isinstance(queries.signature(pair.client, P, ["subject"]), Unknown)
    pair.sandbox.faults.set(graphql="missing")
    assert isinstance(queries.signature(pair.client, P, ["subject"]), Missing)
    pair.sandbox.faults.set(graphql="down")
    assert isinstance(queries.signature(pair.client, P, ["subject"]), Broken)
    pair.sandbox.faults.set(graphql="error")
    assert isinstance(queries.signature(pair.client, P, ["subject"]), Refused)


@pytest.mark.parametrize("point", [point for point in Point if point is not Point.MID_EXPORT])
@pytest.mark.parametrize("how", ["close", "reset", 504])
def test_a_lost_answer_is_never_taken_for_not_done(pair: Pair, point: Point, how: str | int) -> None:
    pair.sandbox.faults.lose(point, how=how, method="PUT")
    reply = _cases(pair, "C-1")
    assert isinstance(reply, Broken)
    assert reply.may_have_landed
    assert reply.cause in {BrokenCause.RESET, BrokenCause.TIMEOUT}


def test_answers_of_proxies(pair: Pair) -> None:
    pair.sandbox.faults.answer(413, method="PUT")
    assert isinstance(_cases(pair, "C-1"), TooLarge)
    pair.sandbox.faults.answer(429, method="PUT", headers={"Retry-After": "7"})
    busy = _cases(pair, "C-1")
    assert isinstance(busy, Busy)
    assert busy.retry_after == 7
    for kind in ("html", "content_type", "invalid_json", "broken_gzip"):
        pair.sandbox.faults.add(kind, method="PUT")
        broken = _cases(pair, "C-1")
        assert isinstance(broken, Broken), kind
        assert (broken.cause, broken.may_have_landed) == (BrokenCause.CONTENT, True), kind


def test_tokens_end_and_keys_are_revoked(pair: Pair) -> None:
    pair.sandbox.set_clock_offset(7200)
    assert isinstance(_cases(pair, "C-1"), Landed)  # the token died an hour ago: 401, a new one, once more
    pair.sandbox.set_clock_offset(14400)
    pair.sandbox.revoke_key()
    reply = _cases(pair, "C-2")
    assert isinstance(reply, Broken)
    assert (reply.cause, reply.may_have_landed) == (BrokenCause.CREDENTIALS, False)
    assert "profile page" in reply.message


def test_rights(pair: Pair) -> None:
    pair.sandbox.deny("DEV-test", "update")
    assert isinstance(_cases(pair, "C-1"), Forbidden)
    rights = pair.client.permissions()
    assert not isinstance(rights, Refused | Failure)
    assert not rights.may_submit(P)
    assert rights.may_read(P)
    pair.sandbox.deny("DEV-test")
    assert isinstance(pair.client.export_node(P, "subject"), Forbidden)


def test_known_is_a_pair() -> None:
    assert Known("i", "s") == ("i", "s")
