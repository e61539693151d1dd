"""The units that ship with gen3sync, and the files that make a service of them on this machine.

Owns what is written where, as data; looks at nothing but what it is given. The units themselves are never changed:
what a site needs besides is in drop-ins of our own, so that an update replaces units and keeps the site's lines.
Reading the machine, writing and telling are `service.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

HEADER = "# Written by `gen3sync service install`, which writes it anew; keep your own lines in a file beside it.\n"
_HOMES = (PurePosixPath("/home"), PurePosixPath("/root"), PurePosixPath("/run/user"))


def shipped() -> Path:
    """The folder of units: in an installed gen3sync beside its modules, in the source tree `systemd/`."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "units"
    return inside if inside.is_dir() else package.parent / "systemd"


class Kind(StrEnum):
    """How gen3sync runs: as a daemon, or now and then by a timer."""

    DAEMON = "gen3sync"
    ONCE = "gen3sync-once"


@dataclass(frozen=True, slots=True)
class Service:
    """What is to be installed: `name` is the instance, `program` the full path of the command."""

    name: str
    kind: Kind
    user: bool
    program: PurePosixPath
    units: PurePosixPath
    """Where units go: /etc/systemd/system, or a person's own folder."""
    config: PurePosixPath

    @property
    def unit(self) -> str:
        return f"{self.kind}@{self.name}.service"

    @property
    def enabled(self) -> str:
        """What `systemctl enable` is told."""
        return f"{self.kind}@{self.name}" + (".timer" if self.kind is Kind.ONCE else "")

    @property
    def instance(self) -> PurePosixPath:
        """The drop-in of this instance."""
        return self.units / f"{self.unit}.d" / "20-folders.conf"


@dataclass(frozen=True, slots=True)
class Needs:
    """What the configuration asks of the sandbox around the service."""

    folders: tuple[PurePosixPath, ...] = ()
    """To be written, besides the state folder that systemd makes."""
    network: tuple[PurePosixPath, ...] = ()
    """Those of them on network disks."""
    own_key: bool = False
    """The configuration names the key's file; systemd need not hand one over."""


def files(service: Service, needs: Needs) -> Iterator[tuple[PurePosixPath, str]]:
    """Each file and its whole text. Those of the package come word for word."""
    units = shipped()
    if service.user:
        yield service.units / "gen3sync@.service", (units / "user" / "gen3sync@.service").read_text(encoding="utf-8")
    else:
        names = [f"{service.kind}@.service", *([f"{service.kind}@.timer"] if service.kind is Kind.ONCE else [])]
        for name in names:
            yield service.units / name, (units / name).read_text(encoding="utf-8")
        for folder in ("sysusers.d", "tmpfiles.d"):
            name = f"{folder}/gen3sync.conf"
            yield PurePosixPath("/etc") / name, (units / name).read_text(encoding="utf-8")
    yield service.units / f"{service.kind}@.service.d" / "10-program.conf", _program(service)
    if not service.user:
        yield service.instance, _folders(needs)


def _program(service: Service) -> str:
    verb = "once" if service.kind is Kind.ONCE else "run"
    where = "%E/gen3sync" if service.user else "/etc/gen3sync"
    return (
        f"{HEADER}[Service]\n# Where gen3sync was when this was written; the empty line takes back the unit's own.\n"
        f"ExecStart=\nExecStart={_quoted(service.program)} {verb} --config {where}/%i.toml\n"
    )


def _folders(needs: Needs) -> str:
    lines = [HEADER.rstrip()]
    if needs.network:
        lines += ["[Unit]", "# On network disks: mounted first.", f"RequiresMountsFor={_listed(needs.network)}"]
    lines.append("[Service]")
    at_home = [path for path in needs.folders if is_at_home(path)]
    elsewhere = [path for path in needs.folders if path not in at_home]
    if elsewhere:
        lines += [
            "# Outbox, sent, rejected and inbox as the configuration has them. One common folder is best: a file then",
            "# moves from outbox to sent by a rename.",
            f"ReadWritePaths={_listed(elsewhere)}",
        ]
    if at_home:
        lines += [
            "# Of all homes the service sees these folders only.",
            "ProtectHome=tmpfs",
            *(f"BindPaths={_quoted(path)}" for path in at_home),
        ]
    if needs.own_key:
        lines += ["# The configuration names the key's file itself.", "LoadCredential="]
    return "\n".join(lines) + "\n"


def is_at_home(path: PurePosixPath) -> bool:
    """Whether ProtectHome= hides it."""
    return any(path.is_relative_to(home) for home in _HOMES)


def writable(paths: Sequence[PurePosixPath], state: PurePosixPath) -> tuple[PurePosixPath, ...]:
    """The folders to open for writing: common parents where several lie together, nothing that `state` holds.

    A parent right below / (such as /srv) is too much to give.
    """
    outside = [path for path in dict.fromkeys(paths) if not path.is_relative_to(state)]
    parents = [path.parent for path in outside]
    chosen = [
        path.parent if parents.count(path.parent) > 1 and len(path.parent.parts) > 2 else path for path in outside
    ]
    unique = list(dict.fromkeys(chosen))
    return tuple(path for path in unique if not any(path != other and path.is_relative_to(other) for other in unique))


def _listed(paths: Sequence[PurePosixPath]) -> str:
    return " ".join(map(_quoted, paths))


def _quoted(path: PurePosixPath) -> str:
    """As unit files have it: % begins a specifier, quotes keep spaces together."""
    text = str(path).replace("%", "%%").replace("\\", "\\\\")
    return '"' + text.replace('"', '\\"') + '"' if any(c in text for c in " '\"\t;") else text
