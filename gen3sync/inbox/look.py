"""Asking the commons whether anything changed in a project: one GraphQL question, and what no answer means.

Leaves to others: what the answer means for a mirror (`detect`), and what is done about it (`rounds`).
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gen3sync.clock import Clock
from gen3sync.commons import replies
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.journal import Journal
from gen3sync.commons.queries import signature, signature_and_written
from gen3sync.inbox.detect import Signature
from gen3sync.inbox.memory import Memory
from gen3sync.ledger import EventLevel
from gen3sync.names import Project, printable

log = logging.getLogger(__name__)

# Without signatures every look is an export, so there are fewer of them than `every` may ask for; and a commons whose
# GraphQL is unwell is waited for that long before its mirrors are exported whole.
BLIND_FOR = 300.0
# A commons that has no GraphQL is asked again whether it has some by now.
_LOOK_AGAIN = 3600.0
# What so many next transactions wrote is asked together with whether anything was: a commons numbers them one by one.
# It costs a look at a key for each, so it is only done where transactions were seen lately.
_AHEAD = 2
_LATELY = 1800.0
# A count of transactions is of use for so long, in a project that has been at rest for so long: see `Looker.counted`.
_COUNTED_FOR = 600.0
_AT_REST = 60.0
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Looked:
    """`seen` is None where there is no signature to be had; `early` is what the next transactions after the last look
    wrote, as far as they could be guessed. `waits`: GraphQL is unwell since a moment, so nothing is to be concluded
    yet; `failure`: how."""

    seen: Signature | None = None
    early: Journal | None = None
    waits: bool = False
    failure: replies.Failure | None = None


@dataclass(slots=True)
class _Of:
    """What is remembered of a project. Times are of the monotonic clock."""

    newest: int | None = None  # the newest transaction; None: its likely successors are not asked for
    moved: float = 0.0
    ok: int | None = None  # succeeded transactions
    looked: float = 0.0
    grew: float | None = None
    unwell: float | None = None


class Looker:
    """Thread-safe."""

    def __init__(
        self, client: CommonsClient, memory: Memory, clock: Clock, may_query: Callable[[Project], bool]
    ) -> None:
        self._client = client
        self._memory = memory
        self._clock = clock
        self._may_query = may_query
        self._lock = threading.Lock()
        self._of: dict[Project, _Of] = {}
        self._blind_until: float | None = None
        self._together = True
        self._strange: dict[str, float] = {}

    def counted(self, project: Project) -> int | None:
        """How many transactions had succeeded at a look not long ago, where none was seen to succeed lately.

        An export may begin together with the next look instead of after it, if that look counts the same: then nothing
        was logged between the two looks, and whatever was stored without being logged yet moves the count later, or
        stays pending. So the signature is as good as one read before the export.
        """
        with self._lock:
            known, now = self._of.get(project), self._clock.monotonic()
            if known is None or now - known.looked > _COUNTED_FOR:
                return None
            return known.ok if known.grew is None or now - known.grew >= _AT_REST else None

    def look(self, project: Project, nodes: Sequence[str]) -> Looked:
        """Asks. Nodes that GraphQL does not know are left out of the signature."""
        if not self._may_query(project):
            self._say_blind("forbidden", f"The key may not query {project} through GraphQL (service peregrine).")
            return Looked()
        now = self._clock.monotonic()
        with self._lock:
            if self._blind_until is not None and now < self._blind_until:
                return Looked()
            known = self._of.setdefault(project, _Of())
            # Where this look fails, whyever, the next asks for the signature alone.
            newest, known.newest = known.newest, None
            likely = self._likely(newest, known.moved)
            asked = [node for node in nodes if _NAME.fullmatch(node) and self._strange.get(node, now) <= now]
        answer, early = signature_and_written(self._client, project, asked, likely)
        if likely and isinstance(answer, replies.Refused):
            answer = signature(self._client, project, asked)
            with self._lock:
                self._together = self._together and not isinstance(answer, replies.Signature)
        if asked and isinstance(answer, replies.Refused):
            answer = self._without_strange(project, asked) or answer
        return self._heard(project, known, newest, answer, early)

    def _heard(self, project: Project, known: _Of, newest: int | None, answer: object, early: Journal | None) -> Looked:
        now = self._clock.monotonic()
        match answer:
            case replies.Signature():
                with self._lock:
                    self._blind_until, known.unwell = None, None
                    if known.ok is not None and known.ok != answer.ok:
                        known.grew = now
                    known.ok, known.looked = answer.ok, now
                    if answer.newest is not None:
                        known.moved = known.moved if answer.newest == newest else now
                        known.newest = answer.newest
                return Looked(Signature.read(answer), early)
            case replies.Unknown(reason=reason):
                log.info("unknown: %s", reason, extra={"project": str(project)})
                return Looked()
            case replies.Missing() | replies.Broken(cause=replies.BrokenCause.CONTENT):
                with self._lock:
                    self._blind_until = now + _LOOK_AGAIN
                self._say_blind("missing", f"The commons has no GraphQL ({answer.message.rstrip('.')}).")
                return Looked()
            case replies.Broken() | replies.Busy() | replies.Refused():
                log.info("no signature: %s", answer.message, extra={"project": str(project)})
                with self._lock:
                    known.unwell = now if known.unwell is None else known.unwell
                    waits = now - known.unwell < BLIND_FOR
                return Looked(waits=waits, failure=None if isinstance(answer, replies.Refused) else answer)
            case _:
                log.info("no signature: %s", getattr(answer, "message", answer), extra={"project": str(project)})
                return Looked()

    def _without_strange(self, project: Project, nodes: Sequence[str]) -> replies.Signature | None:
        """The signature without the node types that GraphQL refuses: it reads the dictionary when it starts, so it may
        not know the newest. None where it is not they who are refused."""
        if not isinstance(signature(self._client, project, []), replies.Signature):
            return None
        strange: list[str] = []
        some = [list(nodes)]
        while some:
            part = some.pop()
            answer = signature(self._client, project, part)
            if isinstance(answer, replies.Signature):
                continue
            if not isinstance(answer, replies.Refused):
                return None
            half = len(part) // 2
            if half:
                some += [part[:half], part[half:]]
            else:
                strange += part
        with self._lock:
            self._strange.update(dict.fromkeys(strange, self._clock.monotonic() + _LOOK_AGAIN))
        for node in strange:
            self._say_blind(f"node {node}", f"The commons' GraphQL does not know the node type {printable(node)}.")
        answer = signature(self._client, project, [node for node in nodes if node not in strange])
        return answer if isinstance(answer, replies.Signature) else None

    def _likely(self, newest: int | None, moved: float) -> list[int]:
        """Transactions that a project may have next, where it is worth asking for them."""
        if newest is None or not self._together or self._clock.monotonic() - moved >= _LATELY:
            return []
        return [newest + each + 1 for each in range(_AHEAD)]

    def _say_blind(self, what: str, reason: str) -> None:
        if self._memory.once(f"no graphql: {what}"):
            minutes = int(BLIND_FOR // 60)
            text = f"{reason} Mirrors are exported whole each time, at most every {minutes} minutes."
            log.warning("%s", text)
            self._memory.tell(EventLevel.WARNING, "no-graphql", text)
