"""A hostile commons: whatever it answers, every question ends in a reply or an error of ours, soon, and printable."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gen3sync.catalog import Catalog
from gen3sync.commons import queries
from gen3sync.commons.export import ExportBroken, NodeExport
from gen3sync.commons.parsing import MAX_DEPTH, parse
from gen3sync.commons.replies import Busy
from gen3sync.errors import Gen3SyncError, UnreachableError
from tests.unit.commons.support import PROJECT, House, Reply, as_json, make_token

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}
DEEP = b"[" * 100_000 + b"]" * 100_000
LESS_DEEP = b'{"message": ' + b'{"a": ' * 900 + b"1" + b"}" * 900 + b', "errors": [' + b"[" * 900 + b"]" * 900 + b"]}"
HALF = b'{"data": "\\ud800", "message": "\\ud800", "entities": [{"errors": ["\\udfff"]}], "links": ["\\ud800"]}'
DIGITS = b'{"id": ' + b"9" * 10_000 + b', "data": {"transaction_log": [{"id": ' + b"9" * 10_000 + b"}]}}"
ODD_IDS = '{"data": {"transaction_log": [{"id": "²"}], "seen": [{"id": "²"}], "last": [{"id": "٣"}]}}'.encode()
INFINITE = b'{"data": {"x": NaN}, "entities": -Infinity, "transaction_id": 1e999999999}'


def raw(data: bytes) -> Reply:
    def write(sock: socket.socket) -> None:
        sock.sendall(data)

    return Reply(raw=write)


ANSWERS = {
    **{f"nested without end, {status}": Reply(status, DEEP, JSON) for status in (200, 400, 403, 500)},
    **{f"nested deeply, {status}": Reply(status, LESS_DEEP, JSON) for status in (200, 400)},
    **{f"half a character, {status}": Reply(status, HALF, JSON) for status in (200, 400)},
    "a number of 10,000 digits": Reply(200, DIGITS, JSON),
    "numbers that are none": Reply(200, ODD_IDS, JSON),
    "infinities": Reply(200, INFINITE, JSON),
    "null": Reply(200, b"null", JSON),
    "a list": Reply(200, b"[1, null, {}]", JSON),
    "control characters": Reply(500, b"\x1b[2J\x07\r\nforged line\x00", {"Content-Type": "text/plain"}),
    "a page of comments": Reply(500, b"<html>" + b"<!--" * 16_000, HTML),
    "a page of brackets": Reply(500, b"<html>" + b"<a" * 32_000, HTML),
    "a header without end": raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n"),
    "headers without number": raw(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 2000 + b"\r\n"),
    "a status with control characters": raw(b"HTTP/1.1 999 \x1b[2J\r\n\r\n"),
    "no HTTP": raw(b"\x1b[2J\r\n"),
    "a negative length": raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\nContent-Type: application/json\r\n\r\n{}"),
    "a chunk of all bytes": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFF\r\n{}"),
    "a date of no calendar": as_json({}, Date="Mon, 99 Foo 99999999999 00:00:00 +9999999"),
    "away to a terminal": Reply(302, b"", {"Location": "//\x1b[2J:99999999/"}),
    "away to nowhere": Reply(302, b"", {"Location": "http://[::1"}),
    "away to a file": Reply(302, b"", {"Location": "file:///etc/passwd"}),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_question_ends_in_a_reply_or_an_error(home: House, tmp_path: Path, answer: str) -> None:
    home.tokens.token()
    home.serve(ANSWERS[answer])
    client, catalog = home.client, Catalog(home.client, home.clock, tmp_path)
    questions: list[Callable[[], object]] = [
        lambda: client.submit(PROJECT, b"x", content_type="text/tsv", document_name="d"),
        lambda: read(client.export_node(PROJECT, "case")),
        lambda: read(client.export_text(PROJECT, node="case", format="tsv")),
        lambda: client.export_records(PROJECT, ["a"]),
        client.programs,
        lambda: client.projects("DEV"),
        client.dictionary,
        lambda: client.template("case"),
        client.version,
        client.whoami,
        client.permissions,
        lambda: client.graphql("{x}"),
        lambda: queries.find_ids(client, PROJECT, "case", ["a"]),
        lambda: queries.list_ids(client, PROJECT, "case"),
        lambda: queries.count(client, PROJECT, "case"),
        lambda: queries.signature(client, PROJECT, ["case"]),
        lambda: queries.transaction(client, PROJECT, 1),
        lambda: queries.find_transaction(client, PROJECT, "d", 0),
        lambda: queries.last_transaction_id(client, PROJECT),
        catalog.refresh,
        catalog.projects,
        catalog.dictionary,
        catalog.permissions,
    ]
    for question in questions:
        assert_printable(asked(question))
    # The same from the service that hands out tokens.
    home.site.answer = lambda seen: ANSWERS[answer]
    home.tokens.drop(home.tokens.token().value)
    with pytest.raises(Gen3SyncError) as caught:
        home.tokens.token()
    assert_printable(str(caught.value))


def asked(question: Callable[[], object]) -> str:
    """What a question brought, or its error; any error but ours ends the test."""
    try:
        return str(question())
    except Gen3SyncError as error:
        return str(error)


def read(export: object) -> object:
    if isinstance(export, NodeExport):
        with export:
            try:
                while export.read(1 << 16):
                    pass
            except ExportBroken as error:
                return error
        return None
    return export


def assert_printable(text: str) -> None:
    assert not [character for character in text if not character.isprintable() and character != "\n"], text


@pytest.mark.parametrize("ends", ["1e300", "-1e300", "NaN", "99999999999999999999", "true", '"soon"'])
def test_a_token_that_ends_beyond_all_time(home: House, ends: str) -> None:
    import base64

    claims = base64.urlsafe_b64encode(b'{"exp": ' + ends.encode() + b"}").decode().rstrip("=")
    home.site.answer = lambda seen: as_json({"access_token": f"eyJhbGciOiJIUzI1NiJ9.{claims}.c2ln"})
    with pytest.raises(UnreachableError, match="something else"):
        home.tokens.token()


def test_a_token_that_would_write_headers_of_its_own(home: House) -> None:
    good = make_token(home.clock.now().replace(year=2027))
    for bad in (f"{good}\r\nX-Forged: yes", f"{good}\n", f"{good}\x00", f"{good}é"):
        home.site.answer = lambda seen, bad=bad: as_json({"access_token": bad})  # type: ignore[misc]
        home.tokens.forget_failure()
        with pytest.raises(UnreachableError, match="something else"):
            home.tokens.token()
    assert not any("x-forged" in seen.headers for seen in home.site.seen)


@pytest.mark.parametrize("years", ["315360000000", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_rest_of_years_is_an_hour(home: House, years: str) -> None:
    home.serve(Reply(429, b"", {"Retry-After": years}))
    busy = home.client.submit(PROJECT, b"x", content_type="text/tsv", document_name="d")
    assert isinstance(busy, Busy)
    assert busy.retry_after == 3600
    # The token service, too: what it asks for is not slept through, and a person's `retry` asks at once.
    home.site.answer = lambda seen: Reply(503, b"", {"Retry-After": years})
    home.tokens.drop(home.tokens.token().value)
    with pytest.raises(UnreachableError):
        home.tokens.token()
    asked_before = len(home.site.seen)
    home.clock.advance(3601)
    with pytest.raises(UnreachableError):
        home.tokens.token()
    assert len(home.site.seen) == asked_before + 1


def test_json_is_read_within_bounds() -> None:
    fine = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert parse(fine) is not None
    assert parse('{"a": "\\ud83e\\uddec [[[[", "b": [1, 2.5, -0.0, 1e3]}') == {"a": "🧬 [[[[", "b": [1, 2.5, 0.0, 1e3]}
    for bad in (b"[" + fine + b"]", b"1e400", b"NaN", b'"\\udc00"', b"1" * 5000, b"{", b"\xff"):
        with pytest.raises(ValueError):
            parse(bad)
