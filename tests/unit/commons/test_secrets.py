"""Canaries: whatever happens to a client, its key and its tokens appear nowhere but in the requests they belong to."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.catalog import Catalog
from gen3sync.commons import queries
from gen3sync.commons.troubles import error_of
from gen3sync.errors import Gen3SyncError
from gen3sync.redaction import guard_handler
from tests.unit.commons.support import PROJECT, TOKEN_PATH, House, Reply, Seen, as_json, fence_page


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    out = io.StringIO()
    handler = guard_handler(logging.StreamHandler(out))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield out
    root.removeHandler(handler)
    root.setLevel(before)


def _echo(seen: Seen) -> Reply:
    """A server that throws back whatever it was sent."""
    return as_json({"message": f"{seen.headers} {seen.body!r}", "entities": [{"errors": [str(seen.headers)]}]}, 400)


ANSWERS = [
    _echo,
    lambda seen: as_json({"message": f"token {seen.token} expired"}, 401),
    lambda seen: as_json({"error": f"you sent {seen.headers}"}, 403),
    lambda seen: Reply(500, str(seen.headers).encode()),
    lambda seen: Reply(200, f"<html>{seen.headers}</html>".encode(), {"Content-Type": "text/html"}),
    lambda seen: Reply(302, b"", {"Location": f"https://elsewhere.example.org/?t={seen.token}"}),
    lambda seen: Reply(raw=lambda sock: sock.sendall(f"HTTP/1.1 {seen.token}\r\n\r\n".encode())),
    lambda seen: Reply(200, b"x", {"Content-Type": "application/json", "Content-Encoding": seen.token}),
    lambda seen: fence_page(401, f"bad key {seen.body.decode()}") if seen.path == TOKEN_PATH else as_json({}, 401),
    lambda seen: Reply(429, seen.body, {"Retry-After": seen.token or "x"}),
]


@pytest.mark.parametrize("number", range(len(ANSWERS)))
def test_no_secret_leaves(home: House, logged: io.StringIO, tmp_path: Path, number: int) -> None:
    answer = ANSWERS[number]
    if number == 8:
        home.site.answer = answer
    else:
        home.serve(answer)
    shown: list[str] = []

    def show(result: object) -> None:
        shown.append(f"{result!r} {result}")
        with contextlib.suppress(AttributeError, TypeError):
            shown.append(str(error_of(result, "the test")))  # type: ignore[arg-type]

    def attempt(call: object) -> None:
        try:
            show(call())  # type: ignore[operator]
        except Gen3SyncError as error:
            shown.extend(traceback.format_exception(error))

    client = home.client
    attempt(lambda: client.submit(PROJECT, b"x", content_type="text/tsv", document_name="d"))
    attempt(lambda: client.export_node(PROJECT, "case"))
    attempt(lambda: client.export_records(PROJECT, ["a"]))
    attempt(client.programs)
    attempt(client.whoami)
    attempt(client.permissions)
    attempt(client.dictionary)
    attempt(lambda: client.template("case"))
    attempt(lambda: queries.find_ids(client, PROJECT, "case", ["a"]))
    attempt(lambda: queries.signature(client, PROJECT, ["case"]))
    attempt(home.tokens.token)
    attempt(home.tokens.status)
    attempt(home.source.load)
    catalog = Catalog(client, home.clock, tmp_path)
    attempt(catalog.refresh)
    for thing in (home.tokens, home.source, home.client, home.transport, home.source.place()):
        shown.append(repr(thing))
    for path in tmp_path.iterdir():
        if path != home.key_file:
            shown.append(path.read_text())
    logging.getLogger("gen3sync.test").warning("the key is %s", home.source.load().value)
    shown.append(logged.getvalue())

    secrets = {home.source.load().value} | {seen.token for seen in home.site.seen if seen.token}
    assert len(secrets) >= (1 if number == 8 else 2)
    everything = "\n".join(shown)
    for secret in secrets:
        assert secret not in everything
        assert secret.rpartition(".")[2] not in everything  # nor the signature alone
    assert home.source.load().key_id
