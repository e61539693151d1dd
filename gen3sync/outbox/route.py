"""Where a drop goes: by its folder PROGRAM/PROJECT/…, or by a pattern of the configuration.

Pure. Owns the mapping from a path in the outbox to a project and the words for what has no way. Whether the commons
knows the project is asked by the caller and passed in.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from gen3sync.errors import UsageError
from gen3sync.names import Project, printable


class RouteRule(Protocol):
    """A `[[outbox.route]]` of the configuration."""

    @property
    def pattern(self) -> str: ...
    @property
    def program(self) -> str: ...
    @property
    def project(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Routed:
    """The drop goes to `project`; `by` says why ("folder", or the pattern that matched)."""

    project: Project
    by: str


@dataclass(frozen=True, slots=True)
class Unrouted:
    """There is no way for this drop; `what` and `remedy` are sentences."""

    what: str
    remedy: str


def route(path: PurePosixPath, rules: Sequence[RouteRule], projects: Collection[Project] | None) -> Routed | Unrouted:
    """The way of a drop at `path` (relative to the outbox).

    The first matching rule wins over the folder. `projects` are those the commons is known to have; None means nobody
    could ask it yet, and the commons itself will say.
    """
    for rule in rules:
        if matches(rule.pattern, path):
            return _known(Project(rule.program, rule.project), rule.pattern, projects)
    if len(path.parts) < 3:
        return Unrouted(
            f"{printable(path)} lies in no project's folder, so nobody can tell which project it is for.",
            "Move it into PROGRAM/PROJECT/ inside the outbox, or add an [[outbox.route]] for it.",
        )
    try:
        project = Project.parse("/".join(path.parts[:2]))
    except UsageError as error:
        return Unrouted(error.what, error.remedy)
    return _known(project, "folder", projects)


def _known(project: Project, by: str, projects: Collection[Project] | None) -> Routed | Unrouted:
    if projects is None or project in projects:
        return Routed(project, by)
    near = _nearest(str(project), tuple(projects))
    hint = f"Did you mean {printable(near)}? " if near else ""
    return Unrouted(
        f"The commons has no project {printable(project)} that this key may see.",
        f"{hint}Move the file to the right folder, or ask for the project or access; gen3sync looks again by itself.",
    )


@functools.lru_cache(maxsize=64)
def _nearest(name: str, projects: tuple[Project, ...]) -> str:
    """The project that somebody may have meant; '' where none is near. Kept: ten thousand files may lie in one folder,
    and it takes half a millisecond."""
    close = {str(project).lower(): str(project) for project in projects}
    near = difflib.get_close_matches(name.lower(), close, n=1, cutoff=0.8)
    return close[near[0]] if near else ""


def matches(pattern: str, path: PurePosixPath) -> bool:
    """Whether `path` fits a glob: `*` and `?` stay within one folder, `**` crosses folders, case matters.

    A pattern without `/` looks at the file's name alone, whatever folder it is in.
    """
    return _compiled(pattern).fullmatch(str(path) if "/" in pattern else path.name) is not None


@functools.lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    out = ""
    rest = pattern.lstrip("/")
    while rest:
        if rest.startswith("**/"):
            out, rest = out + "(?:.*/)?", rest[3:]
        elif rest.startswith("**"):
            out, rest = out + ".*", rest[2:]
        elif rest[0] == "*":
            out, rest = out + "[^/]*", rest[1:]
        elif rest[0] == "?":
            out, rest = out + "[^/]", rest[1:]
        elif (end := rest.find("]", 2)) > 0 and rest[0] == "[":
            inner = rest[1:end].replace("\\", "\\\\")
            out, rest = out + f"[{'^' + inner[1:] if inner[0] == '!' else inner}]", rest[end + 1 :]
        else:
            out, rest = out + re.escape(rest[0]), rest[1:]
    return re.compile(out, re.DOTALL)
