"""gen3sync service: which files a site gets, what they hold, and that the shipped units are there word for word."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from gen3sync.cli.units import Kind, Needs, Service, files, shipped, writable
from tests.unit.cli.calling import Result, call

SOURCE = Path(__file__).parent.parent.parent.parent
UNITS = sorted((SOURCE / "systemd").rglob("*.service"))
CONFIG = """\
[outbox]
path = "/srv/lab/outbox"
[inbox]
path = "{inbox}"
[state]
path = "/var/lib/gen3sync/lab"
"""


def install(root: Path, *options: str, config: str = "", env: dict[str, str] | None = None) -> Result:
    if config:
        (root / "etc/gen3sync").mkdir(parents=True, exist_ok=True)
        (root / "etc/gen3sync/lab.toml").write_text(config)
    return call("service", "install", "--root", root, *options, env=env)


def below(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_the_wheel_carries_the_units_themselves() -> None:
    build = tomllib.loads((SOURCE / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["force-include"] == {"systemd": "gen3sync/units"}
    assert shipped() in (SOURCE / "systemd", SOURCE / "gen3sync" / "units")
    # One source: a copy inside the package would hide the one outside.
    assert not (SOURCE / "gen3sync" / "units").exists()


def test_install_writes_the_units_word_for_word_and_says_what_is_next(tmp_path: Path) -> None:
    done = install(tmp_path, config=CONFIG.format(inbox="/srv/lab/inbox"))
    assert done.code == 0
    assert below(tmp_path) == {
        "etc/gen3sync/lab.toml",
        "etc/systemd/system/gen3sync@.service",
        "etc/systemd/system/gen3sync@.service.d/10-program.conf",
        "etc/systemd/system/gen3sync@lab.service.d/20-folders.conf",
        "etc/sysusers.d/gen3sync.conf",
        "etc/tmpfiles.d/gen3sync.conf",
    }
    written = (tmp_path / "etc/systemd/system/gen3sync@.service").read_bytes()
    assert written == (SOURCE / "systemd/gen3sync@.service").read_bytes()
    folders = (tmp_path / "etc/systemd/system/gen3sync@lab.service.d/20-folders.conf").read_text()
    assert "\nReadWritePaths=/srv/lab\n" in folders
    assert "LoadCredential" not in folders
    commands = done.out.partition("Next:\n")[2]
    assert "install -d -o gen3sync -g gen3sync -m 2770 /srv/lab/outbox" in commands
    assert "install -m 600 credentials.json /etc/gen3sync/lab.key.json" in commands
    assert commands.splitlines()[-2].strip() == "systemctl enable --now gen3sync@lab"


def test_installing_again_changes_nothing_and_renews_what_was_changed(tmp_path: Path) -> None:
    install(tmp_path)
    unit = tmp_path / "etc/systemd/system/gen3sync@.service"
    unit.write_text("an older one")
    said = install(tmp_path).out
    assert "renewed  /etc/systemd/system/gen3sync@.service\n" in said
    assert said.count("as it is") == 4
    assert unit.read_bytes() == (SOURCE / "systemd/gen3sync@.service").read_bytes()


def test_a_folder_at_home_is_all_the_service_sees_of_homes(tmp_path: Path) -> None:
    install(tmp_path, config=CONFIG.format(inbox="/home/lab/in box"))
    folders = (tmp_path / "etc/systemd/system/gen3sync@lab.service.d/20-folders.conf").read_text()
    assert 'ProtectHome=tmpfs\nBindPaths="/home/lab/in box"\n' in folders
    assert "ReadWritePaths=/srv/lab\n" in folders  # outbox, sent and rejected lie together


def test_a_key_named_in_the_configuration_is_not_asked_of_systemd(tmp_path: Path) -> None:
    text = '[commons]\ncredentials = "/srv/key.json"\n' + CONFIG.format(inbox="/srv/lab/inbox")
    said = install(tmp_path, config=text).out
    folders = (tmp_path / "etc/systemd/system/gen3sync@lab.service.d/20-folders.conf").read_text()
    assert folders.endswith("\nLoadCredential=\n")
    assert "lab.key.json" not in said


def test_a_group_of_the_lab_s_own_is_kept(tmp_path: Path) -> None:
    install(tmp_path)
    drop_ins = tmp_path / "etc/systemd/system/gen3sync@lab.service.d"
    (drop_ins / "shared-group.conf").write_bytes((SOURCE / "systemd/examples/shared-group.conf").read_bytes())
    said = install(tmp_path, config=CONFIG.format(inbox="/srv/lab/inbox")).out
    assert "install -d -o gen3sync -g lab -m 2770 /srv/lab/outbox" in said


def test_a_broken_configuration_is_told(tmp_path: Path) -> None:
    said = install(tmp_path, config="[outbox]\npath = 7\n").out
    assert "! /etc/gen3sync/lab.toml cannot be used yet:" in said


def test_uninstall_removes_what_install_wrote_and_nothing_else(tmp_path: Path) -> None:
    install(tmp_path, config=CONFIG.format(inbox="/srv/lab/inbox"))
    install(tmp_path, "--name", "other")
    own = tmp_path / "etc/systemd/system/gen3sync@lab.service.d/90-mine.conf"
    own.write_text("[Service]\n")
    first = call("service", "uninstall", "--root", tmp_path)
    assert "stays  /etc/systemd/system/gen3sync@.service (for other)" in first.out
    call("service", "uninstall", "--root", tmp_path, "--name", "other")
    left = below(tmp_path)
    assert "etc/systemd/system/gen3sync@lab.service.d/90-mine.conf" in left
    # While somebody's own drop-in for an instance is there, so is the unit it belongs to.
    own.unlink()
    own.parent.rmdir()
    call("service", "uninstall", "--root", tmp_path, "--name", "other")
    assert below(tmp_path) == {"etc/gen3sync/lab.toml"}


def test_a_unit_somebody_changed_is_left_alone(tmp_path: Path) -> None:
    install(tmp_path)
    unit = tmp_path / "etc/systemd/system/gen3sync@.service"
    unit.write_text(unit.read_text() + "# mine\n")
    said = call("service", "uninstall", "--root", tmp_path).out
    assert unit.exists()
    assert "stays  /etc/systemd/system/gen3sync@.service (it is not as gen3sync wrote it)" in said


def test_show_changes_nothing(tmp_path: Path) -> None:
    said = call("service", "show", "--root", tmp_path)
    assert said.code == 0
    assert "missing  /etc/systemd/system/gen3sync@.service\n" in said.out
    assert below(tmp_path) == set()


def test_for_one_person_everything_is_in_their_home(tmp_path: Path) -> None:
    done = install(tmp_path, "--user", env={"HOME": "/home/ann"})
    assert below(tmp_path) == {
        "home/ann/.config/systemd/user/gen3sync@.service",
        "home/ann/.config/systemd/user/gen3sync@.service.d/10-program.conf",
    }
    assert "systemctl --user enable --now gen3sync@lab" in done.out


def test_the_timer_instead_of_the_daemon(tmp_path: Path) -> None:
    done = install(tmp_path, "--once")
    assert {"etc/systemd/system/gen3sync-once@.service", "etc/systemd/system/gen3sync-once@.timer"} <= below(tmp_path)
    program = (tmp_path / "etc/systemd/system/gen3sync-once@.service.d/10-program.conf").read_text()
    assert re.search(r"^ExecStart=\nExecStart=/\S+ once --config /etc/gen3sync/%i.toml$", program, re.MULTILINE)
    assert "systemctl enable --now gen3sync-once@lab.timer" in done.out


@pytest.mark.parametrize("name", ["../x", "a b", "", "-x", "x/y"])
def test_a_name_that_could_be_a_path_is_refused(tmp_path: Path, name: str) -> None:
    assert install(tmp_path, "--name", name).code == 64
    assert below(tmp_path) == set()


def test_a_path_with_spaces_is_quoted() -> None:
    service = Service(
        "lab", Kind.DAEMON, False, PurePosixPath("/opt/a b/gen3sync"), PurePosixPath("/u"), PurePosixPath("/c")
    )
    text = dict(files(service, Needs()))[PurePosixPath("/u/gen3sync@.service.d/10-program.conf")]
    assert 'ExecStart="/opt/a b/gen3sync" run --config' in text


@pytest.mark.parametrize(
    ("paths", "open"),
    [
        (["/srv/lab/outbox", "/srv/lab/sent", "/srv/lab/inbox"], ["/srv/lab"]),
        (["/srv/outbox", "/srv/sent"], ["/srv/outbox", "/srv/sent"]),  # not all of /srv
        (["/srv/lab/outbox", "/data/inbox"], ["/srv/lab/outbox", "/data/inbox"]),
        (["/var/lib/gen3sync/lab/outbox"], []),
        (["/srv/lab/outbox", "/srv/lab/sent", "/srv/lab/sent/inbox"], ["/srv/lab"]),
    ],
)
def test_no_more_is_opened_for_writing_than_needed(paths: list[str], open: list[str]) -> None:  # noqa: A002
    found = writable([PurePosixPath(path) for path in paths], PurePosixPath("/var/lib/gen3sync/lab"))
    assert [str(path) for path in found] == open


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.relative_to(SOURCE).as_posix())
def test_every_line_of_a_unit_says_why_it_is_there(unit: Path) -> None:
    told, silent = False, []
    for line in unit.read_text().splitlines():
        if line.startswith("#"):
            told = True
        elif not line or line.startswith("["):
            told = False
        elif not told and not line.startswith(("Description=", "Documentation=")):
            silent.append(line)
    assert silent == []


def test_the_timer_s_service_has_the_same_walls_as_the_daemon() -> None:
    daemon, once = ((SOURCE / "systemd" / f"{kind}@.service").read_text() for kind in ("gen3sync", "gen3sync-once"))

    def walls(text: str) -> list[str]:
        lines = text.partition("# Who runs it")[2].partition("[Install]")[0].splitlines()
        return [line for line in lines if line and not line.startswith("#")]

    assert walls(daemon) == walls(once)
    assert len(walls(daemon)) > 30
