"""Names that came from outside, made into names of files that stay where they belong.

Owns the mapping from any text to a file name, and the check that a path lies inside a folder.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

SAFE_NAME_LIMIT = 200
"""Bytes of UTF-8; file systems allow 255, the rest is for suffixes such as `.receipt.json` and temporary names."""

_LONG_MARK = "%~"
_EXTENSION = re.compile(r"(?:\.[A-Za-z0-9]{1,8}){1,3}$")


def safe_name(text: str, *, limit: int = SAFE_NAME_LIMIT) -> str:
    """One file name for any text: never empty, `.`, `..` or hidden, never a path, at most `limit` bytes.

    What is unsafe is percent-encoded as in addresses, so people still recognise the name: `/`, NUL, control and other
    unprintable characters, `%` itself, a leading `.` or `-`, spaces at either end. Different texts give different
    names: short names can be decoded again, and names cut to `limit` end on a hash of the whole text (before the
    extension). File systems that ignore letter case or Unicode normal forms may still see two of them as one.
    """
    encoded = "".join(_encoded(text, i) for i in range(len(text))) or "%"
    if len(encoded.encode()) <= limit:
        return encoded
    mark = _LONG_MARK + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    found = _EXTENSION.search(encoded)
    tail = mark + (found.group() if found else "")
    head = encoded.encode()[: max(0, limit - len(tail.encode()))].decode("utf-8", "ignore")
    return re.sub(r"%[0-9A-F]?$", "", head) + tail


def _encoded(text: str, i: int) -> str:
    character = text[i]
    unsafe = (
        character in "/%"
        or not character.isprintable()
        or (i == 0 and character in ".-")
        or (character == " " and i in (0, len(text) - 1))
    )
    if not unsafe:
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _nothing_there(path: Path) -> bool:
    return not os.path.lexists(path)


def unique_path(folder: Path, name: str, free: Callable[[Path], bool] = _nothing_there) -> Path:
    """A path in `folder` that is free now: `name`, else `name` with `-2`, `-3` … before its extension.

    Another process may take it before it is used; `move` does not overwrite, so ask again when it says so. Not each
    number is tried: a file that is dropped every few minutes has a hundred thousand namesakes after a year.
    """
    stem, extension = name, ""
    found = _EXTENSION.search(name)
    if found and found.start() > 0:
        stem, extension = name[: found.start()], found.group()
    if free(candidate := Path(folder, name)):
        return candidate

    def numbered(number: int) -> Path:
        return Path(folder, f"{stem}-{number}{extension}")

    taken, other = 1, 2
    while not free(numbered(other)):
        taken, other = other, other * 2
    while other - taken > 1:
        middle = (taken + other) // 2
        taken, other = (taken, middle) if free(numbered(middle)) else (middle, other)
    return numbered(other)


def inside(root: Path, path: Path) -> bool:
    """Whether `path`, with symbolic links followed as far as it exists, is `root` or lies in it."""
    return Path(path).resolve().is_relative_to(Path(root).resolve())
