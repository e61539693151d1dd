"""A round: the mirrors of one project looked at together, with one question to the commons.

Asks for the project's signature, decides for each mirror (`decide`), and hands what must be exported to `refresh`, a
few at once. Leaves to others: when a round is due (`inbox`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from gen3sync.clock import Clock
from gen3sync.commons import replies
from gen3sync.commons.client import CommonsClient
from gen3sync.files import folder_error
from gen3sync.inbox import detect
from gen3sync.inbox.decide import Decider, Round
from gen3sync.inbox.detect import Known, Signature, Why
from gen3sync.inbox.held import Holding
from gen3sync.inbox.look import Looked, Looker
from gen3sync.inbox.memory import Memory
from gen3sync.inbox.plan import Mirror
from gen3sync.inbox.proof import Told
from gen3sync.inbox.publish import Folder
from gen3sync.inbox.refresh import Done, Refresher
from gen3sync.inbox.work import Task
from gen3sync.ledger import EventLevel, Refresh
from gen3sync.life import Workers, resting, unwatched
from gen3sync.names import Project

log = logging.getLogger(__name__)

_PATCHED = {Why.CHANGED}


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
        self._memory = memory
        self._folder = folder
        self._refresher = refresher
        self._clock = clock
        self._looker = Looker(client, memory, clock, may_query)
        self._decider = Decider(
            client, memory, folder, holding, clock, horizon=horizon, full_every=full_every, version=version
        )
        self._worker = worker
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="gen3sync-export")

    def run(self, it: Round, told: Told = lambda _node, _rows: None) -> Result:
        """Looks, exports what is to be, and waits for it. Raises StoppedError, LedgerError."""
        with self._worker(f"look {it.project} {it.asked or it.mirrors[0].group}").at_work():
            return self._run(it, told)

    def _run(self, it: Round, told: Told) -> Result:
        since = self._clock.now()
        surely = {mirror: self._decider.in_any_case(mirror, it) for mirror in it.mirrors}
        with self._begun(it, surely, since, told) as (begun, asking):
            looked = self._looker.look(it.project, sorted({mirror.node for mirror in it.mirrors}))
            if looked.seen is not None and looked.seen.ok == asking.counted:
                asking.signature.set_result(looked.seen)
        rest = {mirror: why for mirror, why in surely.items() if mirror.node not in begun}
        refreshes, tasks = self._decided(it, rest, looked, since)
        futures = list(begun.values()) + [self._pool.submit(self._refresher.refresh, task, told) for task in tasks]
        nodes = [*begun, *(task.node for task in tasks)]
        _tell_ended(it, list(zip(nodes, futures, strict=True)))
        failure: replies.Failure | None = None
        with resting():
            for future in futures:
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
            match self._decider.why(mirror, sure, looked, it, since):
                case None:
                    continue
                case Why.CHANGED if self._decider.paced(mirror, it):
                    paced.add(mirror.node)
                    wanted.setdefault(mirror.node, []).append((mirror, Why.CHANGED))
                case Why.UNCHANGED if seen is not None:
                    unchanged.append((mirror, detect.after_look(self._decider.known(mirror, seen), seen, since)))
                case why:
                    wanted.setdefault(mirror.node, []).append((mirror, why))
        refreshes = list(self._unchanged(unchanged, since, it))
        if any(why is Why.BACKWARDS for each in wanted.values() for _, why in each):
            text = f"{it.project}: the commons counts fewer transactions than before; all is exported again."
            log.warning("the commons went back", extra={"project": str(it.project)})
            self._memory.tell(EventLevel.WARNING, "backwards", text)
        changed = {node: [m for m, _ in each] for node, each in wanted.items() if {why for _, why in each} == _PATCHED}
        few, journal = (
            self._decider.journal(it.project, changed, seen, looked.early) if seen is not None else (set(), None)
        )
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
            names = ",".join(mirror.name for mirror, _ in mirrors)
            problem = folder_error(f"An index of {it.project} cannot be written", error).what
            log.warning("%s", problem, extra={"mirror": names, "project": str(it.project)})
        return self._memory.finished_all(rows) if rows else ()


def _tell_ended(it: Round, work: Sequence[tuple[str, Future[Done]]]) -> None:
    """Tells of each group of the round when nothing of it is to be done any more, however long others take."""
    groups: dict[str, set[str]] = {}
    for mirror in it.mirrors:
        groups.setdefault(mirror.group, set()).add(mirror.node)
    lock = threading.Lock()

    def ended(node: str) -> None:
        with lock:
            left = [group for group, nodes in groups.items() if node in nodes]
            for group in left:
                groups[group].discard(node)
            over = [group for group in left if not groups[group] & busy]
        for group in over:
            it.ended(group)

    busy = {node for node, _ in work}
    for group in [group for group, nodes in groups.items() if not nodes & busy]:
        it.ended(group)
    for node, future in work:
        future.add_done_callback(lambda _, node=node: ended(node))  # type: ignore[misc]
