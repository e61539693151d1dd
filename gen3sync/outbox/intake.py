"""From the outbox folder to drops: what lies there, when it is settled, where it goes.

Owns the arrivals: what was taken already, what is settling, what has no way yet. One thread. Looking is `scan.py`'s,
the rule of settling `settle.py`'s, the rest of a drop's life its lane's.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from gen3sync.files import Fingerprint, folder_error, open_beneath, unique_path, walk
from gen3sync.files.moves import rename_new
from gen3sync.ledger.rows import Drop, EventLevel
from gen3sync.names import printable
from gen3sync.outbox import snapshot
from gen3sync.outbox.archive import ASIDE, original_of
from gen3sync.outbox.journal import Journal
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.route import Routed
from gen3sync.outbox.routing import Routing
from gen3sync.outbox.scan import Found, Oddity, Outlook
from gen3sync.outbox.settle import Ripeness, Settling, seems_finished
from gen3sync.outbox.taking import Arrival, snapshots, write_down
from gen3sync.outbox.watch import Marks
from gen3sync.outbox.withdrawing import Withdrawing

_log = logging.getLogger("gen3sync.outbox")
_AT_ONCE = 50
"""Files that are taken side by side."""
_TAIL = 64
_PAUSE = 5.0
"""Seconds before trying again to take a file that could not be read or copied."""


@dataclass
class Intake:
    """See the module. `deliver` hands a routed drop to its lane; `supersede` tells a lane of a newer arrival,
    `withdraw` that somebody took a drop back."""

    rooms: Rooms
    outlook: Outlook
    marks: Marks
    deliver: Callable[[Drop], None]
    supersede: Callable[[Drop, int], None]
    withdraw: Callable[[Drop, str], None]
    on_scanned: Callable[[Found], None]
    settling: dict[str, Settling] = field(default_factory=dict)
    _known: dict[str, Fingerprint] = field(default_factory=dict)
    _open: dict[str, Drop] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _next_scan: float = 0.0
    _not_before: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._routing = Routing(self.rooms, self._found_way)
        self._withdrawing = Withdrawing(self.rooms, self._routing, self.withdraw)

    def recover(self) -> None:
        """What an earlier life left: originals set aside, snapshots nobody knows, drops that are open."""
        drops = self.rooms.ledger.drops.open()
        for orphan in snapshot.orphans(self.rooms.state, {drop.snapshot for drop in drops}):
            shutil.rmtree(orphan, ignore_errors=True)
        self._put_back_asides()
        self._withdrawing.meanwhile(drops)
        for drop in drops:
            self.adopt(drop)

    def adopt(self, drop: Drop) -> None:
        """An open drop of the ledger that is not known here yet."""
        if drop.source == "outbox":
            mark = Journal((self.rooms.state / drop.snapshot).parent).fingerprint()
            if mark is not None:
                self._known[drop.path] = mark
            older = self._open.get(drop.path)
            if older is not None and older.id < drop.id:
                self._replace(older, drop)
            self._open[drop.path] = drop
        if drop.program and drop.project:
            self.deliver(drop)
        else:
            self._routing.unrouted[drop.id] = drop

    def ended(self, drop: Drop) -> None:
        """A drop's lane is done with it."""
        if self._open.get(drop.path) is not None and self._open[drop.path].id == drop.id:
            del self._open[drop.path]
            if drop.source == "outbox" and self.rooms.left.get(drop.path) is None:
                self._known.pop(drop.path, None)
                self.marks.add(drop.path)  # a newer file may lie there by now

    def look_again(self) -> None:
        """Somebody asks to try at once."""
        self._next_scan = 0.0
        self._routing.look_again()

    @property
    def quiet(self) -> bool:
        """Nothing is settling."""
        return not self.settling

    def turn(self) -> float:
        """One look at what happened; returns seconds until something may be due."""
        now = self.rooms.clock.monotonic()
        paths, everything = self.marks.take()
        if everything or now >= self._next_scan:
            self._scan(now)
        else:
            for path in paths:
                self._look(path, now)
        self._routing.turn()
        self._withdrawing.turn()
        ripe: list[str] = []
        for path, one in list(self.settling.items()):
            if self.rooms.stop.is_set() or len(ripe) >= _AT_ONCE:
                break
            may = one.ripeness(now) is not Ripeness.WAIT and self._not_before.get(path, 0.0) <= now
            if may and self._ripe(path, one):
                ripe.append(path)
        if ripe:
            self._take(ripe)
        if len(ripe) >= _AT_ONCE:
            return 0.0
        due = [one.due for one in self.settling.values()]
        due += [self._next_scan, self._withdrawing.due]
        now = self.rooms.clock.monotonic()
        return max(0.0, min(due) - now) if not self._not_before else min(_PAUSE, max(0.05, min(due) - now))

    # --- looking

    def _scan(self, now: float) -> None:
        self._next_scan = now + self.rooms.settings.outbox.rescan
        try:
            found = self.outlook.scan()
        except OSError as error:
            self._tell_once("outbox", EventLevel.ERROR, str(folder_error("The outbox cannot be read", error)))
            return
        self._told.discard("outbox")
        self.on_scanned(found)
        for odd in found.odd:
            self._odd(odd)
        for path in [path for path in self.settling if path not in found.files]:
            del self.settling[path]
        same = self._withdrawing.same_root(found.root)
        for path in [path for path in self._known if path not in found.files and self.outlook.gone(path)]:
            self._gone(path, meant=same)
        new = []
        for path, mark in found.files.items():
            if path in self.settling or path in self._known:
                self._see(path, mark, now, event=False)
            else:
                new.append((mark.mtime_ns, path, mark))
        # What came since the last look arrives in the order in which it was written, not in that of the folder.
        for _, path, mark in sorted(new, key=lambda one: one[:2]):
            self._see(path, mark, now, event=False)

    def _look(self, path: str, now: float) -> None:
        seen = self.outlook.look(PurePosixPath(path))
        if isinstance(seen, Oddity):
            self._odd(seen)
        elif seen is not None:
            self._see(path, seen, now, event=True)
        else:
            self.settling.pop(path, None)
            if path in self._known and self.outlook.gone(path):
                self._gone(path, meant=self._withdrawing.still_there(self.outlook.root))

    def _see(self, path: str, mark: Fingerprint, now: float, *, event: bool) -> None:
        known = self._known.get(path)
        if known is None and (left := self.rooms.left.get(path)) is not None:
            known = self._known[path] = left
        if known == mark:
            return
        one = self.settling.get(path)
        if one is None:
            self.settling[path] = Settling(mark, now, self.rooms.settings.outbox.settle)
            self.rooms.failpoint("intake: seen")
        elif one.seen(mark, now, event=event):
            self.settling[path] = self.settling.pop(path)  # files that settle together arrive in the order of writing

    def _gone(self, path: str, *, meant: bool) -> None:
        """A file that was taken is no longer in the outbox. `meant`: it is the file that is gone, not the outbox."""
        self._known.pop(path, None)
        self.rooms.left.forget(path)
        if meant and (drop := self._open.get(path)) is not None:
            self._withdrawing.gone(drop)

    def take_back(self, drop: Drop, why: str) -> None:
        """Somebody asks by name that nothing more of a drop is sent."""
        self._withdrawing.take_back(drop, why)

    def _odd(self, odd: Oddity) -> None:
        self._tell_once(f"odd:{odd.path}", EventLevel.WARNING, f"{printable(odd.path)} is ignored: {odd.why}.")

    def _tell_once(self, key: str, level: EventLevel, text: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self.rooms.ledger.events.add(level, "ignored" if key.startswith("odd") else "outbox", text)
            _log.warning("%s", text)

    # --- taking

    def _ripe(self, path: str, one: Settling) -> bool:
        seen = self.outlook.look(PurePosixPath(path))
        now = self.rooms.clock.monotonic()
        if not isinstance(seen, Fingerprint):
            del self.settling[path]
            return False
        one.seen(seen, now)
        if one.ripeness(now) is Ripeness.LOOK:
            one.ends(whole=self._seems_finished(path, seen.size))
        return one.ripeness(now) is Ripeness.RIPE

    def _take(self, paths: Sequence[str]) -> None:
        """Takes files that are settled."""
        arrivals: list[Arrival] = []
        for path, shot in zip(paths, snapshots(self.rooms, self.outlook, paths), strict=True):
            one = self.settling[path]
            match shot:
                case snapshot.StillChangingError():
                    one.since = self.rooms.clock.monotonic()
                    one.whole = None
                case FileNotFoundError():
                    del self.settling[path]
                case OSError():
                    self._untaken(path, shot)
                case Exception():
                    raise shot
                case snapshot.Snapshot(whole=False) if one.whole:
                    snapshot.discard(shot.path, self.rooms.state)
                    one.ends(whole=False)  # a gzip file without its end: it has ten times as long to finish
                case _:
                    self.rooms.failpoint("intake: snapshot made")
                    arrivals.append(Arrival(path, shot, self._routing.way(path), "outbox"))
        try:
            self.write_down(arrivals)
        except OSError as error:
            for arrival in arrivals:
                self._untaken(arrival.path, error)

    def _untaken(self, path: str, error: OSError) -> None:
        self._not_before[path] = self.rooms.clock.monotonic() + _PAUSE
        text = str(folder_error(f"{printable(path)} cannot be taken", error))
        self._tell_once(f"take:{path}:{error.errno}", EventLevel.ERROR, text)

    def write_down(self, arrivals: Sequence[Arrival]) -> list[Drop]:
        """Makes drops of snapshots and sends them on their way. OSError, LedgerError: no file counts as taken."""
        drops = write_down(self.rooms, arrivals)
        for drop, arrival in zip(drops, arrivals, strict=True):
            path, older = arrival.path, None
            if arrival.source == "outbox":
                self._not_before.pop(path, None)
                self.settling.pop(path, None)
                self._known[path] = arrival.shot.fingerprint
                older, self._open[path] = self._open.get(path), drop
            self.rooms.failpoint("intake: drop added")
            _log.info("arrived", extra={"drop": drop.id, "file": printable(path), "bytes": arrival.shot.size})
            if older is not None:
                self._replace(older, drop)
            if isinstance(arrival.way, Routed):
                self.deliver(drop)
            else:
                self._routing.unrouted[drop.id] = drop
        return drops

    def _replace(self, older: Drop, newer: Drop) -> None:
        if older.id in self._routing.unrouted:
            self._routing.end(older, "A newer file arrived at the same place.")
        else:
            self.supersede(older, newer.id)

    def _found_way(self, drop: Drop) -> None:
        if drop.source == "outbox":
            self._open[drop.path] = drop
        self.deliver(drop)

    def _seems_finished(self, path: str, size: int) -> bool:
        try:
            with open_beneath(self.outlook.root, PurePosixPath(path)) as file:
                file.seek(max(0, size - _TAIL))
                return seems_finished(path, size, file.read(_TAIL))
        except OSError:
            return False

    def _put_back_asides(self) -> None:
        """Originals that a crash left renamed: back to their names, to be recognised or to arrive."""
        for where, names in walk(self.outlook.root):
            for name in names:
                if name.startswith(".") and ASIDE in name:
                    aside = where / name
                    original = original_of(self.rooms, aside)
                    try:
                        rename_new(aside, original)
                    except FileExistsError:
                        rename_new(aside, unique_path(original.parent, original.name))
                    except OSError as error:
                        _log.warning("%s", folder_error(f"{printable(aside)} cannot be put back", error))
