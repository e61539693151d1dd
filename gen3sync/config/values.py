"""Durations, sizes, shares and addresses to listen on as people write them, read and written.

Pure text and numbers; no pydantic, so anything that prints a duration can use it. Readers raise ValueError with a
sentence that says what to write.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_address

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_UNITS: dict[str, Decimal] = {
    name: Decimal(seconds)
    for names, seconds in (
        ("w week weeks", "604800"),
        ("d day days", "86400"),
        ("h hr hour hours", "3600"),
        ("m min mins minute minutes", "60"),
        ("s sec secs second seconds", "1"),
        ("ms", "0.001"),
    )
    for name in names.split()
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
_LONGEST = 1000 * 366 * 86_400

_SIZES: dict[str, int] = {
    "": 1,
    "b": 1,
    "k": 10**3,
    "kb": 10**3,
    "kib": 2**10,
    "m": 10**6,
    "mb": 10**6,
    "mib": 2**20,
    "g": 10**9,
    "gb": 10**9,
    "gib": 2**30,
    "t": 10**12,
    "tb": 10**12,
    "tib": 2**40,
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
_SIZE_NAMES = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("B", 1))

_MOST_VERSIONS = 10_000

_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def read_duration(value: object) -> float:
    """Seconds from `"2s"`, `"15m"`, `"1h30m"`, `"1.5 h"`, `"250 ms"`, or a number of seconds."""
    wrong = ValueError('must be a duration such as "2s", "15m", "1h30m" or "90d"')
    if isinstance(value, bool):
        raise wrong
    if isinstance(value, int | float):
        seconds = float(value)
    elif isinstance(value, str):
        text, total, largest = value.strip().lower(), Decimal(0), Decimal("Infinity")
        if not text:
            raise wrong
        while text:
            part = _DURATION.match(text)
            unit = _UNITS.get(part[2]) if part else None
            if part is None or unit is None or unit >= largest:
                raise wrong
            total, largest, text = total + Decimal(part[1]) * unit, unit, text[part.end() :]
        seconds = float(total)
    else:
        raise wrong
    if not math.isfinite(seconds) or not 0 <= seconds <= _LONGEST:
        raise ValueError("must be a duration from 0 to 1000 years")
    return seconds


def write_duration(seconds: float) -> str:
    """The shortest way to write `seconds` that reads back as exactly the same number."""
    if seconds != int(seconds):
        return f"{Decimal(repr(seconds)):f}s"
    rest, parts = int(seconds), []
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, _SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def read_size(value: object) -> int:
    """Bytes from `"900 kB"`, `"50 MB"` (powers of 1000), `"1 MiB"` (powers of 1024), or a number of bytes."""
    wrong = ValueError('must be a size such as "900 kB", "50 MB" or "1 MiB"')
    if isinstance(value, bool):
        raise wrong
    if isinstance(value, int):
        size = Decimal(value)
    elif isinstance(value, str):
        found = _SIZE.fullmatch(value.strip().lower())
        if found is None or found[2] not in _SIZES:
            raise wrong
        size = Decimal(found[1]) * _SIZES[found[2]]
    else:
        raise wrong
    if size != int(size) or not 0 <= size < 2**63:
        raise ValueError("must be a whole number of bytes")
    return int(size)


def write_size(size: int) -> str:
    """`size` in the largest unit that needs no fraction; reads back as the same number."""
    for name, unit in _SIZE_NAMES:
        if size and size % unit == 0:
            return f"{size // unit} {name}"
    return "0 B"


def read_listen(value: str) -> tuple[str, int]:
    """Address and port from `"127.0.0.1:9473"`, `"[::1]:9473"` or `"localhost:9473"`, which is the first."""
    wrong = ValueError("must be an IP address and a port, such as 127.0.0.1:9473 or [::1]:9473")
    host, _, port = value.rpartition(":")
    bare = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536 or (":" in bare) != host.startswith("["):
        raise wrong
    try:
        return str(ip_address(bare)), int(port)
    except ValueError:
        raise wrong from None


def read_share(value: object) -> float:
    """A share from `"50 %"` or 0.5."""
    wrong = ValueError('must be a share such as "50 %" or 0.5')
    if isinstance(value, bool):
        raise wrong
    if isinstance(value, int | float):
        share = float(value)
    elif isinstance(value, str) and (found := _SHARE.fullmatch(value.strip())):
        share = float(Decimal(found[1]) / 100)
    else:
        raise wrong
    if not 0 <= share <= 1:
        raise ValueError('must be from "0 %" to "100 %" (or 0 to 1)')
    return share


def write_share(share: float) -> str:
    """`share` in per cent; reads back as the same number."""
    return f"{(Decimal(repr(share)) * 100).normalize():f} %"


@dataclass(frozen=True, slots=True)
class Keep:
    """How many earlier versions stay: the newest `count`, or those of the last `age` seconds. Neither: none."""

    count: int = 0
    age: float | None = None

    def __bool__(self) -> bool:
        return self.count > 0 or bool(self.age)


def read_keep(value: object) -> Keep:
    """Versions from 10 (the newest ten) or `"30d"` (those of the last thirty days)."""
    wrong = ValueError('must be a number of versions such as 10, or a duration such as "30d"')
    if isinstance(value, Keep):
        return value
    if isinstance(value, bool):
        raise wrong
    if isinstance(value, int):
        if not 0 <= value <= _MOST_VERSIONS:
            raise ValueError(f"must be from 0 to {_MOST_VERSIONS} versions")
        return Keep(count=value)
    if not isinstance(value, str):
        raise wrong
    try:
        return Keep(age=read_duration(value))
    except ValueError as error:
        raise wrong from error


def write_keep(keep: Keep) -> int | str:
    """`keep` as it stands in the file; reads back as the same."""
    return keep.count if keep.age is None else write_duration(keep.age)


def read_time_of_day(value: object) -> str:
    """`"7:30"` as `"07:30"`; `"off"` as it is."""
    if value == "off":
        return "off"
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError('must be a time of day such as "07:30", or "off"')
    return f"{int(found[1]):02}:{found[2]}"
