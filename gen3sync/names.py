"""Names from outside: projects, and text that must not reach a terminal or a log raw."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gen3sync.errors import UsageError

_NAME = re.compile(r"[^/\x00-\x1f\x7f]+")


@dataclass(frozen=True, order=True, slots=True)
class Project:
    """A project of a commons: `program` and `code` are path segments of its address, `id` is what records carry."""

    program: str
    code: str

    @property
    def id(self) -> str:
        """`PROGRAM-CODE`, the value of `project_id` on records."""
        return f"{self.program}-{self.code}"

    def __str__(self) -> str:
        return f"{self.program}/{self.code}"

    @classmethod
    def parse(cls, text: str) -> Project:
        """Reads `PROGRAM/PROJECT`. Raises UsageError for anything else (`P-C` is ambiguous: both may hold hyphens)."""
        program, slash, code = text.strip().strip("/").partition("/")
        if not slash or not _NAME.fullmatch(program) or not _NAME.fullmatch(code) or {program, code} & {".", ".."}:
            raise UsageError(
                f"{printable(text)!r} is not a project.", "Write it as PROGRAM/PROJECT, for example DEV/test."
            )
        return cls(program, code)


def printable(text: object, limit: int = 500) -> str:
    """`text` with control, format and line-separating characters written as escapes, and cut to `limit` characters.

    Names and prose come from servers and folders; raw escape sequences in them could rewrite a terminal or forge a
    log line.
    """
    cut = str(text)[: limit + 1]
    out = cut if cut.isprintable() else "".join(_escaped(c) for c in cut)
    return out if len(out) <= limit else out[:limit] + "…"


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
