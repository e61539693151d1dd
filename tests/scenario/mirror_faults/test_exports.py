"""The export goes wrong (docs/reference/mirror-faults.md, "The export")."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gen3sync.ledger import Outcome
from gen3sync.sandbox.faults import Kind, Point
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.inbox_house import study
from tests.scenario.mirror_faults.kit import BOTH, FILE, JSON, fresh, mirrored, read, settled

EXPORT = "/export"


def says(sandbox: Sandbox, body: str | bytes, kind: str = "application/json", **headers: str) -> None:
    sandbox.faults.answer(200, path=EXPORT, body=body, content_type=kind, headers=headers)


def record(**changes: object) -> str:
    made = {"id": "x", "type": "study", "project_id": "DEV-test", "submitter_id": "ST-1", **changes}
    return json.dumps({"data": [made]}, ensure_ascii=False)


FAULTS: dict[str, tuple[Callable[[Sandbox], object], str]] = {
    "cut after a record, complete to HTTP": (lambda s: s.faults.cut_export(rows=1), "was cut or broken after 1 rec"),
    "cut before the first record": (lambda s: s.faults.cut_export(rows=0), "was cut or broken after 0 records"),
    "cut with the connection": (lambda s: s.faults.cut_export(rows=1, clean=False), "too early|cut|broke off|ended"),
    "killed worker": (lambda s: s.faults.kill(Point.MID_EXPORT, path=EXPORT), "too early|cut|broke off|ended"),
    "killed worker before the first byte": (lambda s: s.faults.kill(Point.STARTED, path=EXPORT), "answered 502"),
    "connection reset": (lambda s: s.faults.lose(Point.STARTED, how="reset", times=None, path=EXPORT), "connection"),
    "HTML with 200": (lambda s: s.faults.add(Kind.HTML, path=EXPORT), "web page|HTML|text/html"),
    "HTML that calls itself JSON": (lambda s: says(s, "<html>Sign in</html>"), "is no export: it begins with '<html>"),
    "empty 200": (lambda s: says(s, ""), "is empty"),
    "wrong content type": (lambda s: s.faults.add(Kind.CONTENT_TYPE, path=EXPORT), "answered an export with"),
    "TSV instead of JSON": (lambda s: says(s, "type\tid\nstudy\tx\n"), "is no export: it begins with 'type id"),
    "JSON of another shape": (lambda s: says(s, '{"data": {}}'), "another shape than an export"),
    "JSON with something behind it": (lambda s: says(s, record() + "<!-- -->"), "cut or broken|another shape"),
    "an error document with 200": (lambda s: says(s, '{"message": "try later"}'), "another shape than an export"),
    "broken JSON": (lambda s: s.faults.add(Kind.INVALID_JSON, path=EXPORT), "was cut or broken"),
    "broken gzip": (lambda s: s.faults.add(Kind.BROKEN_GZIP, path=EXPORT), "compressed body that is damaged"),
    "gzip without its end": (
        lambda s: says(s, gzip.compress(record().encode())[:-9], **{"Content-Encoding": "gzip"}),
        "compressed body that ends too early",
    ),
    "an encoding nobody asked for": (lambda s: says(s, record(), **{"Content-Encoding": "br"}), "encoding"),
    "bytes that are not UTF-8": (lambda s: says(s, record(title="K\u00f6ln").encode("latin-1")), "not UTF-8|broken"),
    "another project's records": (lambda s: says(s, record(project_id="DEV-other")), "of project 'DEV-other'"),
    "another node's records": (lambda s: says(s, record(type="subject")), "a record of 'subject'"),
    "a record without id": (lambda s: says(s, record(id=None)), "something that is no record at position 1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_export_that_is_not_whole(tmp_path: Path, fault: str) -> None:
    strike, why = FAULTS[fault]
    with settled(tmp_path) as (h, before):
        strike(h.sandbox)
        assert h.look()[FILE].outcome is Outcome.FAILED
        before.stands(h, Outcome.FAILED, why)
        h.restart()
        before.stands(h, Outcome.FAILED, why)
        h.sandbox.faults.clear()
        fresh(h)


def test_both_formats_of_a_node_keep_their_files(tmp_path: Path) -> None:
    with settled(tmp_path, mirror=BOTH) as (h, before):
        h.sandbox.faults.cut_export(rows=4)
        h.look()
        before.stands(h, Outcome.FAILED, "cut or broken after 4 records", FILE, JSON)
        fresh(h, FILE, JSON)


def test_a_stalled_export(tmp_path: Path) -> None:
    with settled(tmp_path, commons={"read_timeout": 5}) as (h, before):
        with h.sandbox.faults.stall_export(rows=2):
            h.look()
            before.stands(h, Outcome.FAILED, "did not|no answer|silent|in time|stopped")
        fresh(h)


def test_an_export_slower_than_the_deadline(tmp_path: Path) -> None:
    with settled(tmp_path, commons={"deadline": 6}) as (h, before):
        study(h.sandbox, *(f"MORE-{n}" for n in range(1500)))
        h.sandbox.faults.set(export_rows=150)
        h.look()
        before.stands(h, Outcome.FAILED, "within 6 s|deadline|longer than|in time")
        h.sandbox.faults.clear()
        fresh(h)


def test_a_slow_export_is_waited_for_and_the_old_file_stays_meanwhile(tmp_path: Path) -> None:
    with settled(tmp_path) as (h, before):
        with h.sandbox.faults.stall_export(rows=4) as stalled:
            slow = threading.Thread(target=h.look)
            slow.start()
            stalled.wait_reached()
            assert (h.folder / "inbox" / FILE).read_bytes() == before.files[FILE]
            assert read(h).mirror().checked_at == before.at.isoformat(timespec="seconds")
            stalled.release()
        slow.join()
        fresh(h, outcome=Outcome.UNCHANGED)


def test_a_first_export_that_fails_makes_no_file(tmp_path: Path) -> None:
    with mirrored(tmp_path) as h:
        study(h.sandbox, "ST-1")
        h.sandbox.faults.cut_export(rows=0)
        assert h.look()[FILE].outcome is Outcome.FAILED
        assert h.files() == set()
        mirror = read(h).mirror()
        assert (mirror.checked_at, mirror.rows, mirror.stale) == (None, None, True)
        assert mirror.reason.endswith("There is no file yet.")
        fresh(h)


def test_records_that_go_while_they_are_exported(tmp_path: Path) -> None:
    """The export and the count differ, and something did change: the export is as good as any, and looked at again."""
    with settled(tmp_path) as (h, _):
        with h.sandbox.faults.hold(Point.STARTED, path=EXPORT) as held:
            slow = threading.Thread(target=h.look)
            slow.start()
            held.wait_reached()
            study(h.sandbox, "ST-7")
            held.release()
        slow.join()
        assert len(h.rows(FILE)) == 7
        fresh(h, outcome=Outcome.UNCHANGED)


def test_fewer_records_than_the_commons_counts(tmp_path: Path) -> None:
    """A whole answer in form, with records missing, while nothing changed: only the count can tell."""
    with settled(tmp_path) as (h, before):
        found = [{**each, "projects": []} for each in h.sandbox.records("DEV-test", "study")[:5]]
        says(h.sandbox, json.dumps({"data": found}))
        h.look()
        before.stands(h, Outcome.GUARDED, "holds 5 records but the commons counts 6, and nothing changed meanwhile")
        fresh(h)
