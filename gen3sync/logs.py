"""Sets up logging: human lines on a terminal, key=value with journal priorities under systemd, JSON by choice.

Rooms log events with the standard library: `log.info("landed", extra={"drop": 7, "project": "DEV/test"})`. Whatever
stands in `extra` becomes a field; every form writes all of them. What says the same again and again is held back and
told as one (`repeats.py`). Two guards stand at the only way out, so that no
room has to remember them: text is made printable (a file name could forge a log line) and whatever looks like a key
or a token is hidden by `redaction` (no secret leaves the process). What to log and when is each room's own matter.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from gen3sync.clock import Clock, SystemClock
from gen3sync.names import printable
from gen3sync.redaction import guard_handler, redact
from gen3sync.repeats import QuietHandler

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
# sd-daemon(3): a line that starts with <N> is taken at syslog priority N.
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31", logging.DEBUG: "2"}

_SKIPPED = 'Execution of job "%s" skipped: maximum number of running'


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What was given as `extra`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD and not key.startswith("_")}


class HumanFormatter(logging.Formatter):
    """`10:41:07 landed  drop=7 project=DEV/test`, coloured where the terminal wants it."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        text = printable(record.getMessage(), limit=2000)
        level = "" if record.levelno in (logging.INFO, logging.DEBUG) else f"{record.levelname.lower()}: "
        known = fields(record)
        tail = "  " + _pairs(known) if known else ""
        line = redact(f"{level}{text}{tail}")
        code = _COLOURS.get(record.levelno)
        if self._colour:
            line = f"\x1b[2m{moment}\x1b[0m " + (f"\x1b[{code}m{line}\x1b[0m" if code else line)
        else:
            line = f"{moment} {line}"
        return line + _trace(self, record)


class KeyValueFormatter(logging.Formatter):
    """`<6>landed drop=7 project=DEV/test`: the journal has the time, the priority comes from the prefix."""

    def format(self, record: logging.LogRecord) -> str:
        level = min((n for n in _PRIORITY if n >= record.levelno), default=logging.CRITICAL)
        prefix = f"<{_PRIORITY[level]}>"
        pairs = _pairs(fields(record))
        line = redact(printable(record.getMessage(), limit=2000) + (" " + pairs if pairs else ""))
        # Without the prefix on each line a traceback would arrive at the default priority.
        return prefix + (line + _trace(self, record)).replace("\n", "\n" + prefix)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, message, the fields, and error where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(printable(record.getMessage(), limit=2000)),
        }
        for key, value in fields(record).items():
            plain = value if isinstance(value, int | float | bool) or value is None else redact(printable(value))
            entry.setdefault(key, plain)
        trace = _trace(self, record)
        if trace:
            entry["error"] = trace.strip()
        return json.dumps(entry, ensure_ascii=False)


def set_up(
    level: str,
    format: str,
    env: Mapping[str, str],
    stream: TextIO | None = None,
    *,
    colour: bool | None = None,
    clock: Clock | None = None,
) -> None:
    """Sends every log line of the process to `stream` (standard error).

    `format`: human, keyvalue, json, or auto, which is keyvalue where systemd reads the stream and human elsewhere.
    """
    stream = sys.stderr if stream is None else stream
    terminal = stream.isatty()
    if format == "auto":
        format = "keyvalue" if env.get("JOURNAL_STREAM") and not terminal else "human"
    formatter: logging.Formatter
    match format:
        case "keyvalue":
            formatter = KeyValueFormatter()
        case "json":
            formatter = JsonFormatter()
        case _:
            wanted = terminal and not env.get("NO_COLOR") and env.get("TERM") != "dumb"
            formatter = HumanFormatter(colour=wanted if colour is None else colour)
    handler = QuietHandler(stream, clock or SystemClock())
    handler.setFormatter(formatter)
    guard_handler(handler)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        if isinstance(old, QuietHandler):
            old.close()  # tells what it held
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger("apscheduler.scheduler").addFilter(_not_skipped)
    # Libraries speak of their own workings; a data manager wants to hear of drops and mirrors.
    for library in ("apscheduler", "urllib3", "watchdog", "charset_normalizer"):
        logging.getLogger(library).setLevel(logging.WARNING if level.upper() != "DEBUG" else logging.INFO)
    logging.captureWarnings(True)


def _not_skipped(record: logging.LogRecord) -> bool:
    """APScheduler warns of each run that comes while the one before it still works. That is no fault: the inbox says it
    at debug in its own words, and jobs that hang are missed by their heartbeats."""
    return not str(record.msg).startswith(_SKIPPED)


def tick(*, everything: bool = False) -> None:
    """To be called now and then: tells of lines that were held back for long enough; of all of them at a stop."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, QuietHandler):
            handler.tick(everything=everything)


def _pairs(known: Mapping[str, object]) -> str:
    return " ".join(f"{key}={_value(value)}" for key, value in known.items())


def _value(value: object) -> str:
    text = printable(value)
    return json.dumps(text, ensure_ascii=False) if not text or re.search(r'[\s"=]', text) else text


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if not record.exc_info:
        return ""
    lines = (record.exc_text or formatter.formatException(record.exc_info)).splitlines()
    return "".join("\n" + redact(printable(line, limit=2000)) for line in lines)
