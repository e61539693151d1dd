"""What a request and an answer are inside the sandbox.

Plain data between the HTTP server (server.py) and the routes; nothing here knows sockets or records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote


@dataclass(frozen=True)
class Request:
    """One request as read from the wire.

    `path` is decoded and keeps its `/api` prefix; `headers` have lower-case names; `body` is the whole body.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def args(self) -> dict[str, str]:
        """The query string; of a name given twice the first counts, as in Flask."""
        found: dict[str, str] = {}
        for name, value in parse_qsl(self.query, keep_blank_values=True):
            found.setdefault(name, value)
        return found

    @property
    def parts(self) -> tuple[str, ...]:
        """The path's pieces without empty ones: `/a//b/` is `("a", "b")`."""
        return tuple(unquote(piece) for piece in self.path.split("/") if piece)

    @property
    def upstream_path(self) -> str:
        """The path as the submission service sees it, behind the proxy that strips `/api`."""
        return self.path.removeprefix("/api")


@dataclass
class Response:
    """One answer. `body` is bytes, or an iterable of byte blocks for streamed exports.

    `gzip` says whether the proxy would compress it (when the client accepts that).
    """

    status: int
    body: bytes | Iterable[bytes] = b""
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    gzip: bool = False
    close: bool = False
    on_sent: Callable[[], None] | None = None


class HTTPFailure(Exception):  # noqa: N818 - carries an answer, of which some are not errors of ours
    """Ends a route with `response`."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def dumps(data: Any) -> bytes:
    """JSON as Flask's `jsonify` writes it: sorted keys, no spaces, ASCII, a final newline."""
    return (json.dumps(data, sort_keys=True, separators=(",", ":")) + "\n").encode()


def json_response(data: Any, status: int = 200) -> Response:
    """A JSON answer; the real proxy compresses 200, 403 and 404 and nothing else."""
    return Response(status, dumps(data), gzip=status in (200, 403, 404))


def failure(status: int, message: str) -> HTTPFailure:
    """The submission service's plain refusal: `{"message": …}`."""
    return HTTPFailure(json_response({"message": message}, status))
