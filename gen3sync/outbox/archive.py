"""How a drop ends: receipt, rejects and undo composed, everything placed, the original cleared away, the ledger told.

Every step may be torn by a crash and is done again after it, to the same end: once the receipt lies in the work folder
the verdict is fixed, and what follows only finishes.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from gen3sync.errors import Gen3SyncError
from gen3sync.files import (
    Fingerprint,
    folder_error,
    fsync_folder,
    inside,
    move,
    safe_name,
    sha256_file,
    unique_path,
    write_atomic,
)
from gen3sync.files.moves import rename_new
from gen3sync.ledger.rows import Drop, DropState, EventLevel, Verdict
from gen3sync.names import Project, printable
from gen3sync.outbox import papers, receipt
from gen3sync.outbox.frame import about
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.scan import READY_SUFFIX
from gen3sync.outbox.side import each, side_by_side
from gen3sync.outbox.snapshot import discard
from gen3sync.outbox.work import Work

_log = logging.getLogger("gen3sync.outbox")
RECEIPT = "receipt.json"
ASIDE = ".gen3sync-taken-"
_LONG = 200
"""Bytes of a name that leave room for more of ours: file systems take 255."""


class Archive:
    """Ends the drops of one lane."""

    def __init__(self, rooms: Rooms, index: RowIndex, project: Project) -> None:
        self._rooms, self._index, self._project = rooms, index, project

    def composed(self, work: Work) -> bool:
        """Whether an earlier life got as far as the receipt."""
        return (work.folder / RECEIPT).exists()

    def archive_all(self, works: Sequence[Work]) -> list[Drop | Exception]:
        """Ends drops, their writes to the disk side by side. For one of which something cannot be written, a
        FolderError: to be tried again then."""
        fail = self._rooms.failpoint
        taken: set[Path] = set()
        receipts = [self._receipt(work, taken) for work in works]
        fail("archive: composed")
        places = each(partial(self._out, work, paper) for work, paper in zip(works, receipts, strict=True))
        ended: list[Drop | Exception] = []
        with self._rooms.ledger.together():
            for work, paper, place in zip(works, receipts, places, strict=True):
                if isinstance(paper, Exception) or isinstance(place, Exception):
                    ended.append(paper if isinstance(paper, Exception) else place)  # type: ignore[arg-type]
                else:
                    ended.append(self._tell(work, paper, place))
        fail("archive: ledger written")
        gone = [work for work, end in zip(works, ended, strict=True) if not isinstance(end, Exception)]
        side_by_side(partial(discard, work.drop.snapshot, self._rooms.state) for work in gone)
        fail("archive: work folder removed")
        return ended

    def _receipt(self, work: Work, taken: set[Path]) -> dict[str, Any] | Exception:
        """The receipt as an earlier life composed it, or composed now, with a name in the archive that is nobody's."""
        try:
            if self.composed(work):
                found: dict[str, Any] = json.loads((work.folder / RECEIPT).read_bytes())
                return found
            paper = self._compose(work)
            name, folder = safe_name(PurePosixPath(work.drop.path).name), self._place(work, paper)
            target = free_name(folder, name, paper["papers"], taken)
            taken.update(_with_papers(target, paper["papers"]))
            paper["archived"] = target.name
        except OSError as error:
            return _unarchived(work, error)
        return paper

    def _compose(self, work: Work) -> dict[str, Any]:
        paper = receipt.compose(
            work,
            self._index,
            self._project,
            about(self._rooms),
            route=next((note["by"] for note in work.journal.notes("route")), work.drop.source),
            ended_at=self._rooms.clock.now(),
        )
        rejects = papers.write_rejects(work, self._index, work.folder)
        undo, told, changed = papers.write_undo(work, self._index, work.folder)
        paper |= changed.told()
        paper["undo"] = told
        paper["papers"] = [path.name for path in (*rejects, *undo)]
        return paper

    def _out(self, work: Work, paper: dict[str, Any] | Exception) -> Path:
        """The receipt to the disk, everything to its place, and the original away."""
        if isinstance(paper, Exception):
            raise paper
        try:
            if not self.composed(work):
                for name in paper["papers"]:
                    path = work.folder / name
                    path.chmod(0o640)  # as the receipt and the archived file: it holds the same rows
                    with path.open("rb") as file:
                        os.fsync(file.fileno())
                write_atomic(work.folder / RECEIPT, partial(write_paper, paper))
            target = self._moved(work, paper)
        except OSError as error:
            raise _unarchived(work, error) from error
        clear_original(self._rooms, work.drop, work.journal.fingerprint())
        return target

    def _place(self, work: Work, paper: dict[str, Any]) -> Path:
        """The folder for a drop that ended so, made where it was not there."""
        settings = self._rooms.settings.outbox
        rejected = paper["verdict"] in (Verdict.REJECTED.value, Verdict.WITHDRAWN.value)
        root = settings.rejected if rejected else settings.sent
        folder = root / self._folder(work)
        leads_nowhere_else(root, folder).mkdir(parents=True, exist_ok=True)
        return folder

    def _moved(self, work: Work, paper: dict[str, Any]) -> Path:
        """Moves snapshot and papers to where people look for them; returns the archived file."""
        folder, snapshot = self._place(work, paper), self._rooms.state / work.drop.snapshot
        while True:
            target = folder / str(paper["archived"])
            try:
                if snapshot.exists():
                    move(snapshot, target)
                break
            except FileExistsError:
                if target.is_file() and sha256_file(target) == work.drop.sha256 and not receipt_of(target).exists():
                    snapshot.unlink()  # a crash came between copying it to another file system and removing it
                    break
                paper["archived"] = free_name(
                    folder, safe_name(PurePosixPath(work.drop.path).name), paper["papers"]
                ).name
                write_atomic(work.folder / RECEIPT, partial(write_paper, paper))
        self._rooms.failpoint("archive: snapshot placed")
        for paper_name in paper["papers"]:
            source, place = work.folder / paper_name, target.with_name(f"{target.name}.{paper_name}")
            if source.exists():
                place.unlink(missing_ok=True)  # ours, from before a crash: the names belong to this archived file
                move(source, place)
        write_atomic(receipt_of(target), partial(write_paper, paper))
        self._rooms.failpoint("archive: papers placed")
        return target

    def _folder(self, work: Work) -> Path:
        """Below sent/ or rejected/: PROGRAM/PROJECT/ and the folders the file lay in."""
        parts = PurePosixPath(work.drop.path).parts[:-1] if work.drop.source == "outbox" else ()
        if parts[:2] == (self._project.program, self._project.code):
            parts = parts[2:]
        return Path(*(safe_name(part) for part in (self._project.program, self._project.code, *parts)))

    def _tell(self, work: Work, paper: dict[str, Any], target: Path) -> Drop:
        verdict = Verdict(paper["verdict"])
        words = f"{printable(work.drop.path)} {_SAID[verdict]}: {paper['reason']}"
        calm = verdict in (Verdict.LANDED, Verdict.SUPERSEDED, Verdict.WITHDRAWN)
        level = EventLevel.INFO if calm else EventLevel.WARNING
        with self._rooms.ledger.together():
            drop = self._rooms.ledger.drops.update(
                work.id,
                state=DropState.ENDED,
                verdict=verdict,
                reason=paper["reason"],
                error_class="",
                next_attempt_at=None,
                counts=paper["rows"],
                receipt=str(receipt_of(target)),
            )
            self._rooms.ledger.events.add(level, verdict.value, words, drop_id=work.id)
        _log.info("%s", words, extra={"drop": work.id, "project": str(self._project), "verdict": verdict.value})
        return drop


