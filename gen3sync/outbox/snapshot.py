"""Takes a settled file: reads it once into the state folder, and proves that it stood still meanwhile.

Owns the work folder of a drop (`state/drops/NAME/`) and the snapshot in it. Deciding when a file is settled is
`settle.py`'s, the rest of a drop's life the lane's.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import zlib
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader
from pathlib import Path, PurePosixPath

from gen3sync.files import Fingerprint, fsync_folder, lstat_beneath, open_beneath, open_regular, safe_name
from gen3sync.records.source import unfolds_too_far

_BLOCK = 1 << 20
FOLDER = "drops"
MARK = "dropped-"
"""What the name of a snapshot begins with."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The bytes of a drop as settled. `path` is relative to the state folder. `whole` is False for a gzip file that
    ends too early: it may still be arriving."""

    path: str
    sha256: str
    size: int
    fingerprint: Fingerprint
    whole: bool = True


class StillChangingError(Exception):
    """The file changed while it was read; it has to settle again."""


def take(source: Path, state: Path, now: datetime, *, name: str | None = None, beneath: Path | None = None) -> Snapshot:
    """Reads `source` into a new work folder below `state`. `beneath`: the outbox, in which no link is followed on the
    way to it.

    Raises StillChangingError, and OSError (a full disk, a file that is gone or no regular file); in either case
    nothing is left behind.
    """
    folder = state / FOLDER / f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}"
    folder.mkdir(parents=True, mode=0o750)
    # Whatever it is called itself: beside it come a journal, a receipt and perhaps an `undo.tsv`.
    target = folder / f"{MARK}{safe_name(name or source.name)}"
    try:
        with _opened(source, beneath) as read:
            before = Fingerprint.of(os.fstat(read.fileno()))
            digest, size = hashlib.sha256(), 0
            end = _GzipEnd() if source.name.lower().endswith(".gz") else None
            with open(target, "xb", opener=lambda p, f: os.open(p, f, 0o640)) as out:
                while block := read.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
                    size += len(block)
                    if end is not None:
                        end.feed(block)
                out.flush()
                os.fsync(out.fileno())
            after = Fingerprint.of(os.fstat(read.fileno()))
        if not before == after == _there(source, beneath) or size != before.size:
            raise StillChangingError
        fsync_folder(folder)
        fsync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    whole = end is None or end.reached
    return Snapshot(str(target.relative_to(state)), digest.hexdigest(), size, before, whole)


def _opened(source: Path, beneath: Path | None) -> BufferedReader:
    return open_regular(source) if beneath is None else open_beneath(beneath, _below(source, beneath))


def _there(source: Path, beneath: Path | None) -> Fingerprint:
    return (
        Fingerprint.at(source) if beneath is None else Fingerprint.of(lstat_beneath(beneath, _below(source, beneath)))
    )


def _below(source: Path, beneath: Path) -> PurePosixPath:
    return PurePosixPath(source.relative_to(beneath).as_posix())


def discard(snapshot: str, state: Path) -> None:
    """Removes the work folder that holds `snapshot`."""
    folder = (state / snapshot).parent
    if folder.parent == state / FOLDER:
        shutil.rmtree(folder, ignore_errors=True)


def orphans(state: Path, known: set[str]) -> list[Path]:
    """Work folders that no drop knows: a crash came between snapshot and ledger. `known` are the drops' snapshots."""
    folders = {Path(snapshot).parent.name for snapshot in known}
    root = state / FOLDER
    return [path for path in root.iterdir() if path.name not in folders] if root.is_dir() else []


class _GzipEnd:
    """Whether a gzip stream reaches its end. What is not gzip at all counts as ended: reading will say so."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self.reached = False
        self._broken = False
        self._packed = self._unpacked = 0

    def feed(self, block: bytes) -> None:
        self._packed += len(block)
        while block and not self._broken:
            if self.reached:  # another member follows, or padding
                if not block.startswith(b"\x1f"):
                    return
                self._stream, self.reached = zlib.decompressobj(wbits=31), False
            try:
                self._unfold(block)
                while self._stream.unconsumed_tail and not self._broken:
                    self._unfold(self._stream.unconsumed_tail)
            except zlib.error:
                self._broken = self.reached = True
                return
            self.reached = self._stream.eof or self._broken
            block = self._stream.unused_data

    def _unfold(self, packed: bytes) -> None:
        self._unpacked += len(self._stream.decompress(packed, 1 << 16))
        self._broken = unfolds_too_far(self._packed, self._unpacked)  # then reading says so
