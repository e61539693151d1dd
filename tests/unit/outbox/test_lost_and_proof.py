"""What is known of lost requests, and what counts as proof."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gen3sync.commons.journal import Touch
from gen3sync.commons.replies import Transaction, TransactionState
from gen3sync.ledger.rows import Request, RequestState
from gen3sync.outbox.journal import UnseenRow
from gen3sync.outbox.lost import Fate, done_unseen, fate
from gen3sync.outbox.model import Action, IndexedRow, RowState
from gen3sync.outbox.proof import Proof, Proven, Readback, Seen, disproved, prove


def entry(state: TransactionState, *, dry: bool = False) -> Transaction:
    return Transaction(5, state, dry, "")


@pytest.mark.parametrize(
    ("found", "seconds", "known"),
    [
        (entry(TransactionState.SUCCEEDED), 1, Fate.LANDED),
        (entry(TransactionState.FAILED), 1, Fate.NOT_STORED),
        (entry(TransactionState.ERRORED), 1, Fate.NOT_STORED),
        (entry(TransactionState.PENDING), 1, Fate.UNKNOWN),
        (entry(TransactionState.PENDING), 600, Fate.EXPIRED),
        (entry(TransactionState.SUCCEEDED, dry=True), 1, Fate.UNKNOWN),
        (None, 599, Fate.UNKNOWN),
        (None, 600, Fate.EXPIRED),
    ],
)
def test_fate(found: Transaction | None, seconds: float, known: Fate) -> None:
    assert fate(found, timedelta(seconds=seconds), 600.0) is known


def test_what_a_lost_request_did_unseen() -> None:
    """A record that was updated may have been created by an earlier request; one that was created was not there."""
    keys = ("case a", "id 7b1b", "case b", "case c", "case d", "case e")
    now = datetime(2026, 1, 2, tzinfo=UTC)
    request = Request(1, 1, "doc", "DEV", "test", "case", 1, 5, keys, None, RequestState.LOST, None, now, None, None)
    did = (("A", "create"), ("b", "update"), ("C", "create"), ("d", "update"))
    told = [Touch("case", f"id of {name}", action, name) for name, action in did]
    unseen = [UnseenRow(line, line, line < 2) for line in range(5)]
    assert done_unseen(request, unseen, told) == {Action.CREATE: [0, 2], Action.UPDATE: [1]}


ROW = IndexedRow(1, 1, 2, 2, "case", "a", "A", 0, None, RowState.LANDED)
OK, PENDING = TransactionState.SUCCEEDED, TransactionState.PENDING


@pytest.mark.parametrize(
    ("back", "differs", "proof", "seen"),
    [
        (Readback(OK, {}), {1: None}, Proof.FULL, Seen.EQUAL),
        (Readback(None, {}), {1: None}, Proof.VALUES, Seen.EQUAL),
        (Readback(OK, None), {}, Proof.TRANSACTION, Seen.UNREAD),
        (Readback(None, None), {}, Proof.NONE, Seen.UNREAD),
        (Readback(PENDING, {}), {}, Proof.VALUES, Seen.ABSENT),
        (Readback(PENDING, {}), {1: "sex differs"}, Proof.VALUES, Seen.DIFFERENT),
        (Readback(OK, {}), {1: "sex differs"}, Proof.FULL, Seen.DIFFERENT),
        (Readback(OK, {}, written_since={1: False}), {1: "sex differs"}, Proof.FULL, Seen.OVERWRITTEN),
        (Readback(OK, {}, written_since={2: False}), {1: "sex differs"}, Proof.FULL, Seen.DIFFERENT),
        (Readback(PENDING, {}, written_since={1: False}), {1: "sex differs"}, Proof.VALUES, Seen.DIFFERENT),
        (Readback(OK, {}, written_since={1: False}), {}, Proof.FULL, Seen.ABSENT),
        (Readback(OK, {}, written_since={1: True}), {}, Proof.FULL, Seen.OVERWRITTEN),
        (Readback(PENDING, {}, written_since={1: True}), {}, Proof.VALUES, Seen.ABSENT),
    ],
)
def test_prove(back: Readback, differs: dict[int, str | None], proof: Proof, seen: Seen) -> None:
    proven = prove([ROW], back, differs)
    assert (proven.proof, proven.rows[1]) == (proof, seen)
    assert proof.green is (proof in (Proof.FULL, Proof.VALUES))


@pytest.mark.parametrize(
    ("state", "seen", "nothing"),
    [
        (PENDING, [Seen.ABSENT, Seen.DIFFERENT], True),
        (TransactionState.FAILED, [Seen.ABSENT], True),
        (TransactionState.ERRORED, [Seen.DIFFERENT], True),
        (PENDING, [Seen.ABSENT, Seen.EQUAL], False),
        (PENDING, [Seen.UNREAD], False),
        (OK, [Seen.ABSENT], False),
        (None, [Seen.ABSENT], False),
    ],
)
def test_a_request_that_said_success_and_stored_nothing(
    state: TransactionState | None, seen: list[Seen], nothing: bool
) -> None:
    proven = Proven(Proof.VALUES, dict(enumerate(seen)))
    assert disproved(Readback(state, {}), proven) is nothing
