"""When a few records will do, and when only an export tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gen3sync.commons.journal import Journal, Touch, Written
from gen3sync.inbox.detect import Known, Signature
from gen3sync.inbox.touch import Few, Full, renamed, touched, waited_for, worth_asking
from tests.unit.inbox.test_render import case

AT = datetime(2026, 1, 1, tzinfo=UTC)
KNOWN = Known("5:100:c1@t0", AT, {"7": AT}, frozenset({"3"}), newest=9)


def seen(ok: int = 6, count: int = 100, newest: str = "c1@t0", pending: str = "3 7") -> Signature:
    return Signature(ok, frozenset(pending.split()), {"case": (count, newest)}, 10)


def wrote(id: int, *touches: Touch, role: str = "update") -> Written:
    return Written(id, role, touches)


def edit(id: str, node: str = "case", action: str = "update", name: str | None = "C-1") -> Touch:
    return Touch(node, id, action, name)


def asked(*written: Written, ok: int = 6, **more: Any) -> Few | Full:
    return touched(KNOWN, seen(ok, **more), case(), Journal(ok, written))


def test_records_of_the_new_transaction_are_few() -> None:
    assert asked(wrote(10, edit("c2"), edit("c3", action="create"))) == Few(frozenset({"c2", "c3"}))


def test_other_nodes_do_not_matter_but_updated_parents_may_be_renamed() -> None:
    parent = edit("e1", "experiment", name="E-1")
    found = asked(wrote(10, edit("a1", "aliquot"), parent, edit("e2", "experiment", "create")))
    assert found == Few(frozenset(), {"e1": frozenset({"E-1"})})
    assert isinstance(found, Few)
    assert not renamed(found, {"e1": frozenset({"E-1"})})
    assert not renamed(found, {}), "no record links to it"
    assert renamed(found, {"e1": frozenset({"e-1"})})
    assert renamed(found, {"e1": frozenset({"E-1", "e-1"})}), "a child was fetched before the rename was told"
    nameless = asked(wrote(10, edit("e1", "experiment", name=None)))
    assert isinstance(nameless, Few)
    assert renamed(nameless, {"e1": frozenset({"E-1"})})


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (asked(wrote(10, edit("c2")), ok=7), "2 transactions succeeded, and 1 of them can be named"),
        (asked(wrote(9, edit("c2"))), "1 transactions succeeded, and 0"),
        (asked(Written(10, "update", None)), "does not tell what it wrote"),
        (asked(wrote(10, edit("c2", action="delete"), role="delete")), "deleted"),
        (asked(wrote(10, edit("e2", "experiment", "delete"), role="delete")), "deleted"),
        (asked(wrote(10, edit("c2"), role="release")), "of another kind"),
        (asked(wrote(10, edit("c2")), newest="c9@t1"), "written by no transaction"),
        (asked(wrote(10, *(edit(f"c{n}") for n in range(21)))), "21 records were written"),
        (touched(KNOWN, seen(), case(), Journal(7, (wrote(10, edit("c2")),))), "meanwhile"),
        (asked(wrote(10, edit("c2")), count=99), "more was written"),
        (asked(wrote(10, edit("c2")), count=200), "more was written"),
    ],
)
def test_whatever_does_not_close_is_exported_whole(found: Few | Full, why: str) -> None:
    assert isinstance(found, Full)
    assert why in found.reason


def test_a_deletion_elsewhere_does_not_matter() -> None:
    assert asked(wrote(10, edit("a1", "aliquot", "delete"), role="delete")) == Few()


def test_late_ones_are_those_that_were_pending_when_the_file_was_made() -> None:
    assert waited_for(KNOWN, seen(pending="3")) == {7}
    assert asked(wrote(7, edit("c2")), pending="3") == Few(frozenset({"c2"}))
    assert asked(wrote(3, edit("c2")), pending="7") == Few(frozenset({"c2"})), "even one long given up"
    assert isinstance(asked(wrote(8, edit("c2")), pending="3 7"), Full)


def test_the_newest_record_is_the_old_one_or_one_of_those_written() -> None:
    assert asked(wrote(10, edit("c9")), newest="c9@t1") == Few(frozenset({"c9"}))


def test_what_is_worth_asking_for() -> None:
    assert worth_asking(KNOWN, seen(), "case")
    assert not worth_asking(KNOWN, seen(ok=5), "case"), "nothing was logged"
    assert not worth_asking(KNOWN, seen(ok=26), "case")
    assert not worth_asking(Known("5:100:c1@t0", AT), seen(), "case"), "made before newest was known"
    assert not worth_asking(Known("", AT, newest=3), seen(), "case")
