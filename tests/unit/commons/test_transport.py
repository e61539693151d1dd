"""What can go wrong on the wire, and what is believed about a submission whose answer was lost."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import zlib
from pathlib import Path

import pytest

from gen3sync import __version__
from gen3sync.commons.export import ExportBroken, NodeExport
from gen3sync.commons.replies import Broken, BrokenCause, Busy, Landed, SubmitReply
from gen3sync.commons.transport import Request, Timeouts, Transport
from tests.unit.commons.support import (
    PROJECT,
    TOKEN_PATH,
    House,
    Reply,
    Seen,
    as_json,
    house,
    zipped,
)

SUBMIT = "/api/v0/submission/DEV/test"
LANDED = {"success": True, "code": 200, "transaction_id": 7, "created_entity_count": 1, "updated_entity_count": 0}


def _submit(home: House) -> SubmitReply:
    return home.client.submit(PROJECT, b"a\tb\n", content_type="text/tab-separated-values", document_name="doc-1")


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _broken(reply: object) -> Broken:
    assert isinstance(reply, Broken)
    return reply


def test_what_a_submission_sends(home: House) -> None:
    home.serve(as_json(LANDED))
    assert isinstance(_submit(home), Landed)
    sent = home.site.seen[-1]
    assert (sent.method, sent.path, sent.body) == ("PUT", SUBMIT, b"a\tb\n")
    assert sent.headers["content-type"] == "text/tab-separated-values"
    assert sent.headers["x-document-name"] == "doc-1"
    assert sent.headers["user-agent"] == f"gen3sync/{__version__}"
    assert sent.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("sent", [None, b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nConte", b"nonsense\r\n\r\n"])
def test_a_lost_answer_may_have_landed(home: House, sent: bytes | None) -> None:
    home.serve(Reply(raw=_reset if sent is None else lambda sock: sock.sendall(sent)))
    broken = _broken(_submit(home))
    assert broken.cause in {BrokenCause.RESET, BrokenCause.CONTENT}
    assert broken.may_have_landed
    assert home.site.count(SUBMIT) == 1


def test_an_answer_cut_in_its_body_may_have_landed(home: House) -> None:
    home.serve(Reply(raw=lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{")))
    broken = _broken(_submit(home))
    assert (broken.cause, broken.may_have_landed) == (BrokenCause.RESET, True)


def test_refused_before_anything_was_sent(home: House) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x"
        broken = _broken(home.transport.send(Request("PUT", url, body=b"x", writes=True)))
    assert (broken.cause, broken.may_have_landed) == (BrokenCause.CONNECT, False)
    assert "Connection refused" in broken.message


def test_no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # nobody is asked: without a network that takes its time
    transport = Transport(timeouts=Timeouts(20, 20, 20), proxies={})
    broken = _broken(transport.send(Request("PUT", "https://no-such-host.invalid/x", body=b"x", writes=True)))
    assert (broken.cause, broken.may_have_landed) == (BrokenCause.RESOLVE, False)
    assert "no-such-host.invalid" in broken.message


def test_tls_against_something_else(home: House) -> None:
    url = home.site.url.replace("http://", "https://")
    broken = _broken(home.transport.send(Request("PUT", url, body=b"x", writes=True)))
    assert (broken.cause, broken.may_have_landed) == (BrokenCause.TLS, False)


@pytest.mark.parametrize("writes", [True, False])
def test_silence_times_out(tmp_path: Path, writes: bool) -> None:
    over = threading.Event()
    with house(tmp_path, Timeouts(5, 2, 60)) as home:
        home.serve(Reply(raw=lambda sock: over.wait(60)))  # type: ignore[arg-type]
        broken = _broken(_submit(home) if writes else home.client.programs())
        over.set()
    assert (broken.cause, broken.may_have_landed) == (BrokenCause.TIMEOUT, writes)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_dripping_answer_ends_at_the_deadline(tmp_path: Path, start: bytes) -> None:
    """Each byte would start the read timeout anew; only the deadline ends this, in the headers as in the body."""
    over = threading.Event()

    def drip(sock: socket.socket) -> None:
        sock.sendall(start)
        for _ in range(2000):
            if over.wait(0.01):
                return
            try:
                sock.sendall(b"X")
            except OSError:
                return

    with house(tmp_path, Timeouts(5, 60, 2)) as home:
        home.serve(Reply(raw=drip))
        broken = _broken(_submit(home))
        over.set()
    assert (broken.cause, broken.may_have_landed) == (BrokenCause.TIMEOUT, True)
    assert "within 2 s" in broken.message


def test_closing_ends_what_is_in_flight(home: House) -> None:
    reached, over = threading.Event(), threading.Event()

    def hang(sock: socket.socket) -> None:
        reached.set()
        over.wait(60)

    home.tokens.token()
    home.serve(Reply(raw=hang))
    replies: list[SubmitReply] = []
    worker = threading.Thread(target=lambda: replies.append(_submit(home)))
    worker.start()
    assert reached.wait(60)
    home.client.close()
    worker.join(60)
    over.set()
    assert not worker.is_alive()
    assert (_broken(replies[0]).cause, _broken(replies[0]).may_have_landed) == (BrokenCause.CANCELLED, True)
    assert _broken(_submit(home)).cause is BrokenCause.CANCELLED
    assert not _broken(_submit(home)).may_have_landed


def test_reading_is_repeated_once_after_a_reset(home: House) -> None:
    home.tokens.token()
    replies = [Reply(raw=_reset), as_json({"links": ["/v0/submission/DEV"]})]
    home.serve(lambda seen: replies.pop(0))
    assert home.client.programs() == ("DEV",)


@pytest.mark.parametrize(
    ("reply", "cause", "landed"),
    [
        (Reply(500, b'{ "error": "service failure - try again later"}'), BrokenCause.STATUS, True),
        (Reply(502), BrokenCause.STATUS, True),
        (Reply(503), BrokenCause.STATUS, True),
        (Reply(504), BrokenCause.TIMEOUT, True),
        (Reply(200, b"<html>Log in</html>", {"Content-Type": "text/html"}), BrokenCause.CONTENT, True),
        (Reply(200, b"<html>Log in</html>", {"Content-Type": "application/json"}), BrokenCause.CONTENT, True),
        (Reply(200, b'{"success"', {"Content-Type": "application/json"}), BrokenCause.CONTENT, True),
        (Reply(200, b"Healthy", {"Content-Type": "text/plain"}), BrokenCause.CONTENT, True),
        (as_json([]), BrokenCause.CONTENT, True),
        (as_json({}), BrokenCause.CONTENT, True),
        (
            Reply(400, b"<html><h1>400 Bad Request</h1></html>", {"Content-Type": "text/html"}),
            BrokenCause.CONTENT,
            False,
        ),
        (as_json({"message": "405 Method Not Allowed"}, 405), BrokenCause.STATUS, False),
        (Reply(301, b"", {"Location": "/elsewhere"}), BrokenCause.REDIRECT, False),
    ],
)
def test_answers_that_mean_nothing(home: House, reply: Reply, cause: BrokenCause, landed: bool) -> None:
    home.serve(reply)
    broken = _broken(_submit(home))
    assert (broken.cause, broken.may_have_landed) == (cause, landed)
    assert broken.status == reply.status


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "120", 120.0),
        (429, "Thu, 01 Jan 2026 00:02:00 GMT", 120.0),
        (503, "0", 0.0),
        (503, "Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        (429, "soon", None),
    ],
)
def test_busy_says_for_how_long(home: House, status: int, header: str, seconds: float | None) -> None:
    home.serve(Reply(status, b"", {"Retry-After": header}))
    reply = _submit(home)
    assert isinstance(reply, Busy)
    assert (reply.status, reply.retry_after) == (status, seconds)
    assert home.site.count(SUBMIT) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_follows_to_another_host(home: House, status: int) -> None:
    heard: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.05)
        target = f"http://localhost:{other.getsockname()[1]}/user"
        home.serve(Reply(status, b"", {"Location": target}))
        broken = _broken(home.client.programs())
        home.site.answer = lambda seen: Reply(status, b"", {"Location": target})
        home.clock.advance(3600)
        no_token = _broken(home.client.programs())
        try:
            other.accept()[0].close()
            heard.append("a connection")
        except TimeoutError:
            pass
    assert heard == []
    assert broken.cause is BrokenCause.REDIRECT
    assert no_token.cause is BrokenCause.REDIRECT
    assert "go only to the commons that issued them" in broken.message


def test_reading_follows_within_the_host(home: House) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.path.endswith("/submission/"):
            return Reply(308, b"", {"Location": "/api/v0/submission/all"})
        return as_json({"links": ["/v0/submission/DEV"]})

    home.serve(answer)
    assert home.client.programs() == ("DEV",)


def test_a_circle_of_redirects_ends(home: House) -> None:
    home.serve(Reply(302, b"", {"Location": "/api/v0/submission/"}))
    assert _broken(home.client.programs()).cause is BrokenCause.REDIRECT


def test_cookies_and_netrc_are_not_used(home: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password canary-password\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    home.serve(as_json({"a": {}}, Set_Cookie="session=1; Path=/"))
    home.client.dictionary()
    home.client.dictionary()
    for seen in home.site.seen:
        assert "cookie" not in seen.headers
        assert "authorization" not in seen.headers


def test_each_thread_has_its_session(home: House) -> None:
    home.serve(as_json({"a": {}}))
    sessions: set[int] = set()
    both = threading.Barrier(2)

    def use() -> None:
        home.client.dictionary()
        sessions.add(id(home.transport._local.session))
        both.wait(60)

    workers = [threading.Thread(target=use) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(sessions) == 2


def _export(home: House, reply: Reply) -> NodeExport:
    home.serve(reply)
    export = home.client.export_node(PROJECT, "case")
    assert isinstance(export, NodeExport)
    return export


def test_an_export_is_decoded_while_it_streams(home: House) -> None:
    body = b'{ "data": [' + b'{"id": 1},' * 50_000 + b'{"id": 2}]}'
    with _export(home, zipped(body)) as export:
        parts = list(iter(lambda: export.read(1000), b""))
        assert max(map(len, parts)) <= 1000
        assert b"".join(parts) == body
        assert export.produced == len(body) > 10 * export.received
        assert export.read(10) == b""


def test_an_export_of_several_gzip_members(home: House) -> None:
    body = gzip.compress(b'{ "data": [') + gzip.compress(b"]}")
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    with _export(home, Reply(200, body, headers)) as export:
        assert export.read() == b'{ "data": []}'


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_cut_gzip_stream_is_noticed(home: House, kept: float) -> None:
    body = gzip.compress(b'{ "data": [' + bytes(range(65, 91)) * 100 + b"]}")
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    with _export(home, Reply(200, body[: int(len(body) * kept)], headers)) as export, pytest.raises(ExportBroken):
        export.read()


def test_a_cut_length_is_noticed(home: House) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    with _export(home, Reply(raw=lambda sock: sock.sendall(head + b'{ "data": ['))) as export:
        with pytest.raises(ExportBroken) as caught:
            export.read()
        assert caught.value.broken.cause is BrokenCause.RESET


def test_a_cut_chunk_is_noticed(home: House) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        _export(home, Reply(raw=lambda sock: sock.sendall(head + b'5\r\n{ "da\r\n9\r\nta'))) as export,
        pytest.raises(ExportBroken),
    ):
        export.read()


def test_damaged_gzip_is_noticed(home: House) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    with _export(home, Reply(200, b"not gzip at all", headers)) as export, pytest.raises(ExportBroken, match="damaged"):
        export.read()


def test_a_stalled_export_ends_at_the_deadline(tmp_path: Path) -> None:
    over = threading.Event()

    def stall(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        sock.sendall(b'5\r\n{ "da\r\n')
        over.wait(60)

    with house(tmp_path, Timeouts(5, 60, 120)) as home:
        home.tokens.token()
        home.serve(Reply(raw=stall))
        export = home.client.export_node(PROJECT, "case", deadline=5)
        assert isinstance(export, NodeExport)
        with export, pytest.raises(ExportBroken) as caught:
            export.read()
        over.set()
        assert caught.value.broken.cause is BrokenCause.TIMEOUT


def test_an_unasked_encoding_is_broken(home: House) -> None:
    home.serve(Reply(200, b"xx", {"Content-Type": "application/json", "Content-Encoding": "br"}))
    assert _broken(home.client.export_node(PROJECT, "case")).cause is BrokenCause.CONTENT


def test_a_bomb_is_not_unfolded(home: House) -> None:
    packer = zlib.compressobj(9, wbits=31)
    zeros = b"0" * (1 << 20)
    bomb = b"".join(packer.compress(zeros) for _ in range(100)) + packer.flush()
    assert len(bomb) < 200_000
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    home.serve(Reply(200, bomb, headers))
    assert _broken(home.client.dictionary()).cause is BrokenCause.CONTENT
    with _export(home, Reply(200, bomb, headers)) as export:
        with pytest.raises(ExportBroken, match="beyond all measure"):
            export.read()
        assert export.produced < 32 << 20


@pytest.mark.parametrize("kind", ["text/html", "", "application/octet-stream"])
def test_a_page_is_no_export(home: House, kind: str) -> None:
    home.serve(Reply(200, b"<html>maintenance</html>", {"Content-Type": kind}))
    broken = _broken(home.client.export_node(PROJECT, "case"))
    assert (broken.cause, broken.may_have_landed) == (BrokenCause.CONTENT, False)


def test_the_connection_is_used_again(home: House) -> None:
    ports: set[str] = set()
    home.serve(as_json({"a": {}}))
    for _ in range(3):
        home.client.dictionary()
        pool = home.transport._local.session.get_adapter(home.site.url).poolmanager.pools
        ports.update(str(pool[key].num_connections) for key in pool.keys())  # noqa: SIM118 - urllib3 cannot iterate it
    assert ports == {"1"}
    assert home.site.count(TOKEN_PATH) == 0
