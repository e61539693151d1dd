"""GraphQL questions: what is asked, and what is believed of the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from gen3sync.commons import queries
from gen3sync.commons.replies import (
    Broken,
    Failure,
    Forbidden,
    GraphqlData,
    Known,
    Missing,
    Refused,
    Signature,
    Transaction,
    TransactionState,
    Unknown,
)
from gen3sync.commons.transactions import again_name
from gen3sync.names import Project

P = Project("DEV", "test")
Answers = Callable[[str, dict[str, Any]], GraphqlData | Refused | Failure]


class Peregrine:
    """Answers queries by a function, and keeps them."""

    def __init__(self, answer: Answers) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def graphql(self, query: str, variables: dict[str, object] | None = None) -> GraphqlData | Refused | Failure:
        self.asked.append((query, dict(variables or {})))
        return self.answer(query, dict(variables or {}))


def _records(*stored: str) -> Answers:
    """peregrine's filters over records of one node: `submitter_id` exact, `quick_search` a substring in any case."""
    rows = [{"id": f"id-{sid}", "submitter_id": sid} for sid in sorted(stored)]

    def answer(query: str, given: dict[str, Any]) -> GraphqlData:
        if "quick_search" in query:
            found = {
                alias: [row for row in rows if given[name].lower() in row["submitter_id"].lower()]
                for alias, name in re.findall(r"(r\d+):\w+\([^)]*quick_search:\$(s\d+)", query)
            }
            return GraphqlData({"seen": [{"id": "p"}], **found})
        if "submitter_id:$S" in query:
            return GraphqlData(
                {"seen": [{"id": "p"}], "rows": [row for row in rows if row["submitter_id"] in given["S"]]}
            )
        return GraphqlData({"seen": [{"id": "p"}], "rows": rows[given["O"] : given["O"] + given["F"]]})

    return answer


def test_records_are_found_in_any_letter_case() -> None:
    commons = Peregrine(_records("SAM-1", "sam-2", "sAm-3", "Sam_A-5", "other", "SAM-33"))
    found = queries.find_ids(commons, P, "sample", ["sam-1", "SAM-2", "SaM-3", "sam-4", "sam_a-5", "17"])
    assert found == {
        "sam-1": Known("id-SAM-1", "SAM-1"),
        "sam-2": Known("id-sam-2", "sam-2"),
        "sam-3": Known("id-sAm-3", "sAm-3"),
        "sam_a-5": Known("id-Sam_A-5", "Sam_A-5"),
    }
    assert len(commons.asked) == 2
    assert all(given["P"] == ["DEV-test"] for _, given in commons.asked)


def test_many_new_records_cost_no_searches() -> None:
    commons = Peregrine(_records())
    assert queries.find_ids(commons, P, "sample", [f"new-{n}" for n in range(1500)]) == {}
    assert len(commons.asked) == 2


@pytest.mark.parametrize("seen", [[], None, [{"id": "p"}, {"id": "q"}]])
def test_nothing_seen_is_not_nothing_there(seen: object) -> None:
    """Without read access, or while the authorisation service fails, a commons answers 200 with empty lists."""
    commons = Peregrine(lambda query, given: GraphqlData({"seen": seen, "rows": []}))
    for answer in (queries.find_ids(commons, P, "sample", ["a"]), queries.list_ids(commons, P, "sample")):
        assert isinstance(answer, Forbidden)
        assert "DEV/test cannot be seen" in answer.message


def test_hostile_ids_travel_as_variables_only() -> None:
    commons = Peregrine(_records())
    queries.find_ids(commons, P, "sample", ['x"){id}} mutation'])
    assert all("mutation" not in query for query, _ in commons.asked)
    with pytest.raises(ValueError, match="not the name of a node"):
        queries.find_ids(commons, P, "sample{id}", ["x"])


def test_all_ids_are_listed_in_pages() -> None:
    commons = Peregrine(_records(*(f"S-{n:05}" for n in range(7000))))
    found = queries.list_ids(commons, P, "sample")
    assert isinstance(found, dict)
    assert len(found) == 7000
    assert len(commons.asked) == 2


