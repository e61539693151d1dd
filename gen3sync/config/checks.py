"""What keys must not say together: folders inside one another, `every` with `cron`, names twice.

Works on the bare contents of the file, so that these are told together with faults of single keys; what is not of the
right type here is skipped, being told by the models.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from itertools import combinations
from pathlib import Path
from typing import Any

from gen3sync.config.cron import check_cron, read_cron
from gen3sync.config.lines import Location
from gen3sync.config.locate import resolved
from gen3sync.config.problems import Fault
from gen3sync.config.values import read_duration, read_listen

_FOLDERS = (("outbox", "path"), ("outbox", "sent"), ("outbox", "rejected"), ("inbox", "path"), ("state", "path"))
_FILES = (("state", "ledger"), ("commons", "credentials"), ("notify", "urls_file"))
_SHARED = ("outbox", "inbox")  # sections whose folders other people write and read


def faults_together(raw: dict[str, Any], folder: Path, home: str | None) -> Iterator[Fault]:
    """All of them. `folder` and `home` are what relative paths and `~` stand for."""
    yield from _folders(raw, folder, home)
    yield from _metrics(raw)
    mirrors = _get(raw, "inbox", "mirror")
    if isinstance(mirrors, list):
        tables = [(i, mirror) for i, mirror in enumerate(mirrors) if isinstance(mirror, dict)]
        for i, mirror in tables:
            yield from _mirror(mirror, ("inbox", "mirror", i))
        yield from _twice(tables)


def _folders(raw: dict[str, Any], folder: Path, home: str | None) -> Iterator[Fault]:
    paths = {key: path for key in _FOLDERS if (path := _path(raw, key, folder, home))}
    for one, other in combinations(paths, 2):
        here, there = paths[one], paths[other]
        if here == there:
            yield Fault(_written(raw, other), f"is the same folder as {'.'.join(one)} ({there})")
        elif there.is_relative_to(here):
            yield _inside(_written(raw, other), there, one, here)
        elif here.is_relative_to(there):
            yield _inside(_written(raw, one), here, other, there)
    for key in _FILES:
        if path := _path(raw, key, folder, home):
            for around, outer in paths.items():
                if around[0] in _SHARED and path.is_relative_to(outer):
                    yield _inside(_written(raw, key), path, around, outer)


def _inside(location: Location, path: Path, around: tuple[str, str], outer: Path) -> Fault:
    return Fault(location, f"{path} lies inside {'.'.join(around)} ({outer}); keep them side by side")


def _path(raw: dict[str, Any], key: tuple[str, str], folder: Path, home: str | None) -> Path | None:
    """Where a key points, links followed; for the keys that have one, the default beside `path`."""
    told = _get(raw, *key)
    if told is None and key[1] in ("sent", "rejected"):
        outbox = _get(raw, "outbox", "path")
        told = str(Path(outbox).parent / key[1]) if isinstance(outbox, str) and outbox else None
    if not isinstance(told, str) or not told or "\0" in told:
        return None
    try:
        return resolved(told, folder, home).resolve()
    except (OSError, RuntimeError):
        return None


def _written(raw: dict[str, Any], key: tuple[str, str]) -> Location:
    """The key to blame: a folder that has its default is blamed on the `path` it was taken from."""
    return key if _get(raw, *key) is not None else (key[0], "path")


def _metrics(raw: dict[str, Any]) -> Iterator[Fault]:
    listen = _get(raw, "metrics", "listen")
    if not isinstance(listen, str) or _get(raw, "metrics", "expose") is True:
        return
    with suppress(ValueError):  # no address at all: the model tells it
        if not ip_address(read_listen(listen)[0]).is_loopback:
            why = "can be reached by other machines; without a password, so it has to be meant: expose = true"
            yield Fault(("metrics", "listen"), why, 'listen = "127.0.0.1:9473"')


def _mirror(mirror: dict[str, Any], at: Location) -> Iterator[Fault]:
    every, cron, timezone, jitter = (mirror.get(key) for key in ("every", "cron", "timezone", "jitter"))
    if every is None and cron is None:
        yield Fault(at, "says neither `every` nor `cron`", 'every = "15m"')
    if every is not None and cron is not None:
        yield Fault((*at, "cron"), "says both `every` and `cron`; keep one")
    zone = None
    if timezone is not None and cron is None:
        yield Fault((*at, "timezone"), "means nothing without `cron`", 'cron = "0 6 * * *"')
    if isinstance(timezone, str):
        if _known_zone(timezone):
            zone = timezone
        else:
            yield Fault((*at, "timezone"), f'"{timezone[:60]}" is no time zone', 'timezone = "Europe/Berlin"')
    if isinstance(cron, str):
        yield from _cron(cron, zone, (*at, "cron"))
    period, spread = _seconds(every), _seconds(jitter)
    if period is not None and spread is not None and spread >= period:
        yield Fault((*at, "jitter"), "must be shorter than `every`", 'jitter = "30s"')


def _cron(cron: str, zone: str | None, at: Location) -> Iterator[Fault]:
    try:
        expression = read_cron(cron)
    except ValueError:
        return  # the model tells it
    try:
        check_cron(expression, zone)
    except ValueError as error:
        yield Fault(at, f"is no time ({error})", 'cron = "0 6 * * mon-fri"')


def _known_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # unknown; not a name at all; a folder of the zone database
        return False
    return True


def _twice(mirrors: list[tuple[int, dict[str, Any]]]) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for i, mirror in mirrors:
        name = mirror.get("name")
        if isinstance(name, str) and seen.setdefault(name, i) != i:
            yield Fault(("inbox", "mirror", i, "name"), f"is the name of mirror {seen[name] + 1} as well")


def _seconds(value: object) -> float | None:
    try:
        return None if value is None else read_duration(value)
    except ValueError:
        return None


def _get(raw: dict[str, Any], section: str, key: str) -> Any:
    table = raw.get(section)
    return table.get(key) if isinstance(table, dict) else None
