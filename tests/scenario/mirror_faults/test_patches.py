"""A few records fetched by id go wrong (docs/reference/mirror-faults.md, "A few records in place of an export").

Whatever happens, the mirror is the commons afterwards: a full export finds nothing new.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gen3sync.ledger import Outcome
from gen3sync.sandbox.faults import Point
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.inbox_house import House, study
from tests.scenario.mirror_faults.kit import BOTH, FILE, JSON, Truth, fresh, later, read, settled, truth
from tests.scenario.mirror_faults.test_disk import failing
from tests.scenario.mirror_faults.test_exports import EXPORT, FAULTS, says


@contextmanager
def few(folder: Path, **options: Any) -> Iterator[tuple[House, Truth]]:
    """Mirrors that follow by few records; one record has changed since, and one was added."""
    with settled(folder, mirror=BOTH, full_every="1d", **options) as (h, _):
        h.look()
        before = truth(h)
        change(h, "newer")
        yield h, before


def change(h: House, title: str) -> None:
    study(h.sandbox, "ST-1", f"ST-{title}", title=title)
    later(h, 600)


def asked(h: House, look: Callable[[], object]) -> list[str]:
    """How records were asked for: GET is an export, POST a few by id."""
    before = len(h.sandbox.requests)
    look()
    return [each.method for each in h.sandbox.requests[before:] if EXPORT in each.path]


def right(h: House) -> None:
    """A full export changes nothing of what the mirrors say."""
    files = {name: h.text(name) for name in (FILE, JSON)}
    assert {each.outcome for each in h.pull(FILE, JSON).values()} == {Outcome.UNCHANGED}
    assert {name: h.text(name) for name in (FILE, JSON)} == files


def test_few_records_are_fetched_by_id(tmp_path: Path) -> None:
    """So that the scenarios here meet what they are about."""
    with few(tmp_path) as (h, _):
        assert asked(h, lambda: fresh(h, FILE, JSON)) == ["POST"]
        right(h)


STRIKES: dict[str, Callable[[Sandbox], object]] = {
    **{fault: strike for fault, (strike, _) in FAULTS.items()},
    # A few records come in one piece, so these cut by bytes; and the reset is to strike them alone.
    "cut after a record, complete to HTTP": lambda s: s.faults.cut_export(bytes=300),
    "cut before the first record": lambda s: s.faults.cut_export(bytes=1),
    "cut with the connection": lambda s: s.faults.cut_export(bytes=300, clean=False),
    "connection reset": lambda s: s.faults.lose(Point.STARTED, how="reset", times=None, method="POST", path=EXPORT),
}


@pytest.mark.parametrize("fault", STRIKES)
def test_records_by_id_that_are_no_answer(tmp_path: Path, fault: str) -> None:
    """The fault of an export strikes the few records; then all are exported."""
    with few(tmp_path) as (h, _):
        STRIKES[fault](h.sandbox)
        assert asked(h, lambda: fresh(h, FILE, JSON))[-1] == "GET"
        right(h)


LIES: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "none of them": lambda found: [],
    "one is missing": lambda found: found[:1],
    "one that was not asked for": lambda found: [*found, {**found[0], "id": "another"}],
    "another project's": lambda found: [found[0], {**found[1], "project_id": "DEV-other"}],
    "another node's": lambda found: [found[0], {**found[1], "type": "subject"}],
    "one id with two contents": lambda found: [*found, {**found[0], "title": "third"}],
    "no records": lambda found: ["ST-1", 7],
    "an export's shape": lambda found: {"data": found},
}


@pytest.mark.parametrize("lie", LIES)
def test_records_by_id_that_are_not_those(tmp_path: Path, lie: str) -> None:
    with few(tmp_path) as (h, _):
        found = [each for each in stored(h) if each["submitter_id"] in ("ST-1", "ST-newer")]
        says(h.sandbox, json.dumps(LIES[lie](found)))
        assert asked(h, lambda: fresh(h, FILE, JSON)) == ["POST", "GET"]
        right(h)


def stored(h: House) -> list[dict[str, Any]]:
    return [{**each, "projects": []} for each in h.sandbox.records("DEV-test", "study")]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 502, 503, 504])
def test_neither_few_records_nor_an_export_can_be_had(tmp_path: Path, status: int) -> None:
    with few(tmp_path) as (h, before):
        h.sandbox.faults.answer(status, times=None, path=EXPORT)
        h.look()
        before.stands(h, Outcome.FAILED, "[.]", FILE, JSON)
        h.sandbox.faults.clear()
        h.client.tokens.forget_failure()
        fresh(h, FILE, JSON)
        right(h)


@pytest.mark.parametrize("step", ["created", "written", "synced"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 6])
def test_the_disk_fills_while_few_records_are_put_in(tmp_path: Path, step: str, nth: int) -> None:
    """At any file: each mirror is old or new, whole, and the next change is taken up from there."""
    with few(tmp_path) as (h, before):
        with failing(h, step, nth, errno.ENOSPC):
            h.look()
        for name in (FILE, JSON):
            text = h.text(name)
            assert text.encode() == before.files[name] or text.count("newer") == 3, name
        assert read(h).mirror(FILE).outcome == read(h).mirror(JSON).outcome == "failed"
        h.look()
        right(h)
        change(h, "newest")
        fresh(h, FILE, JSON)
        right(h)


def copy_of(h: House) -> Path:
    (found,) = (h.folder / "state/mirrors").rglob("study.sqlite")
    return found


@pytest.mark.parametrize("what", ["gone", "damaged", "of before"])
def test_the_copy_to_be_patched_is_not_right(tmp_path: Path, what: str) -> None:
    with few(tmp_path) as (h, _):
        copy, aside = copy_of(h), tmp_path / "aside"
        shutil.copy(copy, aside)
        fresh(h, FILE, JSON)
        match what:
            case "gone":
                copy.unlink()
            case "damaged":
                copy.write_bytes(b"not a table" * 1000)
            case "of before":
                shutil.copy(aside, copy)
        change(h, "newest")
        assert asked(h, lambda: fresh(h, FILE, JSON))[-1] == "GET"
        right(h)


def test_the_file_to_be_patched_was_edited(tmp_path: Path) -> None:
    with few(tmp_path) as (h, _):
        path = h.folder / "inbox" / FILE
        path.write_bytes(path.read_bytes().replace(b"ST-2", b"MINE"))
        fresh(h, FILE, JSON)
        right(h)
        assert [h.text(name).count("MINE") for name in h.files() if ".local-" in name] == [1]


def test_written_by_sql_meanwhile(tmp_path: Path) -> None:
    """No transaction tells of it: what it changed is not seen by the few, but by the full export that comes daily."""
    with few(tmp_path) as (h, _):
        h.sandbox.sql("DEV-test", "study", "ST-2", title="by hand")
        h.sandbox.sql("DEV-test", "study", "BY-HAND", title="by hand")
        assert asked(h, lambda: fresh(h, FILE, JSON))[-1] == "GET", "the counts do not agree"
        h.sandbox.sql("DEV-test", "study", "ST-2", title="by hand again")
        change(h, "newest")
        fresh(h, FILE, JSON)
        later(h, 86400)
        h.look()
        assert "by hand again" in h.text(FILE)
        right(h)
