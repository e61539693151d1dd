"""A round: the mirrors of one project looked at together, with one question to the commons.

Asks for the project's signature, decides for each mirror (`detect`), and hands what must be exported to `refresh`, a
few at once. Leaves to others: when a round is due (`inbox`).
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from gen3sync.clock import Clock
from gen3sync.commons import replies
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.journal import Journal, journal
from gen3sync.commons.queries import signature, signature_and_written
from gen3sync.files import folder_error
from gen3sync.inbox import detect, guards
from gen3sync.inbox.detect import Known, Signature, Why
from gen3sync.inbox.memory import Memory, Past
from gen3sync.inbox.outcomes import written_with
from gen3sync.inbox.plan import Mirror
from gen3sync.inbox.proof import Told
from gen3sync.inbox.publish import Folder, Standing
from gen3sync.inbox.refresh import Refresher
from gen3sync.inbox.touch import MOST_TRANSACTIONS, names_all, waited_for, worth_asking
from gen3sync.inbox.work import Task
from gen3sync.ledger import EventLevel, Outcome, Refresh
from gen3sync.life import Workers, resting, unwatched
from gen3sync.names import Project

log = logging.getLogger(__name__)

# Without signatures every look is an export, so there are fewer of them than `every` may ask for.
BLIND_EVERY = timedelta(minutes=5)
# A mirror that changes all the time is exported so seldom that it takes a tenth of the time at most.
PACE = 10
# CHANGED is held to it where a few records will not do: see `Task.paced`.
_PACED = (Why.SETTLED, Why.BLIND)
_PATCHED = {Why.CHANGED}
# A commons that has no GraphQL is asked again whether it has some by now.
_LOOK_AGAIN = 3600.0
# How long a mirror that could not be published rests while its signature stays the same.
_PAUSES = {Outcome.GUARDED: timedelta(hours=1), Outcome.FAILED: timedelta(minutes=5)}
# What so many next transactions wrote is asked together with whether anything was: a commons numbers them one by one.
# It costs a look at a key for each, so it is only done where transactions were seen lately.
_AHEAD = 2
_LATELY = 1800.0
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Round:
    """What to look at. `asked`: a person or our own submission wants it exported; `report`: and to hear of each mirror,
    so nothing is left out for being too soon."""

    project: Project
    mirrors: tuple[Mirror, ...]
    asked: Why | None = None
    accept: bool = False
    report: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What was written down, and the worst that the commons said."""

    refreshes: tuple[Refresh, ...] = ()
    failure: replies.Failure | None = None


