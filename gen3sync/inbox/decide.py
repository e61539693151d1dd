"""Why each mirror of a round is refreshed, or is not: what `detect` says of its file and of the node's copy, and what
is too soon.

Leaves to others: asking (`look`), the rules themselves (`detect`, `touch`), refreshing (`refresh`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gen3sync.clock import Clock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.journal import Journal, journal
from gen3sync.inbox import detect, guards
from gen3sync.inbox.detect import Known, Signature, Why
from gen3sync.inbox.held import Holding, later
from gen3sync.inbox.look import BLIND_FOR, Looked
from gen3sync.inbox.memory import Memory, Past
from gen3sync.inbox.outcomes import written_with
from gen3sync.inbox.plan import Mirror
from gen3sync.inbox.publish import Folder, Standing
from gen3sync.inbox.touch import MOST_TRANSACTIONS, names_all, waited_for, worth_asking
from gen3sync.ledger import Outcome
from gen3sync.names import Project

log = logging.getLogger(__name__)

BLIND_EVERY = timedelta(seconds=BLIND_FOR)
# A mirror that changes all the time is exported so seldom that it takes a tenth of the time at most.
PACE = 10
# CHANGED is held to it where a few records will not do: see `Task.paced`.
_PACED = (Why.SETTLED, Why.BLIND)
# How long a mirror that could not be published rests while its signature stays the same.
_PAUSES = {Outcome.GUARDED: timedelta(hours=1), Outcome.FAILED: timedelta(minutes=5)}
# Not needed for a file that is old when the node's copy is not.
_OF_RECORDS = (Why.CHANGED, Why.SETTLED, Why.FULL)
_AT_HAND = (Why.UNCHANGED, Why.CHANGED)


@dataclass(frozen=True, slots=True)
class Round:
    """What to look at. `asked`: a person or our own submission wants it exported; `report`: and to hear of each mirror,
    so nothing is left out for being too soon. `ended` hears of each group of mirrors when its part is over."""

    project: Project
    mirrors: tuple[Mirror, ...]
    asked: Why | None = None
    accept: bool = False
    report: bool = False
    ended: Callable[[str], None] = lambda _group: None


class Decider:
    """Thread-safe. `version` tells the dictionary's version, None where it is not known."""

    def __init__(
        self,
        client: CommonsClient,
        memory: Memory,
        folder: Folder,
        holding: Holding,
        clock: Clock,
        *,
        horizon: timedelta,
        full_every: timedelta,
        version: Callable[[], str | None],
    ) -> None:
        self._client = client
        self._memory = memory
        self._folder = folder
        self._holding = holding
        self._clock = clock
        self._horizon = horizon
        self._full_every = full_every
        self._version = version

    def in_any_case(self, mirror: Mirror, it: Round) -> Why | None:
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

    def why(self, mirror: Mirror, sure: Why | None, looked: Looked, it: Round, since: datetime) -> Why | None:
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
        if why in _PACED and self.paced(mirror, it):
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

    def known(self, mirror: Mirror, seen: Signature | None) -> Known:
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

    def paced(self, mirror: Mirror, it: Round) -> bool:
        """What is exported often and takes long would keep the commons busy."""
        past = self._memory.of(mirror)
        wished = it.report or it.asked is not None
        return not wished and _within(PACE * past.took, past.exported_at, self._clock.now())

    def journal(
        self, project: Project, changed: Mapping[str, Sequence[Mirror]], seen: Signature | None, early: Journal | None
    ) -> tuple[set[str], Journal | None]:
        """The nodes for which a few records may do, and what was written since they were refreshed: one question for
        all of them, and none where `early`, which came with the signature, tells it."""
        few: set[str] = set()
        if seen is None:
            return few, None
        known: list[Known] = []
        for node, mirrors in changed.items():
            if seen.count(node) == 0 and all(self._is_empty(mirror) for mirror in mirrors):
                few.add(node)
                continue
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

    def _is_empty(self, mirror: Mirror) -> bool:
        success = self._memory.of(mirror).success
        return success is not None and success.rows == 0

    def _base(self, mirror: Mirror, seen: Signature) -> Known:
        """What is remembered of the records that a few are to be put into."""
        held = self._holding.of(mirror.project, mirror.node)
        shows = held is not None and held.shows(mirror, self._memory.of(mirror).success)
        return self.known(mirror, seen) if held is None or shows else held.known

    def _standing(self, mirror: Mirror, sha256: str | None) -> Standing:
        try:
            return self._folder.standing(mirror, sha256)
        except OSError:
            return Standing.EDITED  # what cannot be read cannot be trusted; publishing will say what is wrong


def _within(span: timedelta, since: datetime | None, now: datetime) -> bool:
    return since is not None and timedelta() <= now - since < span
