"""Which mirrors the configuration asks for, given what the key may read and what the dictionary knows. Pure.

Owns the meaning of `projects`, `nodes` and `filename` in `[[inbox.mirror]]`. Leaves to others: when a mirror is due
(`schedule`), whether it changed (`detect`), how it is read and written (`export`, `publish`).
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from gen3sync.config.values import Keep
from gen3sync.files import safe_name
from gen3sync.names import Project, printable

# Node types no key submits to: the frame of the graph and the commons' own bookkeeping.
_FRAME = frozenset({"program", "project", "root", "data_release"})
_GLOB = frozenset("*?[")
_NO_VERSIONS = Keep()
# Files of gen3sync's own beside the mirrors.
CHANGES = "changes.jsonl"
_OURS = ".gen3sync"


class Format(StrEnum):
    """What a mirrored file holds."""

    TSV = "tsv"  # for people and spreadsheets; submits unchanged, except for what TSV cannot say
    JSON = "json"  # the commons' own export, sorted: says everything
    JSONL = "jsonl"  # the same records, one a line


@dataclass(frozen=True, slots=True)
class Wanted:
    """One `[[inbox.mirror]]`: what to mirror, not when."""

    group: str
    projects: tuple[str, ...]
    nodes: tuple[str, ...]
    format: Format = Format.TSV
    filename: str = "{program}/{project}/{node}.{format}"
    columns: tuple[str, ...] = ()
    keep: Keep = _NO_VERSIONS


@dataclass(frozen=True, slots=True)
class NodeKind:
    """What choosing nodes needs of a node type."""

    name: str
    category: str
    submittable: bool


@dataclass(frozen=True, slots=True, order=True)
class Mirror:
    """One node of one project in the inbox. `name` is its file's path below the inbox, and its name everywhere."""

    name: str
    project: Project
    node: str
    format: Format
    group: str
    columns: tuple[str, ...] = field(default=(), compare=False)
    keep: Keep = field(default=_NO_VERSIONS, compare=False)

    def answers_to(self, name: str) -> bool:
        """Whether a person asking for `name` means this mirror: its file, its group, a node or a project, or globs."""
        full = f"{self.project}/{self.node}"
        called = (self.name, self.group, str(self.project), self.project.id, full, f"{self.project.id}/{self.node}")
        short = (self.node, f"{self.project.code}/{self.node}")  # as `diff` takes them
        return any(fnmatch.fnmatchcase(each, name) for each in (*called, *short))


@dataclass(frozen=True, slots=True)
class Resolution:
    """The mirrors to follow and what about the configuration could not be followed, in sentences."""

    mirrors: tuple[Mirror, ...]
    vanished: tuple[Mirror, ...] = ()  # followed before, still asked for, but the key can no longer read the project
    problems: tuple[str, ...] = ()


def resolve(
    wanted: Iterable[Wanted],
    projects: Sequence[Project],
    nodes: Sequence[NodeKind],
    before: Iterable[Mirror] = (),
) -> Resolution:
    """Mirrors in the order of the configuration, projects by name, nodes in the dictionary's order (parents first).

    `projects` are those the key may read. `before` are mirrors followed so far; one whose project is no longer among
    them is kept as vanished rather than forgotten, so that its age is told.
    """
    mirrors: dict[str, Mirror] = {}
    vanished: dict[str, Mirror] = {}
    problems: list[str] = []
    wanted, before = tuple(wanted), tuple(before)
    for each in wanted:
        chosen_projects = _choose_projects(each, projects, problems)
        chosen_nodes = _choose_nodes(each, nodes, problems)
        for project in chosen_projects:
            for node in chosen_nodes.values():
                _add(mirrors, each, project, node, problems)
        gone = (m for m in before if m.project not in projects and m.format is each.format)
        for mirror in gone:
            if any(_names(pattern, mirror.project) for pattern in each.projects) and mirror.node in chosen_nodes:
                vanished.setdefault(mirror.name, mirror)
    return Resolution(tuple(mirrors.values()), tuple(vanished.values()), tuple(dict.fromkeys(problems)))


def left_out(wanted: Iterable[Wanted], unusable: Iterable[Project]) -> tuple[str, ...]:
    """Sentences about projects that are asked for and whose names no folder can have."""
    patterns = [pattern for each in wanted for pattern in each.projects]
    return tuple(
        f"Project {printable(project)} is not mirrored: no folder can have its name. Ask the commons to rename it, or "
        f"choose the projects by names that leave it out."
        for project in unusable
        if any(_names(pattern, project) for pattern in patterns)
    )