class Rounds:
    """Thread-safe. `close` waits for the exports at hand."""

    def __init__(
        self,
        client: CommonsClient,
        memory: Memory,
        folder: Folder,
        refresher: Refresher,
        clock: Clock,
        *,
        parallel: int,
        horizon: timedelta,
        full_every: timedelta,
        may_query: Callable[[Project], bool],
        version: Callable[[], str | None],
        worker: Workers = unwatched,
    ) -> None:
        self._client = client
        self._memory = memory
        self._folder = folder
        self._refresher = refresher
        self._clock = clock
        self._horizon = horizon
        self._full_every = full_every
        self._may_query = may_query
        self._version = version
        self._worker = worker
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="gen3sync-export")
        self._lock = threading.Lock()
        self._blind_until: float | None = None
        self._newest: dict[Project, tuple[int, float]] = {}
        self._together = True
        self.sees = True

    def run(self, it: Round, told: Told = lambda _node, _rows: None) -> Result:
        """Looks, exports what is to be, and waits for it. Raises StoppedError, LedgerError."""
        with self._worker(f"look {it.project} {it.asked or it.mirrors[0].group}").at_work():
            return self._run(it, told)

    def _run(self, it: Round, told: Told) -> Result:
        since = self._clock.now()
        seen, early = self._look(it.project, sorted({mirror.node for mirror in it.mirrors}))
        unchanged: list[tuple[Mirror, Known]] = []
        wanted: dict[str, list[tuple[Mirror, Why]]] = {}
        paced: set[str] = set()
        for mirror in it.mirrors:
            match self._why(mirror, seen, it):
                case None:
                    continue
                case Why.CHANGED if self._paced(mirror, it):
                    paced.add(mirror.node)
                    wanted.setdefault(mirror.node, []).append((mirror, Why.CHANGED))
                case Why.UNCHANGED if seen is not None:
                    unchanged.append((mirror, detect.after_look(self._memory.of(mirror).known, seen, since)))
                case why:
                    wanted.setdefault(mirror.node, []).append((mirror, why))
        refreshes = list(self._unchanged(unchanged, since, it))
        if any(why is Why.BACKWARDS for each in wanted.values() for _, why in each):
            text = f"{it.project}: the commons counts fewer transactions than before; all is exported again."
            log.warning("the commons went back", extra={"project": str(it.project)})
            self._memory.tell(EventLevel.WARNING, "backwards", text)
        changed = {node: [m for m, _ in each] for node, each in wanted.items() if {why for _, why in each} == _PATCHED}
        journal = self._journal(it.project, changed, seen, early) if seen is not None else None
        tasks = [
            Task(
                it.project,
                node,
                tuple(mirror for mirror, _ in each),
                each[0][1],
                since,
                seen,
                it.accept,
                journal if node in changed else None,
                node in paced and node in changed,
            )
            for node, each in wanted.items()
        ]
        failure: replies.Failure | None = None
        with resting():
            for future in [self._pool.submit(self._refresher.refresh, task, told) for task in tasks]:
                done = future.result()
                refreshes.extend(done.refreshes)
                failure = failure or done.failure
        return Result(tuple(refreshes), failure)

    def close(self) -> None:
        """Takes no more exports and gives up those that wait."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def wait(self) -> None:
        """Until the exports at hand have ended."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _unchanged(self, mirrors: Sequence[tuple[Mirror, Known]], at: datetime, it: Round) -> tuple[Refresh, ...]:
        rows = [
            (new, known)
            for mirror, known in mirrors
            if (new := self._memory.unchanged(mirror, known, at, always=it.report)) is not None
        ]
        try:
            self._folder.checked([(mirror, known.signature) for mirror, known in mirrors], at)
        except OSError as error:
            log.warning("%s", folder_error(f"An index of {it.project} cannot be written", error).what)
        return self._memory.finished_all(rows) if rows else ()

    def _why(self, mirror: Mirror, seen: Signature | None, it: Round) -> Why | None:
        """Why to export the mirror; UNCHANGED, or None when nothing can be said and it is too soon to export."""
        past = self._memory.of(mirror)
        now = self._clock.now()
        if not it.report and past.tried == (seen.of(mirror.node) if seen is not None else None):
            # It was held back, or failed, and the commons still says the same: no need to try each time.
            outcome = past.last.outcome if past.last is not None else None
            if outcome in _PAUSES and _within(_PAUSES[outcome], past.tried_at, now) and not self._back(past):
                return None
        success = past.success
        if success is None or self._standing(mirror, success.sha256) is not Standing.INTACT:
            return Why.FIRST
        if it.asked is Why.ASKED:
            return Why.ASKED
        version = self._version()
        if version is not None and written_with(version, mirror) != success.dictionary_version:
            return Why.DICTIONARY
        why = detect.decide(past.known, seen, mirror.node, now, horizon=self._horizon, full_every=self._full_every)
        if (
            why is Why.BLIND
            and not it.report
            and it.asked is not Why.TOUCHED
            and _within(BLIND_EVERY, past.exported_at, now)
        ):
            return None
        if why in _PACED and self._paced(mirror, it):
            return None
        return why

    def _back(self, past: Past) -> bool:
        """Whether it was held back because the inbox was not mounted, and the inbox is there again."""
        reason = past.last.reason if past.last is not None else ""
        return reason.startswith(str(guards.unmounted(self._folder.root))) and self._folder.mounted

    def _paced(self, mirror: Mirror, it: Round) -> bool:
        """What is exported often and takes long would keep the commons busy."""
        past = self._memory.of(mirror)
        wished = it.report or it.asked is not None
        return not wished and _within(PACE * past.took, past.exported_at, self._clock.now())

    def _journal(
        self, project: Project, changed: Mapping[str, Sequence[Mirror]], seen: Signature, early: Journal | None
    ) -> Journal | None:
        """What was written since the mirrors were refreshed, where that may be few: one question for all of them, and
        none where `early`, which came with the signature, tells it."""
        known = [
            past
            for node, mirrors in changed.items()
            if all(worth_asking(self._memory.of(mirror).known, seen, node) for mirror in mirrors)
            for past in (self._memory.of(mirror).known for mirror in mirrors)
        ]
        if not known:
            return None
        if early is not None and all(names_all(each, seen, early) for each in known):
            return early
        late = frozenset[int]().union(*(waited_for(each, seen) for each in known))
        if len(late) > MOST_TRANSACTIONS:
            return None
        told = journal(self._client, project, max(seen.ok - (each.ok or 0) for each in known), late)
        if isinstance(told, Journal):
            return told
        log.info("the log cannot be read: %s", told.message, extra={"project": str(project)})
        return None

    def _standing(self, mirror: Mirror, sha256: str | None) -> Standing:
        try:
            return self._folder.standing(mirror, sha256)
        except OSError:
            return Standing.EDITED  # what cannot be read cannot be trusted; publishing will say what is wrong

    def _look(self, project: Project, nodes: Sequence[str]) -> tuple[Signature | None, Journal | None]:
        """The signature, or None where there is none to be had; what it means then is `_why`'s. And what the next
        transactions after the last look wrote, as far as they could be guessed."""
        if not self._may_query(project):
            self._say_blind("forbidden", f"The key may not query {project} through GraphQL (service peregrine).")
            return None, None
        with self._lock:
            if self._blind_until is not None and self._clock.monotonic() < self._blind_until:
                return None, None
            # Where this look fails, whyever, the next asks for the signature alone.
            newest, moved = self._newest.pop(project, (None, 0.0))
            likely = self._likely(newest, moved)
        asked = [node for node in nodes if _NAME.fullmatch(node)]
        answer, early = signature_and_written(self._client, project, asked, likely)
        if likely and isinstance(answer, replies.Refused):
            answer = signature(self._client, project, asked)
            with self._lock:
                self._together = self._together and not isinstance(answer, replies.Signature)
        match answer:
            case replies.Signature():
                with self._lock:
                    self._blind_until, self.sees = None, True
                    if answer.newest is not None:
                        moved = moved if answer.newest == newest else self._clock.monotonic()
                        self._newest[project] = (answer.newest, moved)
                return Signature.read(answer), early
            case replies.Unknown(reason=reason):
                log.info("unknown: %s", reason, extra={"project": str(project)})
            case replies.Missing() | replies.Broken(cause=replies.BrokenCause.CONTENT):
                with self._lock:
                    self._blind_until, self.sees = self._clock.monotonic() + _LOOK_AGAIN, False
                self._say_blind("missing", f"The commons has no GraphQL ({answer.message.rstrip('.')}).")
            case _:
                log.info("no signature: %s", answer.message, extra={"project": str(project)})
        return None, None

    def _likely(self, newest: int | None, moved: float) -> list[int]:
        """Transactions that a project may have next, where it is worth asking for them."""
        if newest is None or not self._together or self._clock.monotonic() - moved >= _LATELY:
            return []
        return [newest + each + 1 for each in range(_AHEAD)]

    def _say_blind(self, what: str, reason: str) -> None:
        if self._memory.once(f"no graphql: {what}"):
            text = f"{reason} Mirrors are exported whole each time, at most every {BLIND_EVERY.seconds // 60} minutes."
            log.warning("%s", text)
            self._memory.tell(EventLevel.WARNING, "no-graphql", text)


def _within(span: timedelta, since: datetime | None, now: datetime) -> bool:
    return since is not None and timedelta() <= now - since < span
