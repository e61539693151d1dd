"""A round: the mirrors of one project looked at together, with one question to the commons.

Asks for the project's signature, decides for each mirror (`detect`), and hands what must be exported to `refresh`, a
few at once. Leaves to others: when a round is due (`inbox`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from gen3sync.clock import Clock
from gen3sync.commons import replies
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.journal import Journal, journal
from gen3sync.files import folder_error
from gen3sync.inbox import detect, guards
from gen3sync.inbox.detect import Known, Signature, Why
from gen3sync.inbox.held import Holding, later
from gen3sync.inbox.look import BLIND_FOR, Looked, Looker
from gen3sync.inbox.memory import Memory, Past
from gen3sync.inbox.outcomes import written_with
from gen3sync.inbox.plan import Mirror
from gen3sync.inbox.proof import Told
from gen3sync.inbox.publish import Folder, Standing
from gen3sync.inbox.refresh import Done, Refresher
from gen3sync.inbox.touch import MOST_TRANSACTIONS, names_all, waited_for, worth_asking
from gen3sync.inbox.work import Task
from gen3sync.ledger import EventLevel, Outcome, Refresh
from gen3sync.life import Workers, resting, unwatched
from gen3sync.names import Project

log = logging.getLogger(__name__)

BLIND_EVERY = timedelta(seconds=BLIND_FOR)
# A mirror that changes all the time is exported so seldom that it takes a tenth of the time at most.
PACE = 10
# CHANGED is held to it where a few records will not do: see `Task.paced`.
_PACED = (Why.SETTLED, Why.BLIND)
_PATCHED = {Why.CHANGED}
# How long a mirror that could not be published rests while its signature stays the same.
_PAUSES = {Outcome.GUARDED: timedelta(hours=1), Outcome.FAILED: timedelta(minutes=5)}
# Not needed for a file that is old when the node's copy is not.
_OF_RECORDS = (Why.CHANGED, Why.SETTLED, Why.FULL)
_AT_HAND = (Why.UNCHANGED, Why.CHANGED)


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


@dataclass(frozen=True, slots=True)
class _Asking:
    """A look whose answer exports that have begun already wait for. `counted`: what it must count to be of use."""

    counted: int | None
    signature: Future[Signature | None]


class Rounds:
    """Thread-safe. `close` waits for the exports at hand."""

    def __init__(
        self,
        client: CommonsClient,
        memory: Memory,
        folder: Folder,
        refresher: Refresher,
        holding: Holding,
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
        self._holding = holding
        self._clock = clock
        self._horizon = horizon
        self._full_every = full_every
        self._looker = Looker(client, memory, clock, may_query)
        self._version = version
        self._worker = worker
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="gen3sync-export")

    def run(self, it: Round, told: Told = lambda _node, _rows: None) -> Result:
        """Looks, exports what is to be, and waits for it. Raises StoppedError, LedgerError."""
        with self._worker(f"look {it.project} {it.asked or it.mirrors[0].group}").at_work():
            return self._run(it, told)

    def _run(self, it: Round, told: Told) -> Result:
        since = self._clock.now()
        surely = {mirror: self._in_any_case(mirror, it) for mirror in it.mirrors}
        with self._begun(it, surely, since, told) as (begun, asking):
            looked = self._looker.look(it.project, sorted({mirror.node for mirror in it.mirrors}))
            if looked.seen is not None and looked.seen.ok == asking.counted:
                asking.signature.set_result(looked.seen)
        rest = {mirror: why for mirror, why in surely.items() if mirror.node not in begun}
        refreshes, tasks = self._decided(it, rest, looked, since)
        failure: replies.Failure | None = None
        with resting():
            for future in [
                *begun.values(),
                *(self._pool.submit(self._refresher.refresh, task, told) for task in tasks),
            ]:
                done = future.result()
                refreshes.extend(done.refreshes)
                failure = failure or done.failure
        # GraphQL that is unwell is asked again before long, if mirrors wait for what it says.
        waiting = looked.failure if looked.waits and not it.report else None
        return Result(tuple(refreshes), failure or waiting)

    @contextmanager
    def _begun(
        self, it: Round, surely: Mapping[Mirror, Why | None], since: datetime, told: Told
    ) -> Iterator[tuple[dict[str, Future[Done]], _Asking]]:
        """While the commons is asked, exports that are made whatever it says, where that is as good: see `counted`."""
        asking = _Asking(self._looker.counted(it.project), Future())
        begun: dict[str, Future[Done]] = {}
        for node in dict.fromkeys(mirror.node for mirror in it.mirrors) if asking.counted is not None else ():
            mirrors = tuple(mirror for mirror in it.mirrors if mirror.node == node)
            whys = [surely[mirror] for mirror in mirrors]
            if None not in whys and (it.report or all(self._memory.of(mirror).tried is None for mirror in mirrors)):
                why = next(each for each in whys if each is not None)
                task = Task(it.project, node, mirrors, why, since, None, it.accept, asking=asking.signature)
                begun[node] = self._pool.submit(self._refresher.refresh, task, told)
        try:
            yield begun, asking
        finally:
            if not asking.signature.done():
                asking.signature.set_result(None)

    def _decided(
        self, it: Round, surely: Mapping[Mirror, Why | None], looked: Looked, since: datetime
    ) -> tuple[list[Refresh], list[Task]]:
        """What is found unchanged, written down, and what is to be refreshed."""
        seen = looked.seen
        unchanged: list[tuple[Mirror, Known]] = []
        wanted: dict[str, list[tuple[Mirror, Why]]] = {}
        paced: set[str] = set()
        for mirror, sure in surely.items():
            match self._why(mirror, sure, looked, it, since):
                case None:
                    continue
                case Why.CHANGED if self._paced(mirror, it):
                    paced.add(mirror.node)
                    wanted.setdefault(mirror.node, []).append((mirror, Why.CHANGED))
                case Why.UNCHANGED if seen is not None:
                    unchanged.append((mirror, detect.after_look(self._known(mirror, seen), seen, since)))
                case why:
                    wanted.setdefault(mirror.node, []).append((mirror, why))
        refreshes = list(self._unchanged(unchanged, since, it))
        if any(why is Why.BACKWARDS for each in wanted.values() for _, why in each):
            text = f"{it.project}: the commons counts fewer transactions than before; all is exported again."
            log.warning("the commons went back", extra={"project": str(it.project)})
            self._memory.tell(EventLevel.WARNING, "backwards", text)
        changed = {node: [m for m, _ in each] for node, each in wanted.items() if {why for _, why in each} == _PATCHED}
        few, journal = self._journal(it.project, changed, seen, looked.early) if seen is not None else (set(), None)
        tasks = [
            Task(
                it.project,
                node,
                tuple(mirror for mirror, _ in each),
                each[0][1],
                since,
                seen,
                it.accept,
                few=node in few,
                journal=journal,
                paced=node in paced and node in changed,
            )
            for node, each in wanted.items()
        ]
        return refreshes, tasks

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

    def _in_any_case(self, mirror: Mirror, it: Round) -> Why | None:
        """Why to export the mirror whatever the commons says of changes."""
        success = self._memory.of(mirror).success
        if success is None or self._standing(mirror, success.sha256) is not Standing.INTACT:
            return Why.FIRST
        if it.asked is Why.ASKED:
            return Why.ASKED
        version = self._version()
        if version is not None and written_with(version, mirror) != success.dictionary_version:
            return Why.DICTIONARY
        return None

    def _why(self, mirror: Mirror, sure: Why | None, looked: Looked, it: Round, since: datetime) -> Why | None:
        """Why to export the mirror; UNCHANGED, or None when nothing can be said and it is too soon to export."""
        past, seen = self._memory.of(mirror), looked.seen
        now = self._clock.now()
        if not it.report and past.tried == (seen.of(mirror.node) if seen is not None else None):
            # It was held back, or failed, and the commons still says the same: no need to try each time.
            outcome = past.last.outcome if past.last is not None else None
            if outcome in _PAUSES and _within(_PAUSES[outcome], past.tried_at, now) and not self._back(past):
                return None
        if sure is not None:
            return sure
        why = self._decide(past.known, seen, mirror.node, now)
        refreshed = past.known.refreshed_at
        if why is Why.BACKWARDS and refreshed is not None and since < refreshed <= now:
            return None  # another look was later than this one
        if why in _OF_RECORDS:
            why = self._at_hand(mirror, why, seen, now)
        blind = why is Why.BLIND and not it.report and it.asked is not Why.TOUCHED
        if blind and (looked.waits or _within(BLIND_EVERY, past.exported_at, now)):
            return None
        if why in _PACED and self._paced(mirror, it):
            return None
        return why

    def _at_hand(self, mirror: Mirror, why: Why, seen: Signature | None, now: datetime) -> Why:
        """`why` as the node's copy makes it, which is newer than the file when another mirror of it was refreshed."""
        held = self._holding.of(mirror.project, mirror.node)
        past = self._memory.of(mirror)
        if held is None or (why is Why.SETTLED and not detect.covers(held.known, past.known, horizon=self._horizon)):
            return why
        if held.shows(mirror, past.success):
            return self._decide(later(past.known, held.known), seen, mirror.node, now)
        return Why.CHANGED if self._decide(held.known, seen, mirror.node, now) in _AT_HAND else why

    def _decide(self, known: Known, seen: Signature | None, node: str, now: datetime) -> Why:
        return detect.decide(known, seen, node, now, horizon=self._horizon, full_every=self._full_every)

    def _known(self, mirror: Mirror, seen: Signature | None) -> Known:
        """What is remembered of the file, also from looks at other mirrors of the node if it shows what they show."""
        past = self._memory.of(mirror)
        if seen is None or self._decide(past.known, seen, mirror.node, self._clock.now()) is Why.UNCHANGED:
            return past.known
        held = self._holding.of(mirror.project, mirror.node)
        shows = held is not None and held.shows(mirror, past.success)
        return later(past.known, held.known) if held is not None and shows else past.known

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
    ) -> tuple[set[str], Journal | None]:
        """The nodes for which a few records may do, and what was written since they were refreshed: one question for
        all of them, and none where `early`, which came with the signature, tells it."""
        few: set[str] = set()
        known: list[Known] = []
        for node, mirrors in changed.items():
            bases = [self._base(mirror, seen) for mirror in mirrors]
            asks = [each for each in bases if each.signature != seen.of(node)]
            if all(worth_asking(each, seen, node) for each in asks):
                few.add(node)
                known += asks
        if not known:
            return few, None
        if early is not None and all(names_all(each, seen, early) for each in known):
            return few, early
        late = frozenset[int]().union(*(waited_for(each, seen) for each in known))
        if len(late) > MOST_TRANSACTIONS:
            return few, None
        told = journal(self._client, project, max(seen.ok - (each.ok or 0) for each in known), late)
        if isinstance(told, Journal):
            return few, told
        log.info("the log cannot be read: %s", told.message, extra={"project": str(project)})
        return few, None

    def _base(self, mirror: Mirror, seen: Signature) -> Known:
        """What is remembered of the records that a few are to be put into."""
        held = self._holding.of(mirror.project, mirror.node)
        shows = held is not None and held.shows(mirror, self._memory.of(mirror).success)
        return self._known(mirror, seen) if held is None or shows else held.known

    def _standing(self, mirror: Mirror, sha256: str | None) -> Standing:
        try:
            return self._folder.standing(mirror, sha256)
        except OSError:
            return Standing.EDITED  # what cannot be read cannot be trusted; publishing will say what is wrong


def _within(span: timedelta, since: datetime | None, now: datetime) -> bool:
    return since is not None and timedelta() <= now - since < span
