"""When a proven export is still not believed: the guards. Pure.

A guarded refresh leaves the published file as it is and waits for a person (`gen3sync pull --accept MIRROR`) or for
the commons to look right again. Leaves to others: whether the export is whole (`export`), and the writing (`publish`).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum

from gen3sync.names import printable


class GuardKind(StrEnum):
    """What looked wrong."""

    EMPTY = "empty"  # the mirror would fall to no records
    SHRINK = "shrink"  # more than max_shrink of the records would go
    COLUMNS = "columns"  # columns the published file has would be lost
    DOUBLED = "doubled"  # one id with contradicting records
    COUNT = "count"  # the commons counts other than it exports, while nothing changed
    VANISHED = "vanished"  # the project can no longer be read
    UNMOUNTED = "unmounted"  # the inbox's marker is gone: the disk is probably not mounted


@dataclass(frozen=True, slots=True)
class Guarded:
    """Why a refresh was held back: a sentence with the numbers, and what can be done."""

    kind: GuardKind
    reason: str
    remedy: str = "Look at the commons; if it is right, run `gen3sync pull --accept MIRROR`."

    def __str__(self) -> str:
        return f"{self.reason} {self.remedy}".strip()


@dataclass(frozen=True, slots=True)
class Shape:
    """What the guards compare: how many records and which columns. `columns` is empty where the format has none."""

    rows: int
    columns: tuple[str, ...] = ()


def judge(
    published: Shape | None,
    fresh: Shape,
    *,
    max_shrink: float,
    doubled: tuple[str, ...] = (),
    counted: int | None = None,
) -> Guarded | None:
    """The first guard that holds `fresh` back, or None.

    `published` is what the folder holds, None before the first time. `max_shrink` is the share of records that may go
    in one refresh (0.5 = half). `doubled` are ids whose records contradict each other. `counted` is the commons' own
    count while its signature stood still (GEN3.md), None where unknown.
    """
    if doubled:
        shown = ", ".join(printable(each) for each in doubled[:3])
        return Guarded(
            GuardKind.DOUBLED,
            f"The commons exported {len(doubled)} id{_s(len(doubled))} with contradicting records, first {shown}.",
            "Tell the commons' operators; a mirror cannot say which is right.",
        )
    if counted is not None and counted != fresh.rows:
        return Guarded(
            GuardKind.COUNT,
            f"The export holds {fresh.rows} records but the commons counts {counted}, and nothing changed meanwhile.",
        )
    if published is None:
        return None
    lost = [column for column in published.columns if column not in set(fresh.columns)] if fresh.columns else []
    if lost:
        shown = ", ".join(printable(column) for column in lost[:8])
        return Guarded(GuardKind.COLUMNS, f"The dictionary no longer has {len(lost)} of the mirror's columns: {shown}.")
    if published.rows and not fresh.rows:
        return Guarded(GuardKind.EMPTY, f"The mirror would fall from {published.rows} records to none.")
    if fresh.rows < published.rows * (1 - max_shrink):
        share = 100 * (published.rows - fresh.rows) / published.rows
        return Guarded(
            GuardKind.SHRINK,
            f"The mirror would shrink from {published.rows} to {fresh.rows} records, by {share:.0f} % "
            f"where {max_shrink * 100:.0f} % are allowed.",
        )
    return None


def vanished(project: object) -> Guarded:
    """The guard for a project the key can no longer read. GEN3.md: such a project *exports* as 200 without rows."""
    return Guarded(
        GuardKind.VANISHED,
        f"The key can no longer read {printable(project)}: permission was taken away, or the project is gone.",
        "Ask for read permission again, or take the project out of the configuration; the files stay.",
    )


def unmounted(inbox: object) -> Guarded:
    """The guard for an inbox that was in use and has lost its marker file."""
    return Guarded(
        GuardKind.UNMOUNTED,
        f"{printable(inbox)} has lost the marker gen3sync left in it: its disk is probably not mounted.",
        "Mount it; or, if you emptied the folder on purpose, run `gen3sync pull --accept '*'`.",
    )


def named(reason: str, mirror: str) -> str:
    """A guard's reason with the command as this mirror needs it, to be copied whole."""
    return reason.replace("--accept MIRROR", f"--accept {shlex.quote(mirror)}")


def _s(count: int) -> str:
    return "" if count == 1 else "s"
