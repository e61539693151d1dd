"""`gen3sync service install | uninstall | show`: gen3sync as a systemd service of this machine or of one person.

Writes files and says what to do next; starts, enables and creates nobody. What the files hold is `units.py`'s.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from gen3sync.cli.invocation import Invocation, pass_invocation, shared_options
from gen3sync.cli.standing import Standing, chosen_group, folder_commands, stands
from gen3sync.cli.units import HEADER, Kind, Needs, Service, files, is_at_home, writable
from gen3sync.errors import ConfigError, ExitCode, UsageError
from gen3sync.files import FilesystemKind, filesystem_kind, folder_error, write_atomic
from gen3sync.names import printable

if TYPE_CHECKING:
    from gen3sync.config import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Place:
    """A service, and the machine it is for: `root` is / but for tests and images."""

    service: Service
    root: Path

    def on_disk(self, path: PurePosixPath) -> Path:
        return self.root / path.relative_to("/")


@click.group("service", short_help="Install gen3sync as a systemd service: units, folders, what to do next.")
@shared_options
def service() -> None:
    """Make a systemd service of gen3sync: write the units that ship with it, check the folders, say what is next."""


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--root",
            type=click.Path(path_type=Path, file_okay=False),
            default=Path("/"),
            help="Write below this folder instead of /, for building an image.",
        ),
        click.option("--once", is_flag=True, help="A timer that runs `gen3sync once`, instead of a daemon."),
        click.option("--user", is_flag=True, help="For yourself, under `systemctl --user`; no root needed."),
        click.option("--name", default="lab", show_default=True, help="The instance: which configuration it runs."),
    ):
        function = option(function)
    return shared_options(pass_invocation(function))


@service.command("install", short_help="Write the units and drop-ins; say the next commands.")
@_options
def install(invocation: Invocation, name: str, *, user: bool, once: bool, root: Path) -> int:
    """Write the units and drop-ins, check the configuration and its folders, and say the next commands."""
    place = _place(invocation, name, user=user, once=once, root=root)
    settings, problem = _settings(place, invocation)
    for path, text in files(place.service, _needs(place, settings)):
        target = place.on_disk(path)
        before = stands(target, text)
        if before is not Standing.SAME:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(target, text.encode(), mode=0o644)
            except OSError as error:
                raise folder_error(f"{path} cannot be written", error) from error
        word = {Standing.SAME: "as it is", Standing.MISSING: "written", Standing.OTHER: "renewed"}[before]
        invocation.say(f"{word:>8}  {printable(path)}")
    _say_next(invocation, place, settings, problem)
    return ExitCode.OK


@service.command("uninstall")
@_options
def uninstall(invocation: Invocation, name: str, *, user: bool, once: bool, root: Path) -> int:
    """Remove what install wrote. Configuration, key, state and folders stay, and so does a unit that was changed."""
    place = _place(invocation, name, user=user, once=once, root=root)
    manage = "systemctl --user" if user else "systemctl"
    invocation.say("Before that, if it runs:")
    invocation.say(f"  {manage} disable --now {place.service.enabled}")
    others = _other_instances(place)
    for path, text in files(place.service, Needs()):
        target = place.on_disk(path)
        if not target.is_file():
            continue
        if others and path != place.service.instance:
            invocation.say(f"   stays  {printable(path)} (for {', '.join(map(printable, others))})")
        elif stands(target, text) is Standing.SAME or target.read_text(encoding="utf-8").startswith(HEADER):
            target.unlink()
            if path.parent.suffix == ".d" and not any(target.parent.iterdir()):
                target.parent.rmdir()
            invocation.say(f" removed  {printable(path)}")
        else:
            invocation.say(f"   stays  {printable(path)} (it is not as gen3sync wrote it)")
    invocation.say("Next:")
    invocation.say(f"  {manage} daemon-reload")
    return ExitCode.OK


@service.command("show", short_help="What install would write, and how it stands now.")
@_options
def show(invocation: Invocation, name: str, *, user: bool, once: bool, root: Path) -> int:
    """What install would write, how it stands now, and the next commands. Changes nothing."""
    place = _place(invocation, name, user=user, once=once, root=root)
    settings, problem = _settings(place, invocation)
    for path, text in files(place.service, _needs(place, settings)):
        invocation.say(f"{stands(place.on_disk(path), text).value:>8}  {printable(path)}")
    _say_next(invocation, place, settings, problem)
    return ExitCode.OK


def _place(invocation: Invocation, name: str, *, user: bool, once: bool, root: Path) -> Place:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{printable(name)!r} cannot be the name of an instance.", "Use letters, digits, - and _.")
    if user and once:
        raise UsageError("The timer is for the system's manager only.", "Take --once or --user.")
    if user:
        home = PurePosixPath(invocation.env.get("HOME") or Path.home())
        own = PurePosixPath(invocation.env.get("XDG_CONFIG_HOME") or home / ".config")
        units, config = own / "systemd" / "user", own / "gen3sync" / f"{name}.toml"
    else:
        units, config = PurePosixPath("/etc/systemd/system"), PurePosixPath(f"/etc/gen3sync/{name}.toml")
    kind = Kind.ONCE if once else Kind.DAEMON
    return Place(Service(name, kind, user, _program(invocation), units, config), root.absolute())


def _program(invocation: Invocation) -> PurePosixPath:
    """The command as it was called; a link such as /usr/local/bin/gen3sync survives a move of what it points to."""
    called = Path(sys.argv[0])
    if called.name == "gen3sync" and called.is_file():
        return PurePosixPath(os.path.abspath(called))  # noqa: PTH100 - resolve() would follow the link
    found = shutil.which("gen3sync", path=invocation.env.get("PATH")) or Path(sys.executable).with_name("gen3sync")
    return PurePosixPath(found)


def _settings(place: Place, invocation: Invocation) -> tuple[Settings | None, str]:
    """The instance's settings, or why there are none."""
    from gen3sync.config import load_settings

    config = place.on_disk(place.service.config)
    if not config.is_file():
        return None, "missing"
    try:
        return load_settings(config, invocation.env), ""
    except ConfigError as error:
        return None, str(error)


