"""Everything that can be switched on to go wrong, one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest
import requests

from gen3sync.sandbox import Sandbox, State, send_fault
from tests.unit.sandbox.client import Client

HEAD = "type\tsubmitter_id\tstudies.submitter_id\tspecies\n"
ROW = HEAD + "subject\tF-1\tST-1\tx\n"
BROKEN = (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)


def stored(sandbox: Sandbox) -> bool:
    return sandbox.record("DEV-test", "subject", "F-1") is not None


def test_answers_in_place_of_work(sandbox: Sandbox, client: Client) -> None:
    fault = sandbox.faults.answer(503, times=2, method="PUT", path="DEV/test", headers={"Retry-After": "1"})
    assert client.export("subject").status_code == 200
    for _ in range(2):
        answer = client.put(ROW)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert answer.text == '{ "error": "service failure - try again later"}'
    assert fault.used == 2
    assert not stored(sandbox)
    assert client.put(ROW).status_code == 200


def test_an_answer_with_a_body_of_its_own(sandbox: Sandbox, client: Client) -> None:
    sandbox.faults.answer(429, body='{"message": "slow down"}', headers={"Retry-After": "120"})
    answer = client.put(ROW)
    assert (answer.status_code, answer.json()) == (429, {"message": "slow down"})


@pytest.mark.parametrize("kind", ["html", "content_type", "invalid_json", "broken_gzip"])
def test_spoiled_answers(sandbox: Sandbox, client: Client, kind: str) -> None:
    sandbox.faults.add(kind)
    if kind == "broken_gzip":
        with pytest.raises(requests.exceptions.ContentDecodingError):
            client.put(ROW)
    else:
        answer = client.put(ROW)
        assert answer.status_code == 200
        if kind == "content_type":
            assert answer.headers["Content-Type"] == "text/plain"
            assert answer.json()["success"]
        else:
            with pytest.raises(requests.exceptions.JSONDecodeError):
                answer.json()
    assert stored(sandbox) is (kind != "html")


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    ("when", "lands"),
    [
        ("before_body", False),
        ("during_body", False),
        ("received", True),
        ("started", True),
        ("before_commit", True),
        ("after_commit", True),
        ("after_log", True),
    ],
)
def test_answers_that_are_lost(sandbox: Sandbox, client: Client, when: str, how: str, lands: bool) -> None:
    sandbox.faults.lose(when, how=how)
    with pytest.raises(BROKEN):
        client.put(HEAD + "".join(f"subject\tF-{number}\tST-1\tx\n" for number in range(1, 3)))
    sandbox.wait_for(lambda box: box.requests[-1].ended is not None)
    assert stored(sandbox) is lands
    if lands:
        assert sandbox.transactions[-1].state is State.SUCCEEDED


@pytest.mark.parametrize("how", ["close", "reset", "504"])
def test_a_lost_answer_does_not_wait_for_the_work(sandbox: Sandbox, client: Client, how: str) -> None:
    """The client learns at once, while the work goes on and commits later (GEN3.md, lie 8)."""
    sandbox.faults.lose("started", how=int(how) if how.isdigit() else how)
    with sandbox.faults.hold("before_commit", times=1):
        try:
            assert client.put(ROW).status_code == 504
        except BROKEN:
            assert how != "504"
        assert not stored(sandbox)
    sandbox.wait_for(lambda box: box.requests[-1].ended is not None and stored(box))


@pytest.mark.parametrize(("when", "lands"), [("started", False), ("before_commit", False), ("after_commit", True)])
def test_a_killed_worker_leaves_the_log_pending(sandbox: Sandbox, client: Client, when: str, lands: bool) -> None:
    sandbox.faults.kill(when)
    assert client.put(ROW).status_code == 502
    sandbox.wait_for(lambda box: box.requests[-1].ended is not None)
    assert stored(sandbox) is lands
    assert sandbox.transactions[-1].state is State.PENDING
    assert client.put(ROW).status_code == 200


@pytest.mark.parametrize("kind", ["tsv", "json"])
def test_exports_cut_at_a_row(sandbox: Sandbox, client: Client, kind: str) -> None:
    sandbox.synthetic("DEV-test", "subject", 50)
    sandbox.faults.cut_export(rows=20)
    answer = client.export("subject", kind)
    assert answer.status_code == 200
    if kind == "tsv":
        assert answer.text.endswith("\n")
        assert answer.text.count("\n") == 21
    else:
        assert answer.text.count('"type": "subject"') == 20
        with pytest.raises(requests.exceptions.JSONDecodeError):
            answer.json()
    assert len(client.export("subject").json()["data"]) == 52


@pytest.mark.parametrize("at", [0, 1, 11, 12, 500, 1501])
def test_exports_cut_at_a_byte(sandbox: Sandbox, client: Client, at: int) -> None:
    sandbox.synthetic("DEV-test", "subject", 50)
    whole = client.export("subject").content
    sandbox.faults.cut_export(bytes=at)
    assert client.export("subject").content == whole[:at]


def test_exports_cut_by_a_broken_connection(sandbox: Sandbox, client: Client) -> None:
    sandbox.synthetic("DEV-test", "subject", 50)
    sandbox.faults.cut_export(rows=20, clean=False)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.export("subject", "tsv")


def test_a_stalled_export_goes_on_when_released(sandbox: Sandbox, client: Client) -> None:
    sandbox.synthetic("DEV-test", "subject", 50)
    hold = sandbox.faults.stall_export(rows=10)
    with client.export("subject", "tsv", stream=True) as answer:
        lines = answer.iter_lines()
        assert [next(lines).split(b"\t")[0] for _ in range(10)] == [b"type"] + [b"subject"] * 9
        hold.wait_reached()
        hold.release()
        assert len(list(lines)) == 43


def test_real_costs(sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr(sandbox.faults, "pause", paused.append)
    sandbox.faults.real_costs()
    client.put(HEAD + "".join(f"subject\tC-{number}\tST-1\tx\n" for number in range(100)))
    assert paused == pytest.approx([0.08, 1.0])
    ids = [record["id"] for record in sandbox.records("DEV-test", "subject")][:50]
    paused.clear()
    client.request("POST", f"{client.base}/DEV/test/export", json={"ids": ids, "format": "json"})
    assert paused[:2] == pytest.approx([0.08, 0.05])


def test_export_rows_per_second(sandbox: Sandbox, client: Client) -> None:
    sandbox.synthetic("DEV-test", "subject", 2000)
    sandbox.faults.set(export_rows=20_000)
    started = time.monotonic()
    assert client.export("subject", "tsv").text.count("\n") == 2003
    assert time.monotonic() - started >= 0.1


def test_workers_queue(sandbox: Sandbox, client: Client) -> None:
    sandbox.faults.set(workers=1)
    with sandbox.faults.hold("started", times=1) as hold:
        first = threading.Thread(target=client.put, args=(ROW,))
        second = threading.Thread(target=client.put, args=(HEAD + "subject\tF-2\tST-1\tx\n",))
        first.start()
        hold.wait_reached()
        second.start()
        sandbox.wait_for(lambda box: len(box.requests) == 2)
        assert client.graphql("{_subject_count}").json()["data"]["_subject_count"] == 2  # the other service
        assert len(sandbox.transactions) == 3
    first.join()
    second.join()
    assert sandbox.count("DEV-test", "subject") == 4


def test_holds_let_a_slow_upload_commit_last(sandbox: Sandbox, client: Client) -> None:
    """Transaction id and updated_datetime are taken at the start: neither the newest id nor time moves."""
    with sandbox.faults.hold("before_commit", path="DEV/test", times=1) as hold:
        slow = threading.Thread(target=client.put, args=(ROW,))
        slow.start()
        hold.wait_reached()
        sandbox.write("DEV-test", [{"type": "subject", "submitter_id": "F-2", "studies": {"submitter_id": "ST-1"}}])
    slow.join()
    early, late = (sandbox.record("DEV-test", "subject", name) for name in ("F-1", "F-2"))
    assert early is not None
    assert late is not None
    assert early["updated_datetime"] < late["updated_datetime"]
    query = '{transaction_log(last:1,state:"SUCCEEDED"){id}}'
    last = client.graphql(query).json()["data"]["transaction_log"][0]["id"]
    assert int(last) == sandbox.transactions[-1].id
    assert sandbox.transactions[-2].state is State.SUCCEEDED


@pytest.mark.parametrize(("mode", "status"), [("missing", 404), ("denied", 200), ("error", 400), ("down", 502)])
def test_graphql_that_is_not_to_be_had(sandbox: Sandbox, client: Client, mode: str, status: int) -> None:
    sandbox.faults.set(graphql=mode)
    query = '{project(project_id:["DEV-test"]){id} _subject_count subject(first:0){id}}'
    answer = client.graphql(query)
    assert answer.status_code == status
    if mode == "denied":
        assert answer.json() == {"data": {"project": [], "_subject_count": 0, "subject": []}}
    sandbox.faults.clear()
    assert client.graphql(query).json()["data"]["_subject_count"] == 2


def test_no_read_permission_is_zero_in_graphql(sandbox: Sandbox, client: Client) -> None:
    sandbox.deny("DEV-test", "read")
    assert client.graphql("{_subject_count _transaction_log_count}").json() == {
        "data": {"_subject_count": 0, "_transaction_log_count": 0}
    }
    sandbox.set_project("DEV-test", availability_type="Open")
    assert client.graphql("{_subject_count}").json()["data"]["_subject_count"] == 2


def test_bodies_over_the_limit(sandbox: Sandbox, client: Client) -> None:
    sandbox.faults.set(max_body=1000)
    answer = client.put(ROW + "x" * 2000)
    assert answer.status_code == 413
    assert "413 Request Entity Too Large" in answer.text
    assert answer.headers["Content-Type"] == "text/html"


def test_the_proxy_gives_up_and_the_work_goes_on(sandbox: Sandbox, client: Client) -> None:
    sandbox.faults.set(proxy_timeout=0.05)
    with sandbox.faults.hold("before_commit"):
        assert client.put(ROW).status_code == 504
        assert not stored(sandbox)
    sandbox.wait_for(stored)


def test_clock_and_token_lifetime(sandbox: Sandbox, client: Client) -> None:
    old = sandbox.access_token()
    sandbox.set_clock_offset(3700)
    answer = requests.get(f"{client.base}/", headers={"Authorization": f"bearer {old}"}, timeout=60)
    assert answer.status_code == 401
    ahead = parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()
    assert ahead == pytest.approx(3700, abs=60)
    sandbox.set_token_lifetime(0)
    assert client.put(ROW).status_code == 401


def test_every_fault_by_http(sandbox: Sandbox, client: Client) -> None:
    changes: list[tuple[dict[str, object], Callable[[], bool]]] = [
        ({"kind": "answer", "status": 500, "method": "PUT"}, lambda: client.put(ROW).status_code == 500),
        ({"kind": "lose", "when": "after_log", "how": 504}, lambda: client.put(ROW).status_code == 504),
        ({"kind": "cut", "rows": 1}, lambda: client.export("subject", "tsv").text.count("\n") == 2),
        ({"kind": "deny", "project": "DEV-test"}, lambda: client.put(ROW).status_code == 403),
        ({"kind": "allow"}, lambda: client.put(ROW).status_code == 200),
        (
            {"kind": "project_state", "project": "DEV-test", "state": "review"},
            lambda: client.put(ROW).status_code == 400,
        ),
        ({"kind": "graphql", "mode": "missing"}, lambda: client.graphql("{_subject_count}").status_code == 404),
        ({"kind": "clear"}, lambda: client.graphql("{_subject_count}").status_code == 200),
    ]
    for change, effect in changes:
        send_fault(sandbox.url, change)
        assert effect(), change
    with pytest.raises(ValueError, match="nonsense"):
        send_fault(sandbox.url, {"kind": "nonsense"})
    with pytest.raises(ValueError, match="workers_"):
        send_fault(sandbox.url, {"kind": "settings", "workers_": 2})
    assert requests.get(f"{sandbox.url}/_sandbox/faults", timeout=60).json()["faults"] == []


def test_the_request_log_tells_who_wrote_what(sandbox: Sandbox, client: Client) -> None:
    client.put(ROW, name="doc-1")
    entry = sandbox.requests[-1]
    assert (entry.method, entry.path, entry.status) == ("PUT", "/api/v0/submission/DEV/test", 200)
    assert entry.document_name == "doc-1"
    assert entry.written == [("DEV-test", "subject", "f-1")]
    assert entry.body == ROW.encode()
    assert "bearer" not in str(entry)
    assert sandbox.colliding() == []


def test_stopping_ends_held_and_idle_connections() -> None:
    lost: list[BaseException] = []

    def put(client: Client) -> None:
        try:
            client.put(ROW)
        except requests.RequestException as error:
            lost.append(error)

    before = set(threading.enumerate())
    with Sandbox() as box, requests.Session() as idle:
        idle.get(f"{box.url}/api/_status", timeout=60)
        hold = box.faults.hold("received")
        held = threading.Thread(target=put, args=(Client(box),))
        held.start()
        hold.wait_reached()
        box.stop()
    held.join()
    assert len(lost) == 1
    assert not box.transactions
    for thread in set(threading.enumerate()) - before:  # one that has ended may still be leaving
        if thread.name.startswith("sandbox"):
            thread.join(60)
            assert not thread.is_alive()
