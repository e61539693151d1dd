"""Hears of arrivals from the operating system, so that they need not wait for the next scan.

Events only mark paths; nothing is believed of them. watchdog's observer thread dies when a handler raises, its watch
limit and its overflow are nearly silent (DESIGN.md, "Known traps"): so the handler here cannot raise, and the caller
scans every `rescan` seconds in any case and calls `check`: it watches anew where a thread has died or the outbox is
another folder, and touches the outbox's lock file, whose event shows that the whole way from the kernel to here lives.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from gen3sync.files import LOCK_NAME, FilesystemKind, filesystem_kind
from gen3sync.life import Workers, unwatched

_log = logging.getLogger("gen3sync.outbox")
_MOST_MARKS = 50_000
"""More marked paths than this at once are cheaper to scan for."""
_DEAF_AFTER = 30.0
"""Seconds within which the event of a touch must have come."""
_LOST_AFTER = 900.0
"""Seconds for which watching anew is tried."""

WatchMode = Literal["auto", "inotify", "poll", "off"]

# A folder that is made while watchdog looks into the one above is watched twice, the second time in place of the first:
# nothing is lost, and nobody who reads the log can do anything about it.
warnings.filterwarnings("ignore", "Callback with id .* already exists for watch", RuntimeWarning, "watchdog")


class Marks:
    """Paths something happened to, waiting to be looked at, in the order of what happened to each last. Thread-safe;
    never raises."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._paths: dict[str, None] = {}
        self._all = False
        self._wake = wake

    def add(self, path: str) -> None:
        with self._lock:
            if not self._all:
                self._paths.pop(path, None)
                self._paths[path] = None
                if len(self._paths) > _MOST_MARKS:
                    self._all, self._paths = True, {}
        self._wake()

    def everything(self) -> None:
        """Asks for a scan."""
        with self._lock:
            self._all, self._paths = True, {}
        self._wake()

    @property
    def pending(self) -> bool:
        """Whether anything waits to be looked at."""
        with self._lock:
            return self._all or bool(self._paths)

    def take(self) -> tuple[tuple[str, ...], bool]:
        """The marked paths since the last call, and whether a scan is asked for."""
        with self._lock:
            paths, everything = tuple(self._paths), self._all
            self._paths, self._all = {}, False
            return paths, everything


class _Handler(FileSystemEventHandler):
    def __init__(self, root: Path, marks: Marks, heard: Callable[[], None]) -> None:
        self._root, self._marks, self._heard = os.fsdecode(root), marks, heard
        self._lock_file = os.path.join(self._root, LOCK_NAME)  # noqa: PTH118 - compared as text

    def dispatch(self, event: FileSystemEvent) -> None:
        try:
            if event.event_type in ("opened", "closed_no_write"):
                return
            for raw in (event.src_path, event.dest_path):
                path = os.fsdecode(raw) if raw else ""
                if path == self._lock_file:
                    self._heard()
                    continue
                if not path.startswith(self._root + os.sep):
                    if path == self._root:
                        self._marks.everything()
                    continue
                # A folder moved in brings its files without a word about them.
                if event.is_directory and event.event_type != "modified":
                    self._marks.everything()
                else:
                    self._marks.add(path[len(self._root) + 1 :].replace(os.sep, "/"))
        except Exception:  # noqa: BLE001
            # The observer's thread would die of it, silently.
            _log.exception("an event of the file system could not be understood; scanning instead")
            self._marks.everything()


class Watch:
    """Watches one outbox. `mode` says how it does: "inotify", "poll" (scans alone) or "off".

    `auto` is events on a local disk and scans alone on a network one, where other hosts' writes raise no events here.
    """

    def __init__(self, root: Path, wanted: WatchMode, marks: Marks, worker: Workers = unwatched) -> None:
        self._root, self._wanted, self._marks = root, wanted, marks
        self._worker = worker("watch")
        self._touched_at: float | None = None
        self._deaf_since: float | None = None
        self._observer: Any = None
        self._watched: tuple[int, int] | None = None
        self.mode = "off"
        self.problem = ""

    def start(self) -> None:
        """Begins to watch; falls back to scans when the system has no watches left, and says so in `problem`."""
        self.stop()
        self.problem = ""
        network = filesystem_kind(self._root) is FilesystemKind.NETWORK
        if self._wanted in ("poll", "off") or (self._wanted == "auto" and network):
            self.mode = "off" if self._wanted == "off" else "poll"
            return
        observer = Observer()
        observer.daemon = True
        try:
            status = self._root.stat()
            observer.schedule(_Handler(self._root, self._marks, self._heard), str(self._root), recursive=True)
            observer.start()
        except (OSError, RecursionError) as error:
            self.mode = "poll"
            self.problem = _limit(error)
            return
        self._observer, self.mode = observer, "inotify"
        self._watched = (status.st_dev, status.st_ino)

    def stop(self) -> None:
        """Stops watching; bounded."""
        observer, self._observer = self._observer, None
        self._touched_at = None
        if observer is not None:
            observer.stop()
            observer.join(timeout=5)

    def check(self, root: tuple[int, int] | None, now: float) -> bool:
        """Watches anew where the outbox is another folder than before, a thread of the watch has died, or an event did
        not come. True if it did. `now` is monotonic.

        Where watching anew does not help for long, the watch shows no life any more: a new process may hear again.
        """
        if self.mode != "inotify" or root is None or self._observer is None:  # none: stopped in the middle of a scan
            self._alive()
            return False
        deaf = self._touched_at is not None and now - self._touched_at > _DEAF_AFTER
        if deaf and self._deaf_since is None:
            self._deaf_since = now
        if self._deaf_since is not None and now - self._deaf_since > _LOST_AFTER:
            self._worker.missed()
        anew = root != self._watched or deaf or not self._threads_live()
        if anew:
            self.start()
        if self._touched_at is None:
            self._touch(now)
        return anew

    def _threads_live(self) -> bool:
        observer = self._observer
        return observer is not None and observer.is_alive() and all(each.is_alive() for each in observer.emitters)

    def _touch(self, now: float) -> None:
        """Makes something happen that an event must tell of."""
        self._touched_at = now
        try:
            os.utime(self._root / LOCK_NAME)
        except OSError:
            self._heard()  # no lock file, or not ours: then only the threads can be asked

    def _heard(self) -> None:
        self._touched_at = None
        self._alive()

    def _alive(self) -> None:
        self._deaf_since = None
        self._worker.alive()


def _limit(error: OSError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "Folders in the outbox are nested too deeply to be watched, so new files are found by scanning."
    if error.errno == errno.ENOSPC:
        return (
            "The system has no inotify watches left, so new files are found by scanning. "
            "Raise fs.inotify.max_user_watches (sysctl) and restart gen3sync."
        )
    if error.errno == errno.EMFILE:
        return (
            "The system has no inotify instances left, so new files are found by scanning. "
            "Raise fs.inotify.max_user_instances (sysctl) and restart gen3sync."
        )
    return f"The outbox cannot be watched ({error.strerror}), so new files are found by scanning."
