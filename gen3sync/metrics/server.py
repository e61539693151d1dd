"""HTTP on one address, for pages that are small and change nothing.

Everything is bounded, because any program of the machine may connect: so many exchanges at once, so many seconds and
bytes for each. Without TLS and without a password, so it belongs on the loopback address; there the Host header must
name this machine too, or a web page opened in a browser here could read the answers under a name of its own.
"""

from __future__ import annotations

import ipaddress
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus

from gen3sync.metrics.pages import Page, Question, said

log = logging.getLogger(__name__)

AT_ONCE = 8
SECONDS = 5.0
"""For one exchange, the answer included."""
_HEAD = 16 * 1024
_BACKLOG = 16


class Server:
    """Binds when it is made (raises OSError); `start`, then `stop`. Answers come from `answer`, on many threads."""

    def __init__(
        self,
        host: str,
        port: int,
        answer: Callable[[Question], Page],
        *,
        any_name: bool = False,
        seconds: float = SECONDS,
        at_once: int = AT_ONCE,
    ) -> None:
        self._answer = answer
        self._any_name = any_name
        self._seconds = seconds
        self._slots = threading.BoundedSemaphore(at_once)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._listener.setblocking(False)
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The one bound; of use where port 0 was asked for."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def alive(self) -> bool:
        """Whether anybody takes connections."""
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Takes no more connections and frees the address. Answers under way end within their seconds."""
        self._waker.close()
        if self._thread.ident is not None:
            self._thread.join(self._seconds)
        self._listener.close()
        self._wake.close()

    def _serve(self) -> None:
        """Waits without a timeout: an idle daemon is not woken for this."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._wake in ready:
                    return
                self._take()

    def _take(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # it went away before it was taken
        except OSError as error:
            log.warning("the metrics port cannot take a connection: %s", error.strerror)
            self._wake.settimeout(1.0)  # out of file descriptors: the connection stays, and so would this loop
            try:
                self._wake.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                pass
            finally:
                self._wake.setblocking(True)
            return
        if not self._slots.acquire(blocking=False):
            connection.close()
            return
        try:
            threading.Thread(target=self._exchange, args=(connection,), name="metrics answer", daemon=True).start()
        except RuntimeError:  # no more threads
            connection.close()
            self._slots.release()

    def _exchange(self, connection: socket.socket) -> None:
        try:
            with connection:
                end = time.monotonic() + self._seconds
                head = _read_head(connection, end)
                if head is None:
                    return
                question = _question(head)
                page = self._page(question)
                body = b"" if question is not None and question.method == "HEAD" else page.body
                connection.settimeout(max(0.1, end - time.monotonic()))
                connection.sendall(_head(page) + body)
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # whoever asked is gone, or too slow
        finally:
            self._slots.release()

    def _page(self, question: Question | None) -> Page:
        if question is None:
            return said(HTTPStatus.BAD_REQUEST, "This is no request of HTTP/1.")
        host = question.headers.get("host")  # browsers always say it
        if not self._any_name and host is not None and not names_this_machine(host):
            return said(HTTPStatus.MISDIRECTED_REQUEST, "Ask by a loopback address or as localhost.")
        try:
            return self._answer(question)
        except Exception:
            log.exception("a page of the metrics port failed")
            return said(HTTPStatus.INTERNAL_SERVER_ERROR, "Something unforeseen went wrong; the log has the details.")


def names_this_machine(host: str) -> bool:
    """Whether a Host header names the loopback interface and nothing that a name server could have said."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def _read_head(connection: socket.socket, end: float) -> bytes | None:
    """Everything up to the empty line; None when it does not come in time or is too long."""
    head = b""
    while b"\r\n\r\n" not in head and b"\n\n" not in head:
        left = end - time.monotonic()
        if left <= 0 or len(head) > _HEAD:
            return None
        connection.settimeout(left)
        data = connection.recv(4096)
        if not data:
            return None
        head += data
    return head


def _question(head: bytes) -> Question | None:
    first, *lines = head.decode("latin-1").replace("\r\n", "\n").partition("\n\n")[0].split("\n")
    match first.split(" "):
        case [method, target, version] if version.startswith("HTTP/1.") and target.startswith("/"):
            pairs = (line.partition(":") for line in lines)
            return Question(method, target, {name.strip().lower(): value.strip() for name, _, value in pairs})
    return None


def _head(page: Page) -> bytes:
    lines = [
        f"HTTP/1.1 {page.status.value} {page.status.phrase}",
        "Server: gen3sync",
        f"Content-Type: {page.media_type}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if page.allow:
        lines.append(f"Allow: {page.allow}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")
