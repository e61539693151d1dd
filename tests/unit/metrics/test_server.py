"""HTTP on a loopback port: bounded, and for this machine alone. Some clients are raw sockets, as hostile ones are."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection

import pytest

from gen3sync.metrics.pages import Page, Question, said
from gen3sync.metrics.server import Server, names_this_machine


class Answers:
    """Pages as a test wants them, and what was asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.hold: threading.Event | None = None
        self.taken = threading.Semaphore(0)

    def __call__(self, question: Question) -> Page:
        self.asked.append(question)
        self.taken.release()
        if self.hold is not None:
            assert self.hold.wait(60)
        if question.target == "/fails":
            raise RuntimeError("a fault with a secret in it")
        return said(HTTPStatus.OK, "hello")


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def server(answers: Answers) -> Iterator[Server]:
    server = Server("127.0.0.1", 0, answers, seconds=60, at_once=2)
    server.start()
    yield server
    server.stop()


def raw(server: Server, request: bytes, *, end: bool = False) -> bytes:
    """All that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        parts = []
        try:
            connection.sendall(request)
            if end:
                connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                parts.append(data)
        except (ConnectionResetError, BrokenPipeError):
            pass  # whoever is cut off or turned away may still be speaking
        return b"".join(parts)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_page_is_served_and_the_connection_ends(server: Server, answers: Answers) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/metrics?a=b", headers={"Accept": "text/plain"})
    response = connection.getresponse()
    assert response.status == 200
    assert response.read() == b"hello\n"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Connection"] == "close"
    assert answers.asked[0].target == "/metrics?a=b"
    assert answers.asked[0].headers["accept"] == "text/plain"


def test_head_is_the_head_of_get(server: Server) -> None:
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    whole = raw(server, request)
    head = raw(server, request.replace(b"GET", b"HEAD"))
    assert whole == head + b"hello\n"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9473", "127.0.0.1:9473", "127.1.2.3", "[::1]:9473", "[::1]"])
def test_loopback_has_these_names(host: str) -> None:
    assert names_this_machine(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example.org", "evil.example.org:9473", "localhost.evil.org", "10.0.0.1:9473", "127.0.0.1.evil.org"],
)
def test_a_page_of_somebody_else_cannot_ask_under_its_own_name(server: Server, answers: Answers, host: str) -> None:
    answer = raw(server, f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert status(answer) == 421
    assert answers.asked == []


def test_a_monitor_that_names_no_host_is_no_web_page(server: Server) -> None:
    assert status(raw(server, b"GET /metrics HTTP/1.0\r\n\r\n")) == 200


def test_where_it_is_meant_for_others_any_name_will_do(answers: Answers) -> None:
    server = Server("127.0.0.1", 0, answers, any_name=True)
    server.start()
    try:
        assert status(raw(server, b"GET / HTTP/1.1\r\nHost: lab.example.org\r\n\r\n")) == 200
    finally:
        server.stop()


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET http://127.0.0.1/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /metrics SPDY/3\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_told_so(server: Server, answers: Answers, request_: bytes) -> None:
    assert status(raw(server, request_)) == 400
    assert answers.asked == []


@pytest.mark.parametrize("request_", [b"", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"])
def test_half_a_request_gets_nothing(server: Server, request_: bytes) -> None:
    assert raw(server, request_, end=True) == b""


def test_a_head_without_end_is_cut_off(server: Server) -> None:
    assert raw(server, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000) == b""


def test_a_slow_client_is_cut_off(answers: Answers) -> None:
    server = Server("127.0.0.1", 0, answers, seconds=0.2)
    server.start()
    try:
        assert raw(server, b"GET / HTTP/1.1\r\n") == b""
    finally:
        server.stop()


def test_more_than_a_few_at_once_are_turned_away(server: Server, answers: Answers) -> None:
    answers.hold = threading.Event()
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    first = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(2)]
    for connection in first:
        connection.sendall(request)
        assert answers.taken.acquire(timeout=60)
    assert raw(server, request) == b""
    answers.hold.set()
    for connection in first:
        with connection:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    answers.hold = None
    while not (again := raw(server, request)):
        pass  # the thread of the first gives its place back a moment after its answer
    assert status(again) == 200


def test_a_fault_says_nothing_of_itself(server: Server) -> None:
    answer = raw(server, b"GET /fails HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert status(answer) == 500
    assert b"secret" not in answer


def test_the_port_is_free_when_it_has_stopped(answers: Answers) -> None:
    server = Server("127.0.0.1", 0, answers)
    server.start()
    port = server.port
    with pytest.raises(OSError, match="in use"):
        Server("127.0.0.1", port, answers)
    raw(server, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    server.stop()
    again = Server("127.0.0.1", port, answers)  # though connections of the last one still linger
    again.stop()


def test_a_server_that_never_started_stops(answers: Answers) -> None:
    Server("127.0.0.1", 0, answers).stop()
