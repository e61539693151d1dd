"""What systemd itself says of the units, without starting anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parent.parent.parent / "systemd"
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze (Debian: systemd)"),
]
EXAMPLES = sorted((SYSTEMD / "examples").glob("*.conf"))


def analyze(*words: str | Path, runtime: Path) -> str:
    """What systemd-analyze says; it must end with 0."""
    done = subprocess.run(
        ["systemd-analyze", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        # A user manager is looked for there, and none of this machine's is to be found.
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(runtime), "XDG_RUNTIME_DIR": str(runtime)},
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@pytest.mark.parametrize("unit", ["gen3sync@.service", "gen3sync-once@.service"])
def test_exposure(unit: str, record_property: Callable[[str, object], None], tmp_path: Path) -> None:
    said = analyze("security", "--offline=true", "--no-pager", SYSTEMD / unit, runtime=tmp_path)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found, said
    record_property("figure", f"systemd-analyze security --offline=true {unit}: {found[1]} (at most 1.5)")
    assert float(found[1]) <= 1.5


def place(folder: Path, *, user: bool) -> tuple[Path, ...]:
    """The units as a site has them; a template is checked by an instance of it."""
    root = SYSTEMD / "user" if user else SYSTEMD
    for path in root.glob("*.*"):
        if path.is_file():
            shutil.copy(path, folder)
    if user:
        return (folder / "gen3sync@lab.service",)
    return (folder / "gen3sync@lab.service", folder / "gen3sync-once@lab.service", folder / "gen3sync-once@lab.timer")


def test_the_units_verify_cleanly(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    assert analyze("verify", *place(tmp_path, user=False), runtime=tmp_path) == ""
    version = analyze("--version", runtime=tmp_path).splitlines()[0]
    record_property("figure", f"systemd-analyze verify: clean with {version}")


def test_the_user_unit_verifies_cleanly(tmp_path: Path) -> None:
    assert analyze("--user", "verify", *place(tmp_path, user=True), runtime=tmp_path) == ""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_drop_ins_that_systemd_takes(example: Path, tmp_path: Path) -> None:
    units = place(tmp_path, user=False)
    (tmp_path / "gen3sync@lab.service.d").mkdir()
    shutil.copy(example, tmp_path / "gen3sync@lab.service.d")
    said = analyze("verify", units[0], runtime=tmp_path)
    if example.stem == "newer-systemd":  # older ones warn of what they do not know yet, and go on
        said = re.sub(r"^.*(Unknown key|Failed to parse).*\n", "", said, flags=re.MULTILINE)
    assert said == ""


@pytest.mark.parametrize(
    "path",
    sorted(path for path in SYSTEMD.rglob("*") if path.is_file()),
    ids=lambda path: path.relative_to(SYSTEMD).as_posix(),
)
def test_every_line_says_why_it_is_there(path: Path) -> None:
    """Each setting stands below its reason, or with its like below theirs."""
    bare, reason = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            reason = True
        elif not line or line.startswith("["):
            reason = line.startswith("[Unit]") and reason
        elif not reason and not line.startswith("Description="):
            bare.append(line)
    assert bare == []