@pytest.mark.parametrize("reply", [Missing("no such address"), Refused(400, "request", "no")])  # type: ignore[arg-type]
def test_no_answer_stays_no_answer(reply: Failure | Refused) -> None:
    commons = Peregrine(lambda query, given: reply)
    assert queries.find_ids(commons, P, "case", ["a"]) is reply
    assert queries.list_ids(commons, P, "case") is reply
    assert queries.transaction(commons, P, 7) is reply
    assert queries.last_transaction_id(commons, P) is reply
    assert queries.find_transaction(commons, P, "d", 1) is reply
    assert queries.signature(commons, P, ["case"]) is reply
    assert queries.count(commons, P, "case") is reply


def _log(count: int, **names: str) -> Answers:
    entries = [
        {
            "id": str(id),
            "state": "SUCCEEDED",
            "is_dry_run": False,
            "created_datetime": "2026-01-01 00:00:00+00:00",
            "documents": [{"name": names.get(f"n{id}", f"doc-{id}")}],
        }
        for id in range(count, 0, -1)
    ]

    def answer(query: str, given: dict[str, Any]) -> GraphqlData:
        if "I" in given:
            return GraphqlData({"log": [entry for entry in entries if entry["id"] == given["I"]]})
        start = given.get("o", 0)
        return GraphqlData({"log": entries[start : start + given.get("n", 1)]})

    return answer


def test_transactions() -> None:
    commons = Peregrine(_log(100))
    assert queries.last_transaction_id(commons, P) == 100
    found = queries.transaction(commons, P, 42)
    assert isinstance(found, Transaction)
    assert (found.id, found.state, found.document_names) == (42, TransactionState.SUCCEEDED, ("doc-42",))
    assert queries.transaction(commons, P, 1000) is None
    assert queries.last_transaction_id(Peregrine(_log(0)), P) is None


@pytest.mark.parametrize(
    ("name", "since", "id"), [("doc-99", 90, 99), ("doc-31", 30, 31), ("doc-30", 30, None), ("doc-1", None, 1)]
)
def test_a_transaction_is_found_by_its_document(name: str, since: int | None, id: int | None) -> None:
    commons = Peregrine(_log(100))
    found = queries.find_transaction(commons, P, name, since)
    assert (getattr(found, "id", None)) == id
    if since is not None:
        assert len(commons.asked) <= (100 - since) // 19 + 1


def test_a_repeated_request_is_found_by_the_name_of_the_first() -> None:
    name = "gen3sync/host/1/1/1-abc"
    assert [again_name(name, tries) for tries in range(3)] == [name, f"{name}.2", f"{name}.3"]
    commons = Peregrine(_log(9, n4=name, n6=f"{name}.2", n8=f"{name}d"))
    found = queries.find_transaction(commons, P, name, None)
    assert getattr(found, "id", None) == 6


@pytest.mark.parametrize(
    ("states", "id"),
    [
        (("SUCCEEDED", "ERRORED"), 1),
        (("SUCCEEDED", "FAILED", "PENDING"), 1),
        (("PENDING", "FAILED"), 1),
        (("ERRORED", "PENDING", "FAILED"), 2),
        (("FAILED", "ERRORED"), 2),
    ],
)
def test_of_a_request_that_a_proxy_sent_twice_the_transaction_that_stored_it_counts(
    states: tuple[str, ...], id: int
) -> None:
    """The newest was taken: rows that had landed were told as not stored, and of a superseded drop as never sent."""
    entries = [
        {"id": str(number), "state": state, "is_dry_run": False, "created_datetime": "", "documents": [{"name": "d"}]}
        for number, state in enumerate(states, 1)
    ]
    commons = Peregrine(lambda query, given: GraphqlData({"log": entries[::-1] if not given["o"] else []}))
    assert getattr(queries.find_transaction(commons, P, "d", None), "id", None) == id


