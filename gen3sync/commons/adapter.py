"""Under requests: connections that know which request they carry, so that a deadline or a stop can end it.

A socket's own timeout starts anew with every byte, so a server that drips one byte a minute would never time out, in
the headers least of all. Here each request has a `Guard`; when its time is over, the guard shuts the socket down, and
whoever waits on it wakes. The guard also knows whether a byte of the request was ever handed to a socket: that is the
difference between "not done" and "find out whether it was done".
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.retry import Retry

from gen3sync.errors import ConfigError

_current = threading.local()


class Guard:
    """Watches one request: `sent` (bytes have gone out), `expired` (the deadline passed), `cancelled` (we stop)."""

    def __init__(self, seconds: float, ended: Callable[[Guard], None]) -> None:
        self.seconds = seconds
        self.sent = False
        self.expired = False
        self.cancelled = False
        self._ended = ended
        self._over = False
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._timer.name = "gen3sync-deadline"
        self._timer.start()

    @property
    def broken(self) -> bool:
        """The request was ended from this side."""
        return self.expired or self.cancelled

    def watch(self, connection: HTTPConnection) -> None:
        """The request goes over `connection` from now on."""
        with self._lock:
            self._connection = connection
            if self.broken:
                raise TimeoutError("the request's time is over")

    def cancel(self) -> None:
        """Ends the request because gen3sync stops."""
        self.cancelled = True
        self._shut()

    def end(self) -> None:
        """The exchange is over; the guard lets go. May be called more than once."""
        with self._lock:
            self._over = True
            self._connection = None
        self._timer.cancel()
        self._ended(self)

    def _expire(self) -> None:
        with self._lock:
            if self._over:
                return
            self.expired = True
        self._shut()

    def _shut(self) -> None:
        with self._lock:
            sock = getattr(self._connection, "sock", None)
        if isinstance(sock, socket.socket):
            # Past the TLS layer on purpose: its own shutdown is not safe while another thread reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


@contextlib.contextmanager
def guarding(guard: Guard) -> Iterator[None]:
    """Requests of this thread belong to `guard` within the block.

    Blocks nest: a request that needs a token first makes the exchange's request, then goes on under its own guard.
    """
    before: Guard | None = getattr(_current, "guard", None)
    _current.guard = guard
    try:
        yield
    finally:
        _current.guard = before


class _Watched:
    """Mixed into urllib3's connections."""

    def connect(self) -> None:
        self._watch()
        super().connect()  # type: ignore[misc]
        self._watch()

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._watch()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        if getattr(self, "sock", None) is None:
            self.connect()
        guard: Guard | None = getattr(_current, "guard", None)
        if guard is not None:
            guard.sent = True
        super().send(data)  # type: ignore[misc]

    def _watch(self) -> None:
        guard: Guard | None = getattr(_current, "guard", None)
        if guard is not None and isinstance(self, HTTPConnection):
            guard.watch(self)


class _Connection(_Watched, HTTPConnection):
    pass


class _TlsConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}
# A long PUT is silent for minutes; keep-alive probes stop firewalls from forgetting it.
_SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *([(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)] if hasattr(socket, "TCP_KEEPIDLE") else []),
    *([(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30)] if hasattr(socket, "TCP_KEEPINTVL") else []),
]


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whom to trust: `ca_file` alone where it is given, else the system's authorities and those of certifi.

    Raises ConfigError when the file cannot be used. Made once: reading the authorities costs 30 ms.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
        # Where SSLKEYLOGFILE says so, Python writes down what opens every connection, and with it the API key.
        context.keylog_filename = None  # type: ignore[assignment]
        # Some distributions' Python leaves it to OpenSSL's configuration.
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        if ca_file is None:
            context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    except OSError as error:
        named = ca_file or DEFAULT_CA_BUNDLE_PATH
        raise ConfigError(
            f"{named} cannot be used as certificates of authorities: {error.strerror or 'it is not in PEM form'}.",
            "Name a PEM file in commons.ca_file, or leave it out.",
        ) from None
    return context


class Adapter(HTTPAdapter):
    """requests' adapter with watched connections, no retries, and our own trust; verification cannot be turned off."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(max_retries=Retry(total=0, read=False, redirect=False, respect_retry_after_header=False))

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **self._pool_options(kwargs))
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **self._pool_options(kwargs))
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002 - requests calls it so
        """Whatever was asked, the context decides: nothing is read into it for single connections, nothing is off."""
        conn.cert_reqs = "CERT_REQUIRED"
        conn.ca_certs = conn.ca_cert_dir = None

    def _pool_options(self, options: dict[str, Any]) -> dict[str, Any]:
        options["socket_options"] = _SOCKET_OPTIONS
        if self._context is not None:
            options["ssl_context"] = self._context
        return options
