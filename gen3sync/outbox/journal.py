"""What a drop has sent, line by line, on disk before it is sent, and which lines were refused.

One file `journal.jsonl` in the drop's work folder. A restart plans again from the snapshot, and then finds landed rows
"unchanged"; this is where it learns that it was gen3sync that wrote them, and what stood there before. The receipt's
list of chunks and the undo file are made from it. Refused rows stay refused: newer drops of their records may have gone
by since.

A line torn by a crash is the last one and says nothing that was acted upon: what is written here is flushed first.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from gen3sync.files import Fingerprint, fsync_folder
from gen3sync.outbox.model import Action, Json, Reason

NAME = "journal.jsonl"
IN_FLIGHT = "in flight"
DISPROVED = "success said, not stored"
NOT_STORED = ("refused", "not sent", "answer lost, not stored", DISPROVED)
"""States of requests that stored nothing."""
WITHDRAWN = "withdrawn"
"""The note that somebody took the drop back."""
Refusal = tuple[int, tuple[Reason, ...]]
"""The line of a row, and why it is refused."""


@dataclass(frozen=True, slots=True)
class SentRow:
    """One row of a request: what for, and the stored values of its columns before (None for a new record)."""

    line: int
    action: Action
    before: Json = None


@dataclass(frozen=True, slots=True)
class UnseenRow:
    """A row whose record could not be seen when it was sent: its line, its place in the request, and whether no request
    went before that may have stored it."""

    line: int
    place: int
    first: bool


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """One request as the receipt tells it. `lines` are first and last; `state` is of the request ("landed" …).
    `sent_as` is what the commons knows it by, where it was sent more than once."""

    number: int
    attempt: int
    node: str
    rows: int
    lines: tuple[int, int]
    document_name: str
    started_at: str
    ended_at: str | None = None
    transaction_id: int | None = None
    transaction_state: str | None = None
    state: str = IN_FLIGHT
    message: str = ""
    submitter: str = ""
    sent_as: str = ""


class Journal:
    """See the module. One thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def arrived(self, fingerprint: Fingerprint | None, route: str | None) -> None:
        """The file in the outbox that this drop is (None: it was pushed), and how its way was found (None: not yet)."""
        entries: list[dict[str, Json]] = []
        if fingerprint is not None:
            entries.append({"k": "taken", **asdict(fingerprint)})
        if route is not None:
            entries.append({"k": "route", "by": route})
        if entries:
            self._write(*entries)

    def sending(self, chunk: ChunkRecord, rows: Iterable[SentRow]) -> None:
        """A request is about to be sent."""
        listed = [[row.line, row.action.value, row.before] for row in rows]
        self._write({"k": "send", **asdict(chunk), "sent": listed})

    def answered(
        self, chunk: ChunkRecord, refused: Sequence[Refusal] = (), acted: Mapping[Action, Sequence[int]] | None = None
    ) -> None:
        """A request was answered, or its fate is known; the rows of it that are refused for good, and the lines of
        those with which the commons did something else than was planned."""
        corrected = [{"k": "acted", "action": action.value, "lines": lines} for action, lines in (acted or {}).items()]
        self._write({"k": "end", **asdict(chunk)}, *_refusals(refused), *corrected)

    def refused(self, refused: Sequence[Refusal]) -> None:
        """Rows are refused for good, but not by the answer to a request."""
        if refused:
            self._write(*_refusals(refused), flush=False)

    def note(self, kind: str, *, flush: bool = True, **values: Json) -> None:
        """Anything else that has to survive, written at `kind`. Without `flush` a kill takes nothing of it, but a power
        cut may."""
        self._write({"k": kind, **values}, flush=flush)

    def fingerprint(self) -> Fingerprint | None:
        """Of the file in the outbox; None for a pushed file."""
        for entry in self._read():
            if entry["k"] == "taken":
                return Fingerprint(entry["size"], entry["mtime_ns"], entry["inode"], entry["device"])
        return None

    def chunks(self) -> list[ChunkRecord]:
        """All requests in order of sending, each as last known."""
        found: dict[str, ChunkRecord] = {}
        for entry in self._read():
            if entry["k"] in ("send", "end"):
                entry.pop("k")
                entry.pop("sent", None)
                found[entry["document_name"]] = ChunkRecord(**{**entry, "lines": tuple(entry["lines"])})
        return list(found.values())

    def sent(self) -> Iterator[SentRow]:
        """All rows sent so far, oldest sending first (a row may come twice), but for requests that certainly stored
        nothing."""
        for entry in self._sendings():
            for line, action, before in entry["sent"]:
                yield SentRow(line, Action(action), before)

    def newest_sendings(self) -> dict[int, ChunkRecord]:
        """By line: the request that carried the row last."""
        chunks = {chunk.document_name: chunk for chunk in self.chunks()}
        sendings = (entry for entry in self._read() if entry["k"] == "send")
        return {line: chunks[entry["document_name"]] for entry in sendings for line, _, _ in entry["sent"]}

    def corrections(self) -> Iterator[tuple[Action, list[int]]]:
        """What the commons did with rows, where it was something else than was planned: the action and the lines. Not
        of requests that stored nothing after all."""
        nothing, name = self._nothing_stored(), ""
        for entry in self._read():
            if entry["k"] == "end":
                name = entry["document_name"]
            elif entry["k"] == "acted" and name not in nothing:
                yield Action(entry["action"]), entry["lines"]

    def unseen(self, document_name: str) -> list[UnseenRow]:
        """Rows that a request carried unseen: nobody knew whether it would create or update their records."""
        carried: Json = next(
            (entry["sent"] for entry in self._sendings() if entry["document_name"] == document_name), []
        )
        places = {line: place for place, (line, action, _) in enumerate(carried) if action == Action.WRITE}
        before = set[int]()
        if places:
            earlier = itertools.takewhile(lambda entry: entry["document_name"] != document_name, self._sendings())
            before.update(line for entry in earlier for line, _, _ in entry["sent"] if line in places)
        return [UnseenRow(line, place, line not in before) for line, place in places.items()]

    def refusals(self) -> Iterator[Refusal]:
        """All rows refused so far, oldest first (a row may come twice): without reasons, those that were sent again
        and stored since."""
        nothing, any_refused = self._nothing_stored(), False
        for entry in self._read():
            if entry["k"] == "refused":
                any_refused = True
                yield from ((line, tuple(_reason(*words) for words in why)) for line, why in entry["rows"])
            elif any_refused and entry["k"] == "send" and entry["document_name"] not in nothing:
                yield from ((line, ()) for line, _, _ in entry["sent"])

    def _nothing_stored(self) -> set[str]:
        return {chunk.document_name for chunk in self.chunks() if chunk.state in NOT_STORED}

    def _sendings(self) -> Iterator[dict[str, Json]]:
        nothing = self._nothing_stored()
        return (entry for entry in self._read() if entry["k"] == "send" and entry["document_name"] not in nothing)

    def notes(self, kind: str) -> Iterator[dict[str, Json]]:
        return (entry for entry in self._read() if entry["k"] == kind)

    def exists(self) -> bool:
        return self._path.exists()

    def _write(self, *entries: dict[str, Json], flush: bool = True) -> None:
        new = not self._path.exists()
        lines = (json.dumps(entry, ensure_ascii=False, separators=(",", ":"), default=_plain) for entry in entries)
        line = "".join(f"{text}\n" for text in lines).encode()
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                line = b"\n" + line  # close the line that a crash tore
            _write_all(fd, line)
            if flush:
                os.fsync(fd)
        finally:
            os.close(fd)
        if new:
            fsync_folder(self._path.parent)

    def _read(self) -> Iterator[dict[str, Json]]:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict) and "k" in entry:
                    yield entry


def _refusals(refused: Sequence[Refusal]) -> list[dict[str, Json]]:
    """What is written of refused rows; the commons' own words once for each kind of reason."""
    told: set[tuple[str, str | None, str]] = set()
    rows: list[Json] = []
    for line, reasons in refused:
        why: list[Json] = []
        for reason in reasons:
            words: list[Json] = [reason.type, reason.message, reason.column, reason.remedy, reason.rule]
            if reason.said and reason.alike not in told:
                told.add(reason.alike)
                words += [reason.said, list(reason.allowed)]
            why.append(words)
        rows.append([line, why])
    return [{"k": "refused", "rows": rows}] if rows else []


def _reason(*words: Json) -> Reason:
    type, message, column, remedy, rule, said, allowed = (*words, "", ())[:7]
    return Reason(type, message, column, remedy, rule, said, tuple(allowed))


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
