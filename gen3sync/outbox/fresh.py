"""GraphQL that lags behind the submission service (a copy of the database behind it, say) is not believed.

What this lane's requests have stored is known, and what those of an earlier life stored just now. Questions for records
ask in the same breath, and so in the same look at the database, whether the commons' log has the newest of these; an
answer without them is from before. Exports are the submission service's own and never lag.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass

from gen3sync.clock import Clock
from gen3sync.commons.asking import GUARD, Asks
from gen3sync.commons.replies import Broken, BrokenCause, Failure, GraphqlData, Refused, TransactionState
from gen3sync.names import Project

LAG = 60.0
"""Seconds for which a transaction of ours is asked for: later than that it is there, or was never told."""
MOST = 4
"""Transactions that are asked for at once: those proven last."""
_TELLS_NOTHING = 3
"""Transactions that were asked for in vain, after which this commons' log is taken to show none."""


@dataclass(frozen=True, slots=True)
class StaleAnswer(Broken):
    """What GraphQL shows is from before a request of ours landed."""


class Fresh:
    """Asks GraphQL for one project. Thread-safe."""

    def __init__(self, asks: Asks, project: Project, clock: Clock) -> None:
        self._asks, self._project, self._clock = asks, project, clock
        self._lock = threading.Lock()
        self._ours: dict[int, float] = {}
        self._asked: set[int] = set()
        self._in_vain = 0
        self._told = False
        """The log has shown one of ours."""

    def landed(self, transaction: int, ago: float = 0.0) -> None:
        """A request of ours has stored something, as was proven so many seconds ago."""
        with self._lock:
            self._ours[transaction] = self._clock.monotonic() - max(0.0, ago)

    @property
    def wary(self) -> bool:
        """Something of ours landed so lately that it may not be shown yet."""
        return bool(self._recent())

    def graphql(self, query: str, variables: dict[str, object] | None = None) -> GraphqlData | Refused | Failure:
        ours = self._recent() if GUARD in query else ()
        if not ours:
            return self._asks.graphql(query, variables)
        where = f"program:{json.dumps(self._project.program)},project:{json.dumps(self._project.code)}"
        seen = " ".join(f'ours{id}:transaction_log(id:"{id}",{where}){{state}}' for id in ours)
        answer = self._asks.graphql(query.replace(GUARD, f"{GUARD} {seen}", 1), variables)
        if not isinstance(answer, GraphqlData):
            return answer
        there = {id for id in ours if _succeeded(answer.data.get(f"ours{id}"))}
        with self._lock:
            self._asked.update(set(ours) - there)
            self._asked -= there
            self._told = self._told or bool(there)
        if len(there) == len(ours):
            return answer
        return StaleAnswer("GraphQL shows the records as they were before the last request.", BrokenCause.CONTENT, 200)

    def _recent(self) -> tuple[int, ...]:
        with self._lock:
            late = self._clock.monotonic() - LAG
            for id in [id for id, when in self._ours.items() if when < late]:
                del self._ours[id]
                if id in self._asked:
                    self._asked.discard(id)
                    self._in_vain += 1
            if self._in_vain >= _TELLS_NOTHING and not self._told:
                return ()
            return tuple(self._ours)[-MOST:]


def _succeeded(entries: object) -> bool:
    match entries:
        case [{"state": str(state)}]:
            return state == TransactionState.SUCCEEDED
        case _:
            return False
