"""A tiny web server on loopback that answers as a test says, and API keys and tokens for it."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import jwt

from gen3sync.clock import Clock, ManualClock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.credentials import CredentialsSource
from gen3sync.commons.tokens import TokenManager
from gen3sync.commons.transport import Timeouts, Transport
from gen3sync.names import Project

SIGNING = "a signing secret of the test, long enough"
START = datetime(2026, 1, 1, tzinfo=UTC)
PROJECT = Project("DEV", "test")
TOKEN_PATH = "/user/credentials/cdis/access_token"


@dataclass(frozen=True)
class Seen:
    """A request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("bearer ")


@dataclass
class Reply:
    """What to answer. `raw`, where given, writes to the socket instead and the connection is closed after it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: Callable[[socket.socket], None] | None = None


def as_json(data: object, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(data).encode(), {"Content-Type": "application/json", **named})


class Site:
    """A server under test's control: `answer` may be changed at any time; `seen` keeps all requests."""

    def __init__(self, answer: Callable[[Seen], Reply], clock: Clock) -> None:
        self.answer = answer
        self.clock = clock
        self.seen: list[Seen] = []
        self.lifetime = 3600.0
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet, or the peer delays its acknowledgement by 40 ms

            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                parts = urlsplit(self.path)
                seen = Seen(
                    self.command,
                    parts.path,
                    dict(parse_qsl(parts.query)),
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(length),
                )
                site.seen.append(seen)
                reply = site.answer(seen)
                if reply.raw is not None:
                    reply.raw(self.connection)
                    self.close_connection = True
                    return
                self.send_response_only(reply.status)
                headers = {"Date": format_datetime(site.clock.now(), usegmt=True), **reply.headers}
                headers.setdefault("Content-Length", str(len(reply.body)))
                for name, value in headers.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_PUT = do_POST = do_HEAD = _do  # noqa: N815 - the names that http.server calls

            def log_message(self, format: str, *args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def count(self, path: str) -> int:
        return sum(1 for seen in self.seen if seen.path == path)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def key(self, lifetime: float = 30 * 86400, **claims: object) -> dict[str, str]:
        """An API key of this site that ends `lifetime` seconds after the clock's now."""
        return {"api_key": make_key(self.url, self.clock.now() + timedelta(seconds=lifetime), **claims), "key_id": "k"}

    def token_reply(self, seen: Seen) -> Reply:
        """What fence answers to a good key."""
        life = min(float(seen.query.get("expires_in", self.lifetime)), self.lifetime)
        return as_json({"access_token": make_token(self.clock.now() + timedelta(seconds=life), len(self.seen))})


def make_key(url: str, ends: datetime, **claims: object) -> str:
    return jwt.encode({"pur": "api_key", "iss": f"{url}/user", "exp": ends.timestamp(), "sub": "7", **claims}, SIGNING)


def make_token(ends: datetime, number: int = 0) -> str:
    return jwt.encode({"pur": "access", "exp": ends.timestamp(), "jti": f"token {number}"}, SIGNING)


def fence_page(status: int, message: str | None) -> Reply:
    """An error of fence, which is a web page."""
    told = f'<p class="body">Error Message:</p><p class="introduction">{message}</p>' if message else ""
    page = f"""<!doctype html><html><head><title>{status}</title></head><body><h1>Gen3 Data Commons</h1>
    <h1>{status}</h1><h2>Unauthorized</h2>
    <p class="introduction">a4b78c0c-8887-475a-8359-6e814e4e836b</p>{told}</body></html>"""
    return Reply(status, page.encode(), {"Content-Type": "text/html; charset=utf-8"})


def save_key(path: Path, key: object, mode: int = 0o600) -> Path:
    """Another file in the place of the one before: written over within one tick of the file system's clock, at the same
    length, it would look like that one."""
    aside = path.with_name(f"{path.name}.new")
    aside.write_text(key if isinstance(key, str) else json.dumps(key))
    aside.chmod(mode)
    return aside.replace(path)


def zipped(body: bytes) -> Reply:
    return Reply(200, gzip.compress(body), {"Content-Type": "application/json", "Content-Encoding": "gzip"})


@dataclass
class House:
    """A site, a key file for it, and a client."""

    site: Site
    clock: ManualClock
    key_file: Path
    source: CredentialsSource
    transport: Transport
    tokens: TokenManager
    client: CommonsClient

    def serve(self, answer: Callable[[Seen], Reply] | Reply) -> None:
        """Answers everything but tokens with `answer`."""

        def both(seen: Seen) -> Reply:
            if seen.path == TOKEN_PATH:
                return self.site.token_reply(seen)
            return answer if isinstance(answer, Reply) else answer(seen)

        self.site.answer = both


@contextmanager
def house(folder: Path, timeouts: Timeouts | None = None, url: str | None = None) -> Iterator[House]:
    clock = ManualClock(START)
    site = Site(lambda seen: as_json({}), clock)
    key_file = save_key(folder / "credentials.json", site.key())
    source = CredentialsSource(key_file, {})
    transport = Transport(timeouts=timeouts or Timeouts(20, 60, 120), proxies={})
    tokens = TokenManager(transport, source, clock, url)
    built = House(site, clock, key_file, source, transport, tokens, CommonsClient(transport, tokens))
    built.serve(as_json({}))
    try:
        yield built
    finally:
        transport.close()
        site.close()
