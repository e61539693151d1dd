"""The three pages: a question in, an answer out. Knows no socket.

`/metrics` is the text form of Prometheus. `/healthz` is 200 while every loop shows life, so 503 means: restart it.
`/readyz` is 200 while a file dropped now would be taken. Both say why not, and how things are, as text or, where the
question accepts it, as JSON. Whatever is said passes the redaction of secrets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from gen3sync.metrics.picture import Picture
from gen3sync.names import printable
from gen3sync.redaction import redact

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
PATHS = ("/metrics", "/healthz", "/readyz")


@dataclass(frozen=True, slots=True)
class Question:
    """A request without its body, which none of the pages takes. Names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    status: HTTPStatus
    body: bytes
    media_type: str = TEXT
    allow: str = ""


class Pages:
    """`metrics` gives the text of all metrics."""

    def __init__(self, picture: Picture, metrics: Callable[[], bytes]) -> None:
        self._picture = picture
        self._metrics = metrics

    def answer(self, question: Question) -> Page:
        path = urlsplit(question.target).path
        if path not in PATHS:
            return said(HTTPStatus.NOT_FOUND, f"There is no such page; there are {', '.join(PATHS)}.")
        if question.method not in ("GET", "HEAD"):
            page = said(HTTPStatus.METHOD_NOT_ALLOWED, "This page can only be read.")
            return Page(page.status, page.body, page.media_type, "GET, HEAD")
        as_json = _prefers_json(question.headers.get("accept", ""))
        match path:
            case "/healthz":
                return self._health(as_json=as_json)
            case "/readyz":
                return self._readiness(as_json=as_json)
        return Page(HTTPStatus.OK, redact(self._metrics().decode()).encode(), EXPOSITION)

    def _health(self, *, as_json: bool) -> Page:
        silent = self._picture.silent()
        status = HTTPStatus.SERVICE_UNAVAILABLE if silent else HTTPStatus.OK
        if as_json:
            return _json(status, {"alive": not silent, "silent": silent, "pid": os.getpid()})
        return said(status, f"no sign of life from {', '.join(silent)}" if silent else "alive")

    def _readiness(self, *, as_json: bool) -> Page:
        obstacles, judgement = self._picture.unready(), self._picture.judgement()
        status = HTTPStatus.SERVICE_UNAVAILABLE if obstacles else HTTPStatus.OK
        if as_json:
            known = {"ready": not obstacles, "not_ready": obstacles}
            return _json(status, {**known, "health": judgement.health.value, "reasons": judgement.reasons})
        lines = ["not ready: " + "; ".join(obstacles) if obstacles else "ready", f"health: {judgement.health}"]
        return said(status, "\n".join(lines + [f"- {reason}" for reason in judgement.reasons]))


def said(status: HTTPStatus, text: str) -> Page:
    """A page of plain lines."""
    lines = [printable(redact(line), 1000) for line in text.splitlines()]
    return Page(status, ("\n".join(lines) + "\n").encode())


def _json(status: HTTPStatus, content: Mapping[str, object]) -> Page:
    return Page(status, redact(json.dumps(content, ensure_ascii=True)).encode() + b"\n", JSON)


def _prefers_json(accept: str) -> bool:
    """Whether JSON is named, and named before text."""
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return next((kind == JSON for kind in kinds if kind in (JSON, "text/plain", "text/html", "text/*")), False)
