"""No registered secret, JWT or Authorization header passes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from gen3sync import redaction

SECRET = "canary-secret-0123456789"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDB9.c2lnbmF0dXJl"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    out = io.StringIO()
    handler = redaction.guard_handler(logging.StreamHandler(out))
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s %(field)s", defaults={"field": ""}))
    logger = logging.getLogger("gen3sync.test_redaction")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    redaction.register(SECRET)
    yield out
    redaction.forget(SECRET)
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"key {SECRET}!", "key <hidden>!"),
        (f"token {JWT} used", "token <hidden> used"),
        (f"half a token {JWT[:40]}", "half a token <hidden>"),
        (f"Authorization: bearer {JWT}", "Authorization: bearer <hidden>"),
        ("Bearer abcdefghijklmnop", "Bearer <hidden>"),
        ("http://user:password@proxy:3128/", "http://<hidden>@proxy:3128/"),
        ("the bearer of bad news", "the bearer of bad news"),
        ("ordinary eyJ text", "ordinary eyJ text"),
    ],
)
def test_text(text: str, clean: str, written: io.StringIO) -> None:
    assert redaction.redact(text) == clean


def test_short_text_is_not_a_secret() -> None:
    redaction.register("case")
    assert redaction.redact("a case") == "a case"


def test_what_is_forgotten_is_shown_again() -> None:
    redaction.register("forgettable-text")
    redaction.forget("forgettable-text")
    assert redaction.redact("forgettable-text") == "forgettable-text"


def test_everything_of_a_log_record(written: io.StringIO) -> None:
    logger = logging.getLogger("gen3sync.test_redaction")
    logger.info("in the message %s and %d", SECRET, 5)
    logger.info("in a mapping %(key)s", {"key": SECRET})
    logger.info("in an extra", extra={"field": {"deep": [SECRET, (JWT,)], "n": 1}})
    logger.info("in the stack", stack_info=True, extra={"field": SECRET})
    try:
        raise ValueError(f"broken by {SECRET}") from RuntimeError(f"and {JWT}")
    except ValueError:
        logger.exception("with a traceback")
    shown = written.getvalue()
    assert SECRET not in shown
    assert "eyJ" not in shown
    assert "in the message <hidden> and 5" in shown
    assert "ValueError: broken by <hidden>" in shown


def test_a_broken_log_call_is_still_logged_by_python(written: io.StringIO) -> None:
    handler = redaction.guard_handler(logging.getLogger("gen3sync.test_redaction").handlers[0])
    assert sum(isinstance(f, redaction.RedactingFilter) for f in handler.filters) == 1


def test_json_values() -> None:
    redaction.register(SECRET)
    value = redaction.redact_value({"a": [SECRET, {"b": SECRET}], "c": 1, "d": SECRET.encode()})
    assert SECRET not in json.dumps(value)
    redaction.forget(SECRET)
