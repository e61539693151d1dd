"""A reader of an inbox in a process of its own: opens the mirrored files again and again, and tells what it saw.

It knows the SHA-256 of every whole state of each file; anything else it finds is wrong. One thread reads each file at
once, another in small pieces, so that files are replaced while it is in the middle of them; a third reads the index.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

PIECE = 512
ENOUGH = 10
INDEX = ".gen3sync.json"


def at_once(path: Path) -> bytes:
    return path.read_bytes()


def in_pieces(path: Path) -> bytes:
    with path.open("rb", buffering=0) as file:
        return b"".join(iter(lambda: file.read(PIECE), b""))


def _state(data: bytes, whole: list[str]) -> int:
    """Which of the known states it is. Raises ValueError for none of them."""
    return whole.index(hashlib.sha256(data).hexdigest())


class Reader:
    """Reads until told to stop. `known` maps files to the SHA-256 of their whole states."""

    def __init__(self, known: dict[str, list[str]]) -> None:
        self.known = known
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.stop = threading.Event()
        self._missing = {f"{Path(name).name} {state}" for name, whole in known.items() for state in range(len(whole))}
        self._missing.add(f"{INDEX} {len(known)}")
        self._lock = threading.Lock()

    def files(self, way: Callable[[Path], bytes]) -> None:
        while not self.stop.is_set():
            for name, whole in self.known.items():
                self.note(name, way, lambda data, whole=whole: _state(data, whole))  # type: ignore[misc]

    def indexes(self) -> None:
        names = sorted({str(Path(name).parent / INDEX) for name in self.known})
        while not self.stop.is_set():
            for name in names:
                self.note(name, at_once, lambda data: len(json.loads(data)["files"]))

    def note(self, name: str, way: Callable[[Path], bytes], judge: Callable[[bytes], object]) -> None:
        try:
            data = way(Path(name))
            self._saw(f"{Path(name).name} {judge(data)}")
        except (OSError, ValueError, KeyError) as error:
            self.wrong.append(f"{name}: {error!r}")

    def _saw(self, what: str) -> None:
        """Says so once each state of each file was seen a few times."""
        with self._lock:
            self.seen[what] += 1
            if what in self._missing and self.seen[what] > ENOUGH:
                self._missing.remove(what)
                if not self._missing:
                    print("enough", flush=True)  # noqa: T201 - the test waits for it


def main() -> None:
    """Gets `known` as a line of JSON, says `ready`, reads until standard input ends, says `enough` meanwhile, tells."""
    reader = Reader(json.loads(sys.stdin.readline()))
    os.nice(15)  # it reads whenever the refreshes leave time, and takes none from them
    work = (lambda: reader.files(at_once), lambda: reader.files(in_pieces), reader.indexes)
    threads = [threading.Thread(target=each) for each in work]
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    for thread in threads:
        thread.start()
    sys.stdin.read()
    reader.stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"seen": reader.seen, "wrong": reader.wrong[:20]}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
