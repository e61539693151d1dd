"""Receipts recounted: against the commons' own log, against what it stored, against the files as dropped.

Believes nothing of a receipt but the names of its requests.
"""

from __future__ import annotations

from collections import Counter

from gen3sync.sandbox.transactions import State, Transaction
from tests.scenario.outbox_machine.ended import Ended, fits
from tests.scenario.outbox_machine.sheets import NODES, Row, read
from tests.scenario.outbox_machine.town import Town
from tests.scenario.outbox_machine.witness import Key, Write

COUNTED = ("created", "updated", "written", "unchanged", "rejected", "superseded", "withdrawn", "waiting")
_NOTHING = ("refused", "not sent", "answer lost, not stored", "success said, not stored")
_STORED = ("landed", "answer lost, landed")


def no_collisions(town: Town) -> None:
    """No two requests in flight wrote one record, or named one id."""
    for one, other, key in town.sandbox.colliding():
        raise AssertionError(f"requests {one.number} and {other.number} were in flight at once and both named {key}")


def receipt_is_true(town: Town, one: Ended) -> None:
    """Recounts a receipt from the commons' own log and from what it stored."""
    paper, counts = one.paper, one.paper["rows"]
    if one.verdict == "withdrawn" and not counts["read"]:  # before it was its turn to be read
        assert not one.written, str(one)
        assert not paper["chunks"], str(one)
        return
    assert counts["read"] == len(one.sheet.rows) == sum(counts.get(word, 0) for word in COUNTED), (str(one), counts)
    assert not counts.get("waiting"), str(one)
    assert (counts["rejected"] > 0) == bool(one.refused), str(one)
    words = {"landed": not one.refused, "partly": bool(one.refused), "rejected": not one.written}
    assert words.get(one.verdict, True), f"{one}: {counts}, wrote {one.written.keys()}"
    _chunks(town, one)
    for row in one.sheet.rows:
        if (row.node, row.submitter_id) in one.refused:
            assert one.key(row) not in one.written or one.sheet.twins(row), f"{one}: {row} was refused and written"
    if one.green:
        _values(town, one)
        _counts(town, one)
        # Of a request that was planned without sight, and whose answer was lost, nobody knows what it found.
        if "read" not in town.struck:
            _erased(town, one)
            _undo(town, one)
    said = paper["verification"]
    assert (said["rows_accepted_unverified"] > 0) >= (one.verdict == "unverified"), str(one)
    others = sum(bool(_meddled(town, one, row)) for row in one.sheet.rows)
    assert said["overwritten_since"] <= others, f"{one}: overwritten_since {said['overwritten_since']}, not {others}"


def _meddled(town: Town, one: Ended, row: Row) -> list[Write]:
    """What others than this drop wrote to a row's record while the drop was open."""
    return town.witness.foreign(one.key(row), one.known.since, one.until)


def _chunks(town: Town, one: Ended) -> None:
    """Each request is as the log has it."""
    log: dict[str, Transaction] = {}
    for entry in town.sandbox.transactions:
        for document in entry.documents:
            if document.name and not entry.is_dry_run:
                assert document.name not in log or log[document.name].state in (State.FAILED, State.ERRORED), (
                    f"{document.name} was used twice"
                )
                log[document.name] = entry
    names = [chunk["document_name"] for chunk in one.paper["chunks"]]
    assert len(names) == len(set(names)), str(one)
    for chunk in one.paper["chunks"]:
        known = log.get(chunk["document_name"])
        wrote = [key for key, writes in one.written.items() for w in writes if w.document == chunk["document_name"]]
        told = f"{one}: {chunk} against {known and known.state} and {wrote}"
        if chunk["state"] in _STORED:
            assert known is not None, told
            assert known.id == chunk["transaction_id"], told
            if (
                known.state is State.PENDING and chunk["transaction_state"] == "PENDING"
            ):  # a false success, seen as such
                assert not wrote, told
                continue
            assert known.state is State.SUCCEEDED, told
            assert len(wrote) >= chunk["rows"], told
            assert len(wrote) == chunk["rows"] or chunk["document_name"] in one.shared, told
        elif chunk["state"] in _NOTHING:
            assert not wrote, told
        else:
            assert chunk["state"] == "answer lost, expired", told
        if chunk["transaction_state"]:
            assert known is not None, told
            assert known.state.value == chunk["transaction_state"] or known.state is State.SUCCEEDED, told


