"""`gen3sync status --watch`: on a terminal, without one, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from gen3sync.cli.status import _fitting
from gen3sync.status import FILE, KeyStatus, Status, read_status
from tests.unit.cli.calling import call
from tests.unit.test_status import example


def lab(folder: Path) -> Path:
    config = folder / "gen3sync.toml"
    config.write_text('[outbox]\npath = "outbox"\n[inbox]\npath = "inbox"\n[state]\npath = "state"\n')
    (folder / "state").mkdir()
    return config


def write(folder: Path, **parts: object) -> None:
    now = datetime.now(UTC).isoformat()
    status: Status = replace(example(), written_at=now, key=KeyStatus(), **parts)  # type: ignore[arg-type]
    made = folder / "state" / "new"
    made.write_bytes(status.to_json())
    made.rename(folder / "state" / FILE)


@contextmanager
def watching(config: Path, *more: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gen3sync", "status", "--watch", *more, "-c", str(config)],
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TERM": "xterm", "PYTHONPATH": ":".join(sys.path)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_without_a_terminal_only_news_is_said_and_ctrl_c_ends_with_how_it_is(tmp_path: Path) -> None:
    config = lab(tmp_path)
    write(tmp_path)
    with watching(config) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("gen3sync  well: running for ")
        assert "\x1b" not in said
        write(tmp_path, commons=replace(example().commons, reachable=False, problem="refused"))
        while not (said := process.stdout.readline()).startswith("gen3sync"):
            assert said, "it ended"
        assert said.startswith("gen3sync  degraded")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 1


def test_in_json_each_piece_of_news_is_a_line(tmp_path: Path) -> None:
    config = lab(tmp_path)
    with watching(config, "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["health"] == "down"
        write(tmp_path)
        assert json.loads(process.stdout.readline())["health"] == "well"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_on_a_terminal_it_draws_over_itself(tmp_path: Path) -> None:
    config = lab(tmp_path)
    write(tmp_path)
    ours, theirs = pty.openpty()
    drawn = b""
    with watching(config, stdout=theirs) as process:
        os.close(theirs)
        while drawn.count(b"\x1b[H") < 2 or not drawn.endswith(b"\x1b[J"):
            drawn += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        while part := read_on(ours):
            drawn += part
        assert process.wait(60) == 0
    os.close(ours)
    text = drawn.decode().rstrip("\r\n")
    assert text.count("\x1b[2J") == 1  # cleared once; after that drawn over, so that nothing flickers
    assert text.endswith("\x1b[J")


def read_on(terminal: int) -> bytes:
    """What comes next; nothing once the other end is closed."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""


def test_it_ends_by_itself_after_the_time_it_was_given(tmp_path: Path) -> None:
    config = lab(tmp_path)
    write(tmp_path)
    with watching(config, "--for", "0.01") as process:
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert process.stdout.read().startswith("gen3sync  well: running for ")


def test_a_screen_is_never_taller_than_the_terminal() -> None:
    lines = [f"line {number}" for number in range(30)]
    assert _fitting(lines, 30, 80) == lines
    assert _fitting(lines, 10, 80) == [*lines[:9], "… 21 more lines: enlarge the window"]
    assert _fitting(["x" * 200, "a", "b", "c"], 5, 80) == ["x" * 200, "a", "… 2 more lines: enlarge the window"]
    assert _fitting(["x" * 200, "a", "b"], 5, 80) == ["x" * 200, "a", "b"]


def test_a_full_disk_is_said_where_the_status_could_not_say_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = lab(tmp_path)
    write(tmp_path)
    path = tmp_path / "state" / FILE
    free = [0]
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=free[0]))
    assert "is full" not in call("status", "-c", config).out  # the news is fresh: it was written all the same
    for seconds, code in ((45, 1), (90, 2)):
        then = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
        path.write_bytes(replace(read_status(path.parent), written_at=then).to_json())
        found = call("status", "--json", "-c", config)
        assert found.code == code
        assert found.json["reasons"][-1].endswith("is full: nothing can be written there, this status neither")
    free[0] = 1_000_000
    assert "is full" not in call("status", "-c", config).out