def clear_original(rooms: Rooms, drop: Drop, mark: Fingerprint | None) -> None:
    """The file in the outbox goes, if it still is what was taken; a newer one at its place stays."""
    if drop.source != "outbox" or mark is None:
        return
    path = rooms.settings.outbox.path / drop.path
    aside = _aside(path, drop.id)
    try:
        with contextlib.suppress(FileNotFoundError):
            if Fingerprint.at(path) == mark:
                path.rename(aside)
                rooms.failpoint("archive: original aside")
        if os.path.lexists(aside):
            if sha256_file(aside) == drop.sha256:
                aside.unlink()
            else:  # written to in the very last moment: back it goes, and arrives anew
                _put_back(aside, path)
            fsync_folder(path.parent)
        if rooms.settings.outbox.ready_marker:
            _clear_marker(path)
    except OSError as error:
        # The drop has ended all the same; the watch has to know this file again.
        problem = folder_error(f"{printable(drop.path)} is done with but cannot be removed from the outbox", error)
        rooms.left.add(drop.path, mark)
        rooms.ledger.events.add(EventLevel.WARNING, "left", str(problem), drop_id=drop.id)
        _log.warning("%s", problem, extra={"drop": drop.id})
    rooms.failpoint("archive: original removed")


def leads_nowhere_else(root: Path, folder: Path) -> Path:
    """`folder`, if it lies in `root`. Raises OSError when somebody has put a link in its way."""
    if not inside(root, folder):
        raise OSError(errno.ELOOP, "a link in its path leads elsewhere", str(folder))
    return folder


