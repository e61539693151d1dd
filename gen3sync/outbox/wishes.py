"""What people ask of the outbox by name: which drops they mean, and what is written down before anything moves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from gen3sync.errors import Gen3SyncError, NotFoundError, UsageError
from gen3sync.files import folder_error
from gen3sync.ledger.rows import Drop, DropState
from gen3sync.names import Project, printable
from gen3sync.outbox import snapshot
from gen3sync.outbox.archive import RECEIPT
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.route import Routed, route


def meant(rooms: Rooms, target: int | str | Path | Project | None) -> list[Drop]:
    """The drops a person means: by number, by file (path or name; the newest ended one if none is open), all of a
    project, or everything open. Raises NotFoundError."""
    ledger = rooms.ledger
    match target:
        case None:
            return list(ledger.drops.open())
        case Project():
            return list(ledger.drops.open(target))
        case int():
            try:
                return [ledger.drops.get(target)]
            except Gen3SyncError as error:
                raise _unknown(target) from error
    name = _relative(rooms, Path(target))
    found = [drop for drop in ledger.drops.open() if drop.path == name or drop.path.endswith(f"/{name}")]
    found = found or list(ledger.drops.recent(1, file=name))
    if not found:
        raise _unknown(target)
    return found


def prepare(rooms: Rooms, drops: Iterable[Drop], *, erase: bool) -> list[int]:
    """Writes the wish down for drops that are open: the outbox may not be running, and then finds it when it starts."""
    ids = []
    with rooms.ledger.together():
        for known in drops:
            drop = rooms.ledger.drops.get(known.id)  # it may have ended since it was looked up
            if drop.state is DropState.ENDED:
                continue
            ids.append(drop.id)
            if drop.program and drop.project:  # whoever waits for this sees at once that it is looked at again
                rooms.ledger.projects.look(Project(drop.program, drop.project))
            if drop.state is DropState.PARKED or erase:
                rooms.ledger.drops.update(
                    drop.id,
                    state=DropState.WAITING if drop.project else DropState.PARKED,
                    reason="" if drop.project else drop.reason,
                    next_attempt_at=None,
                    allow_erase=erase or drop.allow_erase,
                )
    return ids


def open_ones(rooms: Rooms, target: int | str | Path) -> list[Drop]:
    """Drops that can still be taken back. Raises NotFoundError, UsageError."""
    drops = meant(rooms, target)
    for drop in drops:
        if drop.state is DropState.ENDED:
            undo = "Drop the undo file beside its receipt to write the values before back."
            if not drop.counts.get("updated"):  # nothing of it can be undone
                undo = "Its receipt says what became of its rows." if drop.receipt else ""
            raise UsageError(f"Drop {drop.id} ({printable(drop.path)}) has ended already: {drop.verdict}.", undo)
    return drops


def ended(drops: Iterable[Drop]) -> list[Drop]:
    """Those to be sent again from the archive."""
    return [drop for drop in drops if drop.state is DropState.ENDED]


def archived(drop: Drop) -> Path:
    """The file of an ended drop. Raises NotFoundError when it is no longer kept, UsageError when it had no project."""
    path = Path((drop.receipt or "").removesuffix(f".{RECEIPT}"))
    if not drop.receipt or not path.is_file():
        raise NotFoundError(
            f"Drop {drop.id} ({printable(drop.path)}) has ended and its file is no longer in the archive.",
            "Drop the file into the outbox again.",
        )
    if drop.project is None:
        raise UsageError(
            f"Drop {drop.id} ({printable(drop.path)}) never had a project it could be sent to.",
            f"`gen3sync push {printable(path)} --to PROGRAM/PROJECT` sends it.",
        )
    return path


def take(rooms: Rooms, path: Path, project: Project | None) -> tuple[Routed, snapshot.Snapshot]:
    """A snapshot of a file from anywhere, and where it goes. Raises UsageError, FolderError."""
    way = Routed(project, "push") if project else route(PurePosixPath(path.name), rooms.settings.outbox.route, None)
    if not isinstance(way, Routed):
        raise UsageError(f"Nobody said which project {printable(path)} is for.", "Add --to PROGRAM/PROJECT.")
    try:
        return way, snapshot.take(path, rooms.state, rooms.clock.now())
    except snapshot.StillChangingError as error:
        raise UsageError(
            f"{printable(path)} changed while it was read.", "Push it again when it is written to its end."
        ) from error
    except OSError as error:
        raise folder_error(f"{printable(path)} cannot be pushed", error) from error


def _relative(rooms: Rooms, path: Path) -> str:
    try:
        return path.resolve().relative_to(rooms.settings.outbox.path.resolve()).as_posix()
    except ValueError:
        return path.as_posix()


def _unknown(target: object) -> NotFoundError:
    return NotFoundError(
        f"No drop is known for {printable(target)}.", "`gen3sync history` lists what arrived; name one of these."
    )
