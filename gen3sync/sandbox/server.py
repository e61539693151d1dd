"""The HTTP side: reads requests, meets the faults of the transport, writes answers as the real proxies do.

HTTP/1.1 on a thread a connection. JSON is gzipped when the client accepts it and the service is known to; streams
are chunked and carry no length. What an address answers is decided in routes/.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from gen3sync.sandbox.commons import Call, Commons, Killed
from gen3sync.sandbox.faults import Kind, Point
from gen3sync.sandbox.listener import Listener
from gen3sync.sandbox.mangle import mangle, planned_answer
from gen3sync.sandbox.message import HTTPFailure, Request, Response
from gen3sync.sandbox.pages import nginx_error, service_failure
from gen3sync.sandbox.requestlog import LoggedRequest
from gen3sync.sandbox.routes import dispatch
from gen3sync.sandbox.server_errors import BrokenStream, gzipped, long_line

_REQUEST_LINE_LIMIT = 4094
_GRAPHQL = ("/api/v0/submission/graphql", "/v0/submission/graphql", "/api/v0/submission/getschema")


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 65_536
    server: Listener

    def log_message(self, format: str, *args: Any) -> None:
        """The request log is requestlog.py's; nothing is printed."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header, by the sandbox's clock."""
        return formatdate(self.server.commons.clock.time() if timestamp is None else timestamp, usegmt=True)

    def handle_expect_100(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    # -- one request --------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        self.answered = False
        self.sent = 0
        self.status: int | None = None
        self.guard = threading.Lock()
        commons = self.server.commons
        headers = {name.lower(): value for name, value in self.headers.items()}
        split = urlsplit(self.path)
        request = Request(self.command, unquote(split.path), split.query, headers)
        if request.path.startswith("/_sandbox"):
            self._control(request)
            return
        logged = commons.requests.start(self.command, request.path, split.query, headers)
        call = Call(commons, request, logged, self._abandon)
        timer = self._proxy_timer(commons)
        try:
            response = self._work(call, timer)
            if response is not None and not self.answered:
                # Ended before the client knows: its next request must not look as if it overlapped this one.
                commons.requests.end(logged, response.status)
                self._send(call, response)
        except Killed as killed:
            self._abandon(killed.how)
        except (BrokenStream, OSError):
            self._drop("close")
        finally:
            if timer is not None:
                timer.cancel()
            logged.bytes_sent = self.sent
            if logged.ended is None:
                commons.requests.end(logged, self.status)

    def _control(self, request: Request) -> None:
        call = Call(self.server.commons, request, _unlogged(request), self._abandon)
        body = self._read_body(call)
        call.request = Request(request.method, request.path, request.query, request.headers, body or b"")
        try:
            response = dispatch(call)
        except HTTPFailure as failure:
            response = failure.response
        self._send(call, response)

    def _proxy_timer(self, commons: Commons) -> threading.Timer | None:
        seconds = commons.faults.settings.proxy_timeout
        if seconds is None:
            return None
        timer = threading.Timer(seconds, self._abandon, (504,))
        timer.daemon = True
        timer.start()
        return timer

    def _work(self, call: Call, timer: threading.Timer | None) -> Response | None:
        commons = call.commons
        faults = commons.faults
        limit = faults.settings.max_body
        length = int(call.request.headers.get("content-length") or 0)
        if limit is not None and length > limit:
            return nginx_error(413)
        if len(self.requestline) > _REQUEST_LINE_LIMIT:
            return (
                nginx_error(414)
                if len(self.requestline) > 4 * _REQUEST_LINE_LIMIT
                else long_line(len(self.requestline), _REQUEST_LINE_LIMIT)
            )
        call.reach(Point.BEFORE_BODY)
        if self.answered:
            return None
        body = self._read_body(call)
        if body is None:
            return None
        call.request = Request(call.request.method, call.request.path, call.request.query, call.request.headers, body)
        commons.requests.keep(call.logged, body)
        call.reach(Point.RECEIVED)
        slow = faults.take(call.request.method, call.target, Kind.SLOW)
        if slow is not None:
            call.logged.fault = "slow"
            faults.pause(float(slow.options.get("seconds", 1)))
        planned = faults.take(call.request.method, call.target, Kind.ANSWER, Kind.HTML)
        if planned is not None:
            call.logged.fault = planned.kind.value
            return planned_answer(planned)
        is_graphql = call.request.path.rstrip("/") in _GRAPHQL
        if call.request.path.startswith("/user"):
            response = self._route(call)
        else:
            with (commons.graphql_gate if is_graphql else commons.submission_gate).enter():
                faults.pause(faults.settings.request)
                response = self._route(call)
                if not isinstance(response.body, bytes) and not self.answered:
                    # A stream keeps its worker until its last byte.
                    if timer is not None:
                        timer.cancel()
                    self._send(call, mangle(call, response))
                    return None
        call.reach(Point.AFTER_LOG)
        return None if self.answered else mangle(call, response)

    def _route(self, call: Call) -> Response:
        try:
            return dispatch(call)
        except HTTPFailure as failure:
            return failure.response

    def _read_body(self, call: Call) -> bytes | None:
        """None when a fault ended the request meanwhile."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()
            self.wfile.flush()
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        length = int(self.headers.get("Content-Length") or 0)
        half = self.rfile.read(length // 2)
        call.reach(Point.DURING_BODY)
        if self.answered:
            return None
        body = half + self.rfile.read(length - len(half))
        if len(body) < length:
            raise ConnectionError("the client left in the middle of its request")
        return body

    # -- answering ----------------------------------------------------------------------------------------------

    def _abandon(self, how: str | int) -> None:
        """Ends the client's side now; the work may go on."""
        if isinstance(how, int) or str(how).isdigit():
            with self.guard:
                if self.answered:
                    return
                self.answered = True
            with contextlib.suppress(OSError):
                response = service_failure(int(how))
                response.close = True
                self._write(response, accept_gzip=False, head=False)
                self.connection.shutdown(socket.SHUT_WR)
            self.close_connection = True
        else:
            self._drop(str(how))

    def _drop(self, how: str) -> None:
        with self.guard:
            self.answered = True
        self.close_connection = True
        with contextlib.suppress(OSError):
            if how == "reset":
                # Linger of zero: the peer gets RST, not FIN. Closed by its number, because rfile and wfile hold the
                # socket open for as long as the work behind this request goes on.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                socket.close(self.connection.detach())
            else:
                self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, call: Call, response: Response) -> None:
        with self.guard:
            if self.answered:
                return
            self.answered = True
        accepts = "gzip" in call.request.headers.get("accept-encoding", "").lower() and not call.direct
        self._write(response, accept_gzip=accepts, head=call.request.method == "HEAD")

    def _write(self, response: Response, *, accept_gzip: bool, head: bool) -> None:
        self.status = response.status
        self.send_response(response.status)
        if response.content_type is not None and response.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", response.content_type)
        for name, value in response.headers.items():
            self.send_header(name, value)
        stream = not isinstance(response.body, bytes)
        zipped = response.gzip and accept_gzip and not head
        if response.close:
            self.close_connection = True
        self.send_header("Connection", "close" if response.close else "keep-alive")
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        if stream or zipped:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            blocks: Iterable[bytes] = [response.body] if isinstance(response.body, bytes) else response.body
            if not head:
                self._stream(gzipped(blocks) if zipped else blocks, flush=stream)
        else:
            assert isinstance(response.body, bytes)
            if response.status != HTTPStatus.NO_CONTENT:
                self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if not head:
                self.wfile.write(response.body)
                self.sent += len(response.body)
        self.wfile.flush()

    def _stream(self, blocks: Iterable[bytes], *, flush: bool) -> None:
        try:
            for block in blocks:
                if block:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
                    self.sent += len(block)
                    if flush:
                        self.wfile.flush()
        except (BrokenStream, Killed):
            self.wfile.flush()
            self._drop("close")
            return
        self.wfile.write(b"0\r\n\r\n")


def _unlogged(request: Request) -> LoggedRequest:
    return LoggedRequest(0, request.method, request.path, request.query, {}, 0, 0.0)