def test_an_odd_log_is_broken() -> None:
    odds: list[object] = [None, {}, [{"id": "x", "state": "SUCCEEDED"}], [{"id": "1", "state": "NEW"}], ["x"]]
    for odd in odds:
        commons = Peregrine(lambda query, given, odd=odd: GraphqlData({"log": odd}))  # type: ignore[misc]
        assert isinstance(queries.transaction(commons, P, 1), Broken)


def _project(**data: object) -> Answers:
    base: dict[str, object] = {
        "project": [{"id": "x", "state": "open"}],
        "ok": 5,
        "pending": [{"id": "278", "created_datetime": "2026-11-23 00:51:29.407690+00:00"}],
        "n_case": 3,
        "u_case": [{"id": "i", "updated_datetime": "2026-11-23T01:25:35.422455+00:00"}],
        "n_sample": 0,
        "u_sample": [],
    }
    return lambda query, given: GraphqlData({**base, **data})


def test_a_signature() -> None:
    found = queries.signature(Peregrine(_project()), P, ["case", "sample"])
    assert isinstance(found, Signature)
    assert (found.project_id, found.state, found.ok) == ("DEV-test", "open", 5)
    case, sample = found.node("case"), found.node("sample")
    assert case is not None
    assert (case.count, case.newest_id) == (3, "i")
    assert sample is not None
    assert (sample.count, sample.newest_id, sample.newest_updated) == (0, None, None)
    assert found.pending[0].id == 278
    assert found.pending[0].created is not None
    assert found.pending[0].created.utcoffset() is not None
    assert queries.count(Peregrine(_project()), P, "case") == 3


@pytest.mark.parametrize(
    "data",
    [
        {"project": []},
        {"project": [{"id": "a"}, {"id": "b"}]},
        {"project": None},
        {"ok": None},
        {"pending": None},
        {"n_case": None},
        {"u_case": None},
    ],
)
def test_what_is_not_seen_is_unknown(data: dict[str, object]) -> None:
    assert isinstance(queries.signature(Peregrine(_project(**data)), P, ["case"]), Unknown)


def test_a_signature_with_what_the_next_transactions_wrote() -> None:
    answer = {
        "success": True,
        "transaction_id": 8,
        "entities": [{"type": "case", "id": "i", "action": "update", "unique_keys": [{"submitter_id": "S"}]}],
        "updated_entity_count": 1,
    }
    told = [{"id": "8", "role": "update", "documents": [{"response_json": json.dumps(answer)}]}]
    found, journal = queries.signature_and_written(Peregrine(_project(t8=told, t9=[])), P, ["case"], [8, 9])
    assert isinstance(found, Signature)
    assert journal is not None
    assert (journal.ok, [(one.id, one.touches and one.touches[0].id) for one in journal.written]) == (5, [(8, "i")])
    found, journal = queries.signature_and_written(Peregrine(_project(t8=["odd"])), P, ["case"], [8])
    assert (isinstance(found, Signature), journal) == (True, None)
    found, journal = queries.signature_and_written(Peregrine(_project(project=[], t8=told)), P, ["case"], [8])
    assert (isinstance(found, Unknown), journal) == (True, None)
    commons = Peregrine(_project())
    assert queries.signature_and_written(commons, P, ["case"], [])[1] is None
    assert "documents" not in commons.asked[0][0]


def test_more_nodes_than_one_query_takes() -> None:
    nodes = [f"node{n}" for n in range(500)]

    def answer(query: str, given: dict[str, Any]) -> GraphqlData:
        asked = re.findall(r"n_(\w+):", query)
        assert query.count(":") < 2000
        parts: dict[str, object] = {"project": [{"id": "x", "state": "open"}], "ok": ok.pop(0), "pending": []}
        for node in asked:
            parts |= {f"n_{node}": 1, f"u_{node}": []}
        return GraphqlData(parts)

    ok = [5, 5, 5]
    found = queries.signature(Peregrine(answer), P, nodes)
    assert isinstance(found, Signature)
    assert [part.node for part in found.nodes] == nodes
    ok = [5, 6, 6]
    assert isinstance(queries.signature(Peregrine(answer), P, nodes), Unknown)
