"""One HTTP exchange: sessions, timeouts, the total deadline, bounded bodies, and what can go wrong on the wire.

Knows no endpoint and no token. An exchange ends as an `Answer` (or an open `Stream`), or as `Broken`; exceptions of
requests and urllib3 never leave this module, because they can hold headers.

- One `requests.Session` per thread (sessions are not thread-safe); cookies refused; nothing is read from `.netrc`;
  proxies are taken from the environment as everywhere else on a server, but not on the way to this very machine.
- Redirects are never followed with a key or a token to another host; within the host only for reading.
- urllib3 retries nothing: it would sleep through a long Retry-After and repeat a submission unseen.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from gen3sync import __version__, life
from gen3sync.commons.adapter import Adapter, Guard, guarding, trust
from gen3sync.commons.addresses import is_loopback, origin_of
from gen3sync.commons.body import Body, BodyError
from gen3sync.commons.faults import fault_of
from gen3sync.commons.replies import Broken, BrokenCause
from gen3sync.errors import ConfigError
from gen3sync.names import printable
from gen3sync.observe import NOBODY, Observer

USER_AGENT = f"gen3sync/{__version__}"
_IDLE = 20.0  # seconds; older connections may just be closing at the proxy, and a PUT lost there must be proven
_REDIRECTS = 3
_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: for connecting, for each silence while waiting, and for the whole exchange with its body."""

    connect: float = 10.0
    read: float = 330.0
    deadline: float = 900.0


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `writes`: the server may do work that matters even when its answer is lost."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] | None = None
    body: bytes | None = field(default=None, repr=False)
    auth: AuthBase | None = None
    writes: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: status, headers (names in lower case) and the decoded body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class NoTokenError(Exception):
    """Raised by an AuthBase that has no token to give; `broken` says why. Caught here, before anything is sent."""

    def __init__(self, broken: Broken) -> None:
        self.broken = broken
        super().__init__(broken.message)