def _needs(place: Place, settings: Settings | None) -> Needs:
    if settings is None:
        return Needs()
    outbox = settings.outbox
    mine = (outbox.path, outbox.sent, outbox.rejected, settings.inbox.path, settings.state.path)
    folders = writable([PurePosixPath(path) for path in mine], _state(place.service))
    return Needs(
        folders,
        tuple(path for path in folders if _on_network(place.on_disk(path))),
        own_key=settings.commons.credentials is not None,
    )


def _state(service: Service) -> PurePosixPath:
    return PurePosixPath("/var/lib/gen3sync") / service.name


def _on_network(path: Path) -> bool:
    there = next(each for each in (path, *path.parents) if each.exists())
    return filesystem_kind(there) is FilesystemKind.NETWORK


def _other_instances(place: Place) -> list[str]:
    folder, kind = place.on_disk(place.service.units), place.service.kind
    found = (re.fullmatch(rf"{kind}@(.+)\.service\.d", path.name) for path in folder.glob(f"{kind}@*.service.d"))
    names = {match[1] for match in found if match} - {place.service.name}
    # The daemon and the timer share user and folders, and nothing else.
    return sorted(names)


def _say_next(invocation: Invocation, place: Place, settings: Settings | None, problem: str) -> None:
    it = place.service
    if not it.user and is_at_home(it.program):
        invocation.say(f"! The service does not see {it.program}: homes are hidden from it. Install it elsewhere:")
        invocation.say("    python3 -m venv /opt/gen3sync && /opt/gen3sync/bin/pip install .   # in its source")
        invocation.say("    /opt/gen3sync/bin/gen3sync service install --name " + it.name)
    if problem and problem != "missing":
        invocation.say(f"! {printable(it.config)} cannot be used yet:")
        for line in problem.splitlines():
            invocation.say(f"    {printable(line, 1000)}")
    invocation.say("Next:")
    for command in _commands(place, settings, missing=problem == "missing"):
        invocation.say(f"  {command}")


def _commands(place: Place, settings: Settings | None, *, missing: bool) -> list[str]:
    it = place.service
    again = f"gen3sync service install{' --user' * it.user}{' --once' * (it.kind is Kind.ONCE)} --name {it.name}"
    if it.user:
        steps = [] if not missing else [f"gen3sync init --folder ~/{it.name} --config {it.config}"]
        return [
            *steps,
            "systemctl --user daemon-reload",
            f"systemctl --user enable --now {it.enabled}",
            "loginctl enable-linger     # it then starts with the machine and stays when you log out",
        ]
    key = f"/etc/gen3sync/{it.name}.key.json"
    steps = ["systemd-sysusers gen3sync.conf", "systemd-tmpfiles --create gen3sync.conf"]
    if not place.on_disk(PurePosixPath(key)).exists() and (settings is None or settings.commons.credentials is None):
        steps.append(f"install -m 600 credentials.json {key}     # as the commons' profile page hands it out")
    if missing:
        steps += [
            f"gen3sync init --credentials {key} --folder /srv/{it.name} --config {it.config}",
            f"{again}     # once more: it then knows the folders",
        ]
    if settings is not None:
        if settings.commons.credentials == Path(key):
            steps.append(f"# take `credentials` out of {it.config}: systemd hands the key over; then: {again}")
        mine = [settings.outbox.path, settings.outbox.sent, settings.outbox.rejected, settings.inbox.path]
        if not PurePosixPath(settings.state.path).is_relative_to(_state(it)):
            mine.append(settings.state.path)
            steps.append(f'# better: [state] path = "{_state(it)}" in {it.config}; systemd makes that folder')
        drop_ins = [place.on_disk(it.units / f"{it.kind}@{instance}.service.d") for instance in ("", it.name)]
        steps += folder_commands(place.root, mine, chosen_group(drop_ins))
    steps += ["systemctl daemon-reload", f"systemctl enable --now {it.enabled}"]
    if it.kind is Kind.ONCE:
        return [*steps, f"systemctl list-timers {it.enabled}"]
    return [*steps, f"systemctl status {it.enabled}"]