def recall(wanted: Iterable[Wanted], before: Iterable[Mirror]) -> tuple[Mirror, ...]:
    """The mirrors of `before` that are still wanted, without asking what there is: the commons may be down.

    A category keeps what it kept before, whichever that is.
    """
    found: dict[str, Mirror] = {}
    for each in wanted:
        for mirror in before:
            project, node = mirror.project, mirror.node
            if (
                mirror.name == file_name(each.filename, project, node, each.format)
                and any(_names(pattern, project) for pattern in each.projects)
                and any(pattern.startswith("@") or fnmatch.fnmatchcase(node, pattern) for pattern in each.nodes)
            ):
                found.setdefault(mirror.name, _mirror(mirror.name, project, node, each))
    return tuple(found.values())


def file_name(pattern: str, project: Project, node: str, format: Format) -> str:
    """The path below the inbox. Names from the server become parts of it, never folders or ways out of it, nor the
    names of what gen3sync keeps beside the mirrors."""
    filled = pattern.format(
        program=safe_name(project.program),
        project=safe_name(project.code),
        node=safe_name(node),
        format=format.value,
    )
    parts = [part for part in PurePosixPath(filled).parts if part not in ("/", ".", "..")]
    name = parts[-1] if parts else ""
    if name == CHANGES or name.startswith(_OURS):  # a node type named `changes`, say
        parts[-1] = f"%{ord(name[0]):02X}{name[1:]}"
    return "/".join(parts)


def select(mirrors: Iterable[Mirror], names: Sequence[str]) -> tuple[tuple[Mirror, ...], tuple[str, ...]]:
    """The mirrors meant by `names`, in their own order, and the names that mean none."""
    mirrors = tuple(mirrors)
    chosen = tuple(m for m in mirrors if any(m.answers_to(name) for name in names))
    unknown = tuple(name for name in names if not any(m.answers_to(name) for m in mirrors))
    return chosen, unknown


def _add(mirrors: dict[str, Mirror], wanted: Wanted, project: Project, node: NodeKind, problems: list[str]) -> None:
    name = file_name(wanted.filename, project, node.name, wanted.format)
    mirror = _mirror(name, project, node.name, wanted)
    taken = mirrors.setdefault(name, mirror)
    if taken is not mirror:
        problems.append(
            f"Mirror {wanted.group!r} wants {printable(project)}/{printable(node.name)} in {printable(name)!r}, which "
            f"mirror {taken.group!r} already writes with {printable(taken.project)}/{printable(taken.node)}; the first "
            f"keeps it. Make them differ in `projects`, `nodes`, `format` or `filename`."
        )


def _mirror(name: str, project: Project, node: str, wanted: Wanted) -> Mirror:
    return Mirror(name, project, node, wanted.format, wanted.group, wanted.columns, wanted.keep)


def _choose_projects(wanted: Wanted, projects: Sequence[Project], problems: list[str]) -> tuple[Project, ...]:
    chosen: dict[Project, None] = {}
    for pattern in wanted.projects:
        matching = [project for project in sorted(projects) if _names(pattern, project)]
        chosen.update(dict.fromkeys(matching))
        if not matching:
            can = _some([str(project) for project in sorted(projects)])
            problems.append(
                f"Mirror {wanted.group!r}: {_what(pattern)} {printable(pattern)!r} is no project this key may read. "
                f"It may read {can}. Check the spelling, or ask for read permission."
            )
    return tuple(sorted(chosen))


def _choose_nodes(wanted: Wanted, nodes: Sequence[NodeKind], problems: list[str]) -> dict[str, NodeKind]:
    chosen: set[str] = set()
    for pattern in wanted.nodes:
        matching = {node.name for node in nodes if _chooses(pattern, node)}
        chosen |= matching
        if not matching:
            if pattern.startswith("@"):
                known = _some(sorted({"@" + node.category for node in nodes if node.category}))
                about = f"{printable(pattern)!r} is no category of this dictionary, which has {known}"
            else:
                near = difflib.get_close_matches(pattern, [node.name for node in nodes], n=3, cutoff=0.6)
                hint = f" Did you mean {_some(near)}?" if near else ""
                about = f"{_what(pattern)} {printable(pattern)!r} is no node type of this dictionary.{hint}"
            problems.append(f"Mirror {wanted.group!r}: {about}")
    return {node.name: node for node in nodes if node.name in chosen}


def _chooses(pattern: str, node: NodeKind) -> bool:
    """A name chooses exactly that node type; globs and categories only what can be submitted."""
    if node.name == pattern:
        return node.name not in _FRAME
    if not node.submittable or node.name in _FRAME or node.category == "internal":
        return False
    if pattern.startswith("@"):
        return fnmatch.fnmatchcase(node.category, pattern[1:])
    return fnmatch.fnmatchcase(node.name, pattern)


def _names(pattern: str, project: Project) -> bool:
    return fnmatch.fnmatchcase(project.id, pattern) or fnmatch.fnmatchcase(str(project), pattern)


def _what(pattern: str) -> str:
    return "the pattern" if _GLOB & set(pattern) else "the name"


def _some(names: Sequence[str], limit: int = 8) -> str:
    shown = ", ".join(printable(name) for name in names[:limit]) or "none"
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
