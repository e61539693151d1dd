"""Log lines: three forms, the same fields, no secret and no forged line in any."""

import io
import json
import logging
import threading

import pytest
from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.schedulers.background import BackgroundScheduler

from gen3sync import logs

SECRET = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJlLWNhbmFyeQ"


def written(form: str, message: str, env: dict[str, str] | None = None, **fields: object) -> str:
    stream = io.StringIO()
    logs.set_up("info", form, env or {}, stream)
    logging.getLogger("gen3sync.test").warning(message, extra=fields)
    return stream.getvalue()


def test_human_lines_carry_their_fields() -> None:
    line = written("human", "landed", drop=7, project="DEV/test", file="a b.tsv")
    assert line.endswith('warning: landed  drop=7 project=DEV/test file="a b.tsv"\n')


def test_journal_lines_carry_their_priority() -> None:
    assert written("keyvalue", "landed", drop=7) == "<4>landed drop=7\n"


def test_auto_is_keyvalue_where_systemd_reads() -> None:
    assert written("auto", "x", {"JOURNAL_STREAM": "8:1"}).startswith("<4>")
    assert "<4>" not in written("auto", "x")


def test_json_lines_are_objects() -> None:
    entry = json.loads(written("json", "landed", drop=7, chunk="3/12"))
    assert (entry["message"], entry["drop"], entry["chunk"], entry["level"]) == ("landed", 7, "3/12", "warning")


def test_a_run_that_is_left_out_for_the_one_before_is_no_warning() -> None:
    """Only that one message of APScheduler's; in its own words, so that an update that words it otherwise is seen."""
    stream = io.StringIO()
    running, left_out = threading.Event(), threading.Event()
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_listener(lambda _event: left_out.set(), EVENT_JOB_MAX_INSTANCES)
    for _ in range(2):  # as after a reload
        logs.set_up("debug", "human", {}, stream)
    scheduler.start()
    try:
        scheduler.add_job(running.wait, "interval", args=[60], seconds=0.01, id="busy", max_instances=1)
        assert left_out.wait(60)
    finally:
        running.set()
        scheduler.shutdown()
    logging.getLogger("apscheduler.scheduler").warning("another thing")
    assert "skipped" not in stream.getvalue()
    assert "warning: another thing" in stream.getvalue()


@pytest.mark.parametrize("form", ["human", "keyvalue", "json"])
def test_a_name_cannot_forge_a_line(form: str) -> None:
    text = written(form, "took evil\n<1>all is lost", file="x\x1b[2J\u2028y")
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


@pytest.mark.parametrize("form", ["human", "keyvalue", "json"])
def test_keys_and_tokens_are_hidden(form: str) -> None:
    assert SECRET not in written(form, f"sent Authorization: Bearer {SECRET}", header=f"Bearer {SECRET}")


@pytest.mark.parametrize("form", ["human", "keyvalue", "json"])
def test_also_in_tracebacks(form: str) -> None:
    stream = io.StringIO()
    logs.set_up("info", form, {}, stream)
    try:
        raise ValueError(f"token {SECRET}")
    except ValueError:
        logging.getLogger("gen3sync.test").exception("broke")
    assert "ValueError" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_each_line_of_a_traceback_keeps_the_priority() -> None:
    stream = io.StringIO()
    logs.set_up("info", "keyvalue", {}, stream)
    try:
        raise ValueError("x")
    except ValueError:
        logging.getLogger("gen3sync.test").exception("broke")
    assert all(line.startswith("<3>") for line in stream.getvalue().splitlines())


def test_no_colour_unless_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    plain, coloured, refused = io.StringIO(), Terminal(), Terminal()
    for stream, env in ((plain, {}), (coloured, {}), (refused, {"NO_COLOR": "1"})):
        logs.set_up("info", "human", env, stream)
        logging.getLogger("gen3sync.test").error("x")
    assert "\x1b" not in plain.getvalue()
    assert "\x1b" in coloured.getvalue()
    assert "\x1b" not in refused.getvalue()
