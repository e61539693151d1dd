"""The man pages and completions that ship are what the code says now, render without a warning, and work in shells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import tomli

from docs.manual import DOCS, pages
from gen3sync.cli import VERBS, gen3sync
from gen3sync.cli.completion import SHELLS
from gen3sync.config import config_schema
from tests.scenario.test_cli_costs import HEAVY
from tests.unit.cli.calling import call

ROOT = DOCS.parent
MAN = sorted(path for path in pages() if path.startswith("man/"))


@pytest.mark.parametrize("name", sorted(pages()))
def test_what_ships_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run `make man`"


def test_the_wheel_has_them_where_man_and_shells_look() -> None:
    project: dict[str, Any] = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shared: dict[str, str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert {f"docs/{name}" for name in pages()} == set(shared)
    assert {target.rpartition("/")[0] for target in shared.values()} == {
        "share/man/man1",
        "share/man/man5",
        "share/bash-completion/completions",
        "share/zsh/site-functions",
        "share/fish/vendor_completions.d",
    }
    # bash loads completions by the command's name.
    assert shared["docs/completions/gen3sync.bash"].endswith("/gen3sync")


def rendered(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed: apt-get install groff")
    command = ["groff", "-man", "-Tutf8", "-ww", "-P-c", "-P-b", "-P-u", *options, str(DOCS / name)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", MAN)
def test_a_page_renders_without_a_warning(name: str) -> None:
    ended = rendered(name)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\\" not in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 100


def commands(group: click.Group, above: click.Context) -> list[tuple[click.Command, click.Context]]:
    found = []
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=above)
        found.append((command, context))
        if isinstance(command, click.Group):
            found += commands(command, context)
    return found


def test_every_verb_option_key_and_code_is_in_a_page() -> None:
    verbs = " ".join(rendered("man/gen3sync.1").stdout.replace("‐", "-").split())
    with click.Context(gen3sync, info_name="gen3sync") as context:
        for command, inside in commands(gen3sync, context):
            assert inside.command_path in verbs
            for option in command.params:
                if isinstance(option, click.Option) and not option.hidden:
                    assert not [name for name in option.opts if name not in verbs], inside.command_path
    for code in re.findall(r"^\| (\d+) \|", (DOCS / "reference/exit-codes.md").read_text(), re.MULTILINE):
        assert f" {code} " in verbs
    keys = " ".join(rendered("man/gen3sync.toml.5").stdout.split())
    schema = config_schema()
    for section in (*schema["properties"], "inbox.mirror", "outbox.route"):
        assert f"[{section}]" in keys
    for part in schema["$defs"].values():
        for key in part.get("properties", {}):
            assert f" {key} = " in keys or f".{key}]] " in keys, key


# --- completion


def completed_by_bash(tmp_path: Path, *words: str) -> set[str]:
    """What bash offers for the last word, asked in a bash with the script that ships."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    asked = f"""
        source {DOCS / "completions/gen3sync.bash"}
        complete -p gen3sync > /dev/null || exit 3
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
        _gen3sync_completion gen3sync "{words[-1]}" "{words[-2]}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ended = subprocess.run(
        [bash, "--norc", "-c", asked],
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stderr == ""
    return set(ended.stdout.split())


def test_bash_completes_verbs_options_and_choices(tmp_path: Path) -> None:
    assert completed_by_bash(tmp_path, "gen3sync", "") == set(VERBS)
    assert completed_by_bash(tmp_path, "gen3sync", "his") == {"history"}
    assert "--watch" in completed_by_bash(tmp_path, "gen3sync", "status", "--")
    assert completed_by_bash(tmp_path, "gen3sync", "run", "--log-level", "w") == {"warning"}
    assert completed_by_bash(tmp_path, "gen3sync", "completion", "") == set(SHELLS)
    assert "schema" in completed_by_bash(tmp_path, "gen3sync", "config", "")
    completed_by_bash(tmp_path, "gen3sync", "no-such-verb", "")  # says nothing into the line that is being typed


def test_fish_completes(tmp_path: Path) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("fish is not installed")
    asked = (
        f'source {DOCS / "completions/gen3sync.fish"}; complete -C "gen3sync his"; complete -C "gen3sync status --w"'
    )
    ended = subprocess.run(
        [fish, "--no-config", "-c", asked],
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert {line.split("\t")[0] for line in ended.stdout.splitlines()} == {"history", "--watch"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_verb_prints_the_script_and_the_shell_understands_it(shell: str, tmp_path: Path) -> None:
    said = call("completion", shell)
    assert said.code == 0
    assert said.out == next(
        text for name, text in pages().items() if name.startswith("completions/") and text == said.out
    )
    if shutil.which(shell):
        path = tmp_path / "script"
        path.write_text(said.out, encoding="utf-8")
        subprocess.run([shell, "-n", str(path)], check=True, timeout=60, capture_output=True)


@pytest.mark.parametrize("words", ["gen3sync ", "gen3sync status --", "gen3sync run --log-level "])
def test_completing_loads_nothing_heavy(words: str) -> None:
    """A person waits for it at each press of Tab."""
    code = "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    code += "from gen3sync.cli import main; main()"
    env = {
        **os.environ,
        "_GEN3SYNC_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    ended = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout
    loaded = set(ended.stderr.split())
    assert not HEAVY & {name.partition(".")[0] for name in loaded}
    verbs = {name for name in VERBS if f"gen3sync.cli.{name}" in loaded}
    assert verbs <= {words.split()[1]} if len(words.split()) > 1 else not verbs
