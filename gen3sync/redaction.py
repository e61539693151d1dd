"""Keeps keys and tokens out of whatever gen3sync writes: a register of live secrets, and a logging filter.

The floor of the house, beside `errors`: it needs nothing above it. `commons.credentials` and `commons.tokens` register
what they hold; whoever sets up logging calls `guard_handler` on each handler. What is not registered but has the form
of a JWT or of an Authorization header is hidden all the same.
"""

from __future__ import annotations

import logging
import re
import threading
import traceback
from collections.abc import Mapping

HIDDEN = "<hidden>"

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){0,2}")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_USERINFO = re.compile(r"(?i)\b(https?://)[^/\s:@]+:[^/\s@]+@")
_SHORTEST = 8  # anything shorter would hide ordinary words

_secrets: set[str] = set()
_lock = threading.Lock()


def register(secret: str) -> None:
    """Remembers `secret` as something that must never be written. Very short text is ignored."""
    if len(secret) >= _SHORTEST:
        with _lock:
            _secrets.add(secret)


def forget(secret: str) -> None:
    """Stops hiding `secret`: an expired token is worth nothing, and a daemon of months must not collect them."""
    with _lock:
        _secrets.discard(secret)


def redact(text: str) -> str:
    """`text` without registered secrets, JWTs, bearer headers and passwords in addresses."""
    with _lock:
        live = [secret for secret in _secrets if secret in text]
    for secret in sorted(live, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    if "eyJ" in text:
        text = _JWT.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    return _USERINFO.sub(rf"\1{HIDDEN}@", text)


def redact_value(value: object) -> object:
    """The same for a log field: text, and text inside lists, tuples and mappings. Other values are left alone."""
    match value:
        case str():
            return redact(value)
        case Mapping():
            return {key: redact_value(item) for key, item in value.items()}
        case list():
            return [redact_value(item) for item in value]
        case tuple():
            return tuple(redact_value(item) for item in value)
        case bytes():
            return redact(value.decode("utf-8", "replace")) if len(value) >= _SHORTEST else value
        case _:
            return value


_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) - {"msg", "args", "exc_text", "stack_info"}


class RedactingFilter(logging.Filter):
    """Rewrites every record that passes: message, arguments, traceback and extra fields.

    It belongs on handlers, not on loggers: a logger's filters do not see its children's records.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        if record.exc_info and not record.exc_text:
            # Formatters use exc_text where it is set, so the traceback is rendered once, here, and cleaned.
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        for name, value in list(record.__dict__.items()):
            if name not in _STANDARD and name not in {"msg", "args", "exc_text", "stack_info"}:
                record.__dict__[name] = redact_value(value)
        return True


def guard_handler(handler: logging.Handler) -> logging.Handler:
    """Puts a `RedactingFilter` on `handler`, once, and returns it."""
    if not any(isinstance(present, RedactingFilter) for present in handler.filters):
        handler.addFilter(RedactingFilter())
    return handler