class Stream:
    """An answer whose body is still to be read with `body.read(n)`. Close it, or use it as a context manager."""

    def __init__(self, response: requests.Response, guard: Guard, body: Body) -> None:
        self.status = response.status_code
        self.headers = _lower(response.headers)
        self.body = body
        self._response = response
        self._guard = guard
        self.at_end: Callable[[], None] = lambda: None  # called at each close

    def close(self) -> None:
        """Ends the exchange. A body that was not read to its end costs its connection, nothing more."""
        self._guard.end()
        self._response.close()
        self.at_end()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Transport:
    """Sends requests to one commons. Thread-safe; `close` ends what is in flight as CANCELLED and refuses the rest.

    Raises ConfigError for a CA file that cannot be used.
    """

    observer: Observer = NOBODY

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        ca_file: Path | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self.timeouts = timeouts or Timeouts()
        self._ca_file = ca_file
        self._proxies = proxies
        self._local = threading.local()
        self._lock = threading.Lock()
        self._guards: set[Guard] = set()
        self._closed = False
        self._context = trust(ca_file) if ca_file is not None else None

    def send(self, request: Request, *, limit: int = _LIMIT, timeouts: Timeouts | None = None) -> Answer | Broken:
        """Sends and reads the whole answer, at most `limit` decoded bytes of it."""
        stream = self.open(request, timeouts=timeouts)
        if isinstance(stream, Broken):
            return stream
        with stream:
            try:
                body = stream.body.read_all(limit)
            except BodyError as error:
                return Broken(error.broken.message, error.broken.cause, stream.status, may_have_landed=request.writes)
            return Answer(stream.status, stream.headers, body)

    def open(self, request: Request, *, timeouts: Timeouts | None = None) -> Stream | Broken:
        """Sends and returns once the headers are there. Bounded by the deadline until the stream is closed."""
        url, params = request.url, request.params
        for _ in range(_REDIRECTS + 1):
            stream = self._once(request, url, params, timeouts or self.timeouts)
            if isinstance(stream, Broken) and stream.cause is BrokenCause.RESET and _only_reads(request):
                # Reading is repeated once on a fresh connection: the old one may have been closed while idle.
                self._fresh()
                stream = self._once(request, url, params, timeouts or self.timeouts)
            if isinstance(stream, Broken) or not 300 <= stream.status < 400 or stream.status == 304:
                return stream
            target = urljoin(url, stream.headers.get("location", ""))
            status = stream.status
            stream.close()
            if not _same_origin(url, target) or request.writes or request.method != "GET":
                return _redirected(url, target, status)
            url, params = target, None
        return Broken(
            f"{origin_of(request.url)} redirects in a circle.", BrokenCause.REDIRECT, None, may_have_landed=False
        )

    def close(self) -> None:
        """Ends what is in flight and refuses anything new."""
        with self._lock:
            self._closed = True
            guards = list(self._guards)
        for guard in guards:
            guard.cancel()

    def _once(
        self, request: Request, url: str, params: Mapping[str, str] | None, timeouts: Timeouts
    ) -> Stream | Broken:
        # Whoever asks may by right be silent as long as the guard lets the exchange last.
        ended = life.waits(timeouts.deadline)
        guard = Guard(timeouts.deadline, lambda one: self._let_go(one, ended))
        with self._lock:
            closed = self._closed
            if not closed:
                self._guards.add(guard)
        if closed:
            guard.end()
            return Broken("gen3sync is stopping.", BrokenCause.CANCELLED)
        response: requests.Response | None = None
        try:
            with guarding(guard):
                response = self._session(url).request(
                    request.method,
                    url,
                    params=params,
                    data=request.body,
                    headers=dict(request.headers),
                    auth=request.auth or _no_auth,
                    timeout=(timeouts.connect, timeouts.read),
                    allow_redirects=False,
                    stream=True,
                    verify=True,
                )
            return Stream(response, guard, Body(response, guard, _host(url)))
        except NoTokenError as error:
            guard.end()
            return error.broken
        except BodyError as error:
            guard.end()
            return error.broken
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            guard.end()
            self._fresh()
            return fault_of(error, guard, _host(url), writes=request.writes)
        except BaseException:
            guard.end()
            if response is not None:
                response.close()
            raise

    def _let_go(self, guard: Guard, ended: Callable[[], None]) -> None:
        self._guards.discard(guard)
        ended()

    def _session(self, url: str) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        now = time.monotonic()
        if session is not None and now - self._local.used > _IDLE:
            self._fresh()
            session = None
        if session is None:
            session = self._new_session(url)
            self._local.session = session
        self._local.used = now
        return session

    def _new_session(self, url: str) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # no .netrc, no CA file by a variable; proxies are taken below
        if not is_loopback(url):  # what is meant for this machine alone is plain http, and a proxy would hear it
            session.proxies.update(requests.utils.get_environ_proxies(url) if self._proxies is None else self._proxies)
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", "Accept": "*/*"})
        if url.startswith("https:"):
            session.mount("https://", Adapter(self._trusted()))
        session.mount("http://", Adapter(None))
        return session

    def _trusted(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = trust(self._ca_file)
            return self._context

    def _fresh(self) -> None:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is not None:
            self._local.session = None
            session.close()


def _only_reads(request: Request) -> bool:
    """A PUT is not repeated even as a dry run: for file nodes that writes to the file index (GEN3.md, "It refuses")."""
    return request.method in {"GET", "POST"} and not request.writes


def _no_auth(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Given so that requests looks for no other credentials."""
    return prepared


def _lower(headers: Mapping[str, Any]) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in headers.items()}


def _host(url: str) -> str:
    try:
        return origin_of(url)
    except ConfigError:
        return printable(urlsplit(url).netloc)


def _same_origin(one: str, other: str) -> bool:
    try:
        return origin_of(one) == origin_of(other)
    except ConfigError:
        return False


def _redirected(url: str, target: str, status: int) -> Broken:
    here, there = _host(url), _host(target)
    if here == there:
        what = f"{here} answers a request with a redirect ({status}) instead of doing it."
    else:
        what = (
            f"{here} sends gen3sync on to {there} ({status}). Keys and tokens go only to the commons that issued them, "
            f"so this is not followed; if the commons has moved, make an API key there and set commons.url."
        )
    return Broken(what, BrokenCause.REDIRECT, status, may_have_landed=False)