def _counts(town: Town, one: Ended) -> None:
    """Created, updated and unchanged rows, recounted from what the drop's requests did."""
    found: Counter[str] = Counter()
    for row in one.held:
        writes = one.written.get(one.key(row))
        found["unchanged" if not writes else "updated" if writes[0].before else "created"] += 1
    said = {word: one.paper["rows"].get(word, 0) for word in ("created", "updated", "written", "unchanged")}
    clear = "read" not in town.struck and not any(_meddled(town, one, row) for row in one.sheet.rows)
    assert not clear or said == {word: found[word] for word in said}, f"{one}: says {said}, did {dict(found)}"
    assert sum(said.values()) == sum(found.values()), str(one)
    if clear:
        _values_counted(town, one)
    spelled = sum(
        any(w.before and w.now and w.before.submitter_id != w.now.submitter_id for w in writes)
        for writes in one.written.values()
    )
    assert not clear or one.paper["renamed_total"] == spelled, f"{one}: {one.paper['renamed']}, not {spelled}"


def _values_counted(town: Town, one: Ended) -> None:
    """The values that the receipt says were read back, and those it only compared: properties, blanks where nothing is
    stored, parents."""
    told = one.paper["verification"]
    counted = {"values": 0, "values_unchanged": 0}
    for row in one.held:
        writes = one.written.get(one.key(row))
        seen = town.witness.between(one.key(row), one.known.since, one.until)
        record = writes[-1].now if writes else next(r for r in seen if fits(row, r, keeps=one.keeps))
        assert record is not None
        filled = sum(value is not None for value in row.props.values())
        blank = sum(value is None and record.props.get(name) is None for name, value in row.props.items())
        counted["values" if writes else "values_unchanged"] += filled + blank + len(row.parents)
    assert counted == {word: told[word] for word in counted}, f"{one}: counted {counted}, says {told}"


def _values(town: Town, one: Ended) -> None:
    """What was sent is what the file says, and nothing else changed; what was not sent was there."""
    for row in one.held:
        writes = one.written.get(one.key(row))
        if not writes:
            seen = town.witness.between(one.key(row), one.known.since, one.until)
            assert any(fits(row, record, keeps=one.keeps) for record in seen), f"{one}: {row} was never so: {seen}"
            continue
        for write in writes:
            assert fits(row, write.now, keeps=one.keeps), f"{one}: {row} was sent as {write.now}"
            assert write.now is not None
            # The commons itself puts back what somebody else wrote while it was at the request (GEN3.md, lie 7).
            if write.before is not None and write.before.id == write.now.id and not _meddled(town, one, row):
                for name in NODES[row.node].props.keys() - row.props.keys():
                    assert write.now.props.get(name) == write.before.props.get(name), f"{one}: {row} changed {name}"
    method = one.paper["verification"]["method"]
    if method == "transaction and values":
        log = {entry.id: entry.state for entry in town.sandbox.transactions}
        last = [writes[-1].transaction for writes in one.written.values()]
        assert all(log[tid] is State.SUCCEEDED for tid in last), f"{one}: {method}, {[log[tid] for tid in last]}"


def _erased(town: Town, one: Ended) -> None:
    """Stored values that its blanks erased, and that it was allowed to."""
    gone: Counter[str] = Counter()
    for row in one.held:
        columns = set()
        for write in one.written.get(one.key(row), ()):
            if write.before and write.now:
                before, now = write.before.props, write.now.props
                columns |= {name for name in row.props if before.get(name) is not None and now.get(name) is None}
        gone.update(columns)
    if any(_meddled(town, one, row) for row in one.sheet.rows):
        return
    allowed = one.id in town.erasable or town.blanks == "erase"
    assert not gone or allowed, f"{one} erased {dict(gone)}, and nobody had said so"
    assert one.paper["erased"] == dict(gone), f"{one}: says {one.paper['erased']}, erased {dict(gone)}"


def _undo(town: Town, one: Ended) -> None:
    """The undo files hold what stood in the updated records before, no more and no less."""
    if any(_meddled(town, one, row) for row in one.sheet.rows):
        return
    before = {key: writes[0].before for key, writes in one.written.items() if writes[0].before is not None}
    told = one.paper["undo"]
    there: set[Key] = set()
    for name in told["files"]:
        path = one.file.with_name(f"{one.file.name}.{name}")
        for row in read(path.name, path.read_bytes()).rows:
            key = (one.project, *row.key)
            assert key in before, f"{one}: undo of {row}, which it did not update"
            assert key not in there, f"{one}: {row} is twice in the undo files"
            there.add(key)
            stood = before[key]
            assert stood is not None
            assert stood.submitter_id == row.submitter_id, f"{one}: undo {row}, it was {stood}"
            for column, value in row.props.items():
                assert stood.props.get(column) == value, f"{one}: undo {row}, it was {stood}"
            named = next(one_row for one_row in one.held if one_row.key == row.key)
            assert row.props.keys() >= named.props.keys(), f"{one}: undo {row} does not restore all of {named}"
    assert there == before.keys(), f"{one}: undo of {there}, updated {before.keys()}"
    assert told["restores"] == len(there), str(one)