def _aside(path: Path, drop_id: int) -> Path:
    """The name under which an original is looked at before it goes. The drop's number leads back to its own name."""
    name = path.name if len(os.fsencode(path.name)) <= _LONG else safe_name(path.name, limit=_LONG)
    return path.with_name(f".{name}{ASIDE}{drop_id}")


def original_of(rooms: Rooms, aside: Path) -> Path:
    """What a file that a crash left under such a name was called."""
    name, _, number = aside.name[1:].rpartition(ASIDE)
    with contextlib.suppress(Gen3SyncError, ValueError):
        path = aside.with_name(PurePosixPath(rooms.ledger.drops.get(int(number)).path).name)
        if _aside(path, int(number)) == aside:
            return path
    return aside.with_name(name)


_SAID = {
    Verdict.LANDED: "landed",
    Verdict.PARTLY: "landed in part",
    Verdict.REJECTED: "was refused",
    Verdict.SUPERSEDED: "was superseded by a newer arrival",
    Verdict.WITHDRAWN: "was withdrawn",
    Verdict.UNVERIFIED: "was accepted, unverified",
}


def receipt_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.{RECEIPT}")


def _unarchived(work: Work, error: OSError) -> Gen3SyncError:
    return folder_error(f"{work.drop.path} cannot be archived", error)


def _with_papers(target: Path, papers: Collection[str]) -> list[Path]:
    """Where an archived file, its receipt and its papers lie."""
    return [target, *(target.with_name(f"{target.name}.{paper}") for paper in (RECEIPT, *papers))]


def free_name(folder: Path, name: str, papers: Collection[str], taken: Collection[Path] = ()) -> Path:
    """A name that is free with all of its papers: a rejects file that was dropped again lies under one like theirs."""
    return unique_path(
        folder, name, lambda path: not any(one in taken or os.path.lexists(one) for one in _with_papers(path, papers))
    )


def _clear_marker(path: Path) -> None:
    """The marker of a file that is done with goes; not one that was put there for a newer file at its place."""
    marker = path.with_name(path.name + READY_SUFFIX)
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_mtime_ns <= marker.lstat().st_mtime_ns:
            return
    marker.unlink(missing_ok=True)


def _put_back(aside: Path, path: Path) -> None:
    try:
        rename_new(aside, path)
    except FileExistsError:
        # Yet another file has come meanwhile. Nothing is lost: this one arrives under a name of its own.
        rename_new(aside, unique_path(path.parent, path.name))


def write_paper(paper: dict[str, Any], file: BinaryIO) -> None:
    """In pieces: a file of a million rows went in a thousand requests, and each is told."""
    for piece in json.JSONEncoder(ensure_ascii=False, indent=1).iterencode(paper):
        file.write(piece.encode())
    file.write(b"\n")
