"""When a file in the outbox has been written to its end.

Pure: fingerprints and times come in, decisions go out. Owns the rule; leaves looking at disks to `watch.py` and
reading the file to `snapshot.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gen3sync.files import Fingerprint

UNFINISHED_FACTOR = 10
"""A file that seems to stop in the middle of a line waits this many times longer."""


class Ripeness(Enum):
    """What to do with a file now."""

    WAIT = "wait"  # not quiet for long enough
    LOOK = "look"  # quiet for `settle`: look whether it ends like a finished file, and tell `Settling.ends`
    RIPE = "ripe"  # take it


@dataclass(slots=True)
class Settling:
    """One path on its way to being taken.

    It is ripe when all of this holds:

    1. It was quiet for `settle` seconds: no event came and no look found another size, mtime_ns or inode. An event
       alone starts the time again even if the fingerprint is the same, because clocks of file systems are coarse.
    2. It ends like a finished file, or it was quiet for ten times as long. A network copy pauses, closes and reopens;
       a missing final newline is the one sign it leaves.
    3. It is not empty, or it was quiet for ten times as long: `touch` and many copies make the name first.
    """

    fingerprint: Fingerprint
    since: float
    settle: float
    whole: bool | None = None
    """Whether it ends like a finished file; None until someone looked."""

    def seen(self, fingerprint: Fingerprint, now: float, *, event: bool = False) -> bool:
        """Someone looked at the file (or the system reported an event) at `now`. Whether its time starts again."""
        changed = event or fingerprint != self.fingerprint
        if changed:
            self.fingerprint, self.since, self.whole = fingerprint, now, None
        return changed

    def ends(self, *, whole: bool) -> None:
        """Tells whether the file, as fingerprinted, ends like a finished one."""
        self.whole = whole

    def ripeness(self, now: float) -> Ripeness:
        if now < self.since + self.settle:
            return Ripeness.WAIT
        if self.whole is None:
            return Ripeness.LOOK
        return Ripeness.RIPE if now >= self.due else Ripeness.WAIT

    @property
    def due(self) -> float:
        """When to look at the file next if nothing happens to it."""
        return self.since + self.settle * (UNFINISHED_FACTOR if self.whole is False else 1)


def seems_finished(name: str, size: int, tail: bytes) -> bool:
    """Whether a file that ends on `tail` (its last bytes) looks written to its end.

    Tables end with a line end, JSON with a closing bracket. Of compressed files only reading tells: the snapshot does.
    """
    if size == 0:
        return False
    lower = name.lower()
    if lower.endswith(".gz"):
        return True
    if lower.endswith(".json"):
        return tail.rstrip()[-1:] in (b"]", b"}")
    # UTF-16 ends on "\n\0" or "\0\n"; it is refused later with a reason, not kept waiting here.
    return tail.rstrip(b"\0")[-1:] in (b"\n", b"\r")
