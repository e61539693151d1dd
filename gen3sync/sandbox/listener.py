"""The listening socket and its threads, one a connection. What is said on a connection is `server.py`'s."""

from __future__ import annotations

import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gen3sync.sandbox.commons import Commons


class Listener(ThreadingHTTPServer):
    """Loopback only. Remembers its connections so that stopping can end idle ones at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, port: int, commons: Commons, handler: type[BaseHTTPRequestHandler]) -> None:
        self.commons = commons
        self.connections: set[socket.socket] = set()
        self.threads: set[threading.Thread] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self._serve, args=(request, client_address), name="sandbox-request", daemon=True
        )
        with self._guard:
            self.connections.add(request)
            self.threads.add(thread)
        thread.start()

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            # A client that goes away in the middle is one of the things this server exists for.
            with contextlib.suppress(OSError):
                self.finish_request(request, client_address)
        finally:
            with self._guard:
                self.connections.discard(request)
                self.threads.discard(threading.current_thread())
            with contextlib.suppress(OSError):
                self.shutdown_request(request)

    def end_connections(self) -> None:
        """Wakes threads that wait for a next request, then waits for all of them."""
        with self._guard:
            connections, threads = list(self.connections), list(self.threads)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(timeout=30)
