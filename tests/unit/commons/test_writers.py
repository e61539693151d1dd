"""Who wrote a record since: what newer transactions say of themselves, and what counts where they say nothing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gen3sync.commons import queries
from gen3sync.commons.replies import Broken, BrokenCause, Failure, GraphqlData, Refused
from gen3sync.names import Project

P = Project("DEV", "test")
OWN = "gen3sync/here/"


class Log:
    """A commons with these transactions, newest last."""

    def __init__(self, *entries: dict[str, Any]) -> None:
        self.entries = [entry | {"id": str(number)} for number, entry in enumerate(entries, 1)][::-1]

    def graphql(self, query: str, variables: dict[str, object] | None = None) -> GraphqlData | Refused | Failure:
        given: dict[str, Any] = dict(variables or {})
        if "log:transaction_log(" in query:
            return GraphqlData({"log": self.entries[given["o"] : given["o"] + given["n"]]})
        asked = set(re.findall(r"t(\d+):", query))
        return GraphqlData(
            {f"t{e['id']}": [e] if e["state"] == "SUCCEEDED" else [] for e in self.entries if e["id"] in asked}
        )


def entry(number: int, *touched: tuple[str, str], name: str | None = None, **other: object) -> dict[str, Any]:
    """A transaction that did something (`action`) to records of `subject` called so."""
    entities = [
        {"type": "subject", "id": f"id-{sid}", "action": action, "unique_keys": [{"submitter_id": sid}]}
        for action, sid in touched
    ]
    counts = {
        f"{action}d_entity_count": sum(a == action for a, _ in touched) for action in ("create", "update", "delete")
    }
    answer = {"success": True, "transaction_id": number, "entities": entities, **counts}
    documents = [{"name": name, "response_json": json.dumps(answer)}]
    return {"state": "SUCCEEDED", "is_dry_run": False, "role": "update", "documents": documents} | other


WANTED = {"a": "id-A", "b": None}


def since(*entries: dict[str, Any], own: int = 1) -> object:
    return queries.wrote_since(Log(*entries), P, own, "subject", WANTED, OWN)


def test_transactions_that_name_a_record_wrote_it() -> None:
    ours = entry(1, ("create", "A"), ("create", "B"), name=f"{OWN}1/1/1-x")
    assert since(ours) == {}
    assert since(ours, entry(2, ("update", "A"), ("update", "X"))) == {"a": False}
    assert since(ours, entry(2, ("update", "B"))) == {"b": False}
    assert since(ours, entry(2, ("update", "X"), name=f"{OWN}1/2/1-y")) == {}
    assert since(ours, entry(2, ("update", "a"), name="gen3sync/elsewhere/1/1/1-z")) == {"a": False}


def test_what_was_done_last_counts() -> None:
    ours = entry(1, ("create", "A"))
    assert since(ours, entry(2, ("update", "A")), entry(3, ("delete", "A"))) == {"a": True}
    assert since(ours, entry(2, ("delete", "A")), entry(3, ("create", "A"))) == {"a": False}


def test_what_stored_nothing_wrote_nothing() -> None:
    nothing: list[dict[str, Any]] = [{"state": "FAILED"}, {"state": "ERRORED"}, {"is_dry_run": True}]
    for how in nothing:
        assert since(entry(1, ("create", "A")), entry(2, ("update", "A"), **how)) == {}


@pytest.mark.parametrize("silent", [{"documents": []}, {"state": "PENDING"}, {"documents": [{"name": None}]}])
def test_who_does_not_tell_may_have_written_anything_but_never_deleted_it(silent: dict[str, Any]) -> None:
    assert since(entry(1, ("create", "A")), entry(2, ("delete", "A"), **silent)) == {"a": False, "b": False}


def test_our_own_requests_wrote_nothing_else_even_if_they_do_not_tell() -> None:
    pending = entry(2, name=f"{OWN}1/2/1-y", state="PENDING")
    assert since(entry(1, ("create", "A")), pending) == {}


def test_not_more_than_so_many_are_looked_through() -> None:
    others = [entry(number, ("update", f"X{number}")) for number in range(3, 520)]
    assert since(entry(1, ("create", "A")), entry(2, ("update", "A")), *others) == {}
    assert since(entry(1, ("create", "A")), entry(2, ("update", "A")), *others[:400]) == {"a": False}


def test_an_answer_that_does_not_come_is_passed_on() -> None:
    broken = Broken("down", BrokenCause.STATUS, 502)

    class Down:
        def graphql(self, query: str, variables: dict[str, object] | None = None) -> Failure:
            return broken

    assert queries.wrote_since(Down(), P, 1, "subject", WANTED, OWN) is broken
