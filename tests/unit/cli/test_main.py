"""The way in: verbs, errors as sentences, exit codes, colours."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from gen3sync.cli import VERBS, gen3sync
from gen3sync.cli.invocation import Invocation, verb
from gen3sync.errors import ConfigError, ExitCode, Gen3SyncError, TemporaryError
from tests.unit.cli.calling import Result, call


def test_help_names_every_verb() -> None:
    result = call("--help")
    assert result.code == 0
    assert all(f"\n  {name} " in result.out for name in VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_its_module_and_help(name: str) -> None:
    result = call(name, "--help")
    assert result.code == 0
    assert result.out.startswith(f"Usage: gen3sync {name}")


@pytest.mark.parametrize("name", ["sandbox", "demo"])
def test_the_sandbox_without_its_extra_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphql", None)
    result = call(name)
    assert result.code == ExitCode.UNAVAILABLE
    assert "needs graphql-core" in result.err
    assert ".[sandbox]" in result.err
    assert result.out == ""


def test_a_slip_of_the_pen_is_a_sentence() -> None:
    result = call("stauts")
    assert result.code == 64
    assert result.err == "error: There is no verb 'stauts'. Did you mean 'status'?\n  try: See `gen3sync --help`.\n"


@pytest.mark.parametrize("words", [(), ("notify",), ("config",), ("service",)])
def test_nothing_but_a_group_shows_its_help(words: tuple[str, ...]) -> None:
    result = call(*words)
    assert (result.err or result.out).startswith("Usage: gen3sync")
    assert "..." not in result.err.partition("\nCommands:")[2]


def test_a_reader_that_goes_away_is_no_verdict() -> None:
    """click would end with 1, which of `status` means that something needs a look."""
    program = "import sys; from gen3sync.cli import main; main(['config', 'schema'], {'HOME': '/nonexistent'})"
    whole = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert whole.stdout is not None
    whole.stdout.close()
    _, said = whole.communicate(timeout=120)
    assert whole.returncode == 141
    assert said == b""


def test_a_wrong_option_names_the_verbs_help() -> None:
    result = call("status", "--nope")
    assert result.code == 64
    assert "See `gen3sync status --help`." in result.err


def broken_by(error: BaseException, *args: str) -> Result:
    @verb("broken")
    def broken(_invocation: Invocation) -> None:
        raise error

    gen3sync.add_command(broken)
    VERBS["broken"] = ""
    original = type(gen3sync).get_command
    try:
        type(gen3sync).get_command = lambda self, ctx, name: broken  # type: ignore[method-assign,assignment]
        return call(*args, "broken")
    finally:
        type(gen3sync).get_command = original  # type: ignore[method-assign]
        gen3sync.commands.pop("broken")
        VERBS.pop("broken")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("It is broken.", "Mend it."), 78, "error: It is broken.\n  try: Mend it.\n"),
        (TemporaryError("Not now.", "Later."), 75, "error: Not now.\n  try: Later.\n"),
        (PermissionError(13, "Permission denied", "/x"), 74, "error: /x: Permission denied.\n"),
        (KeyboardInterrupt(), 130, "\nStopped.\n"),
        (click.Abort(), 130, "Stopped.\n"),
    ],
)
def test_errors_leave_as_sentences(error: BaseException, code: int, said: str) -> None:
    result = broken_by(error)
    assert (result.code, result.err) == (code, said)


def test_what_nobody_foresaw_shows_no_traceback() -> None:
    result = broken_by(KeyError("surprise"))
    assert result.code == 70
    assert "KeyError: 'surprise'" in result.err
    assert "--debug" in result.err
    assert "Traceback" not in result.err


def test_debug_shows_it() -> None:
    with pytest.raises(Gen3SyncError):
        broken_by(ConfigError("x"), "--debug")


def test_an_error_cannot_carry_a_key_or_a_control_character() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJlLWNhbmFyeQ"
    result = broken_by(Gen3SyncError(f"token {token} \x1b[2J"))
    assert token not in result.err
    assert "\x1b" not in result.err


def test_an_error_as_json(tmp_path: Path) -> None:
    result = call("history", "--json", "-c", tmp_path / "none.toml")
    assert result.code == 78
    assert '"exit_code": 78' in result.err
    assert result.out == ""
