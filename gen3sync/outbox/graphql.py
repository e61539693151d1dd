"""Whether the commons' GraphQL can be counted on just now: asked through here, watched for all lanes together.

"GraphQL is an accelerator, never a requirement" (GEN3.md): a service of its own behind the same address, commonly with
one worker. Where it does not answer and the submission service does, it is waited for a short while; then everything
goes by exports, and it is looked at again now and then. A commons that is down as a whole gives no reason for that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gen3sync.clock import Clock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.replies import (
    Broken,
    BrokenCause,
    Busy,
    Failure,
    GraphqlData,
    Refused,
    Unauthorised,
)
from gen3sync.names import Project, printable
from gen3sync.outbox.backoff import LOOK_AGAIN

PATIENCE = 60.0
"""Seconds for which GraphQL is waited for."""
TRIES = 3
_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 15.0
SILENCE = 60.0
"""Seconds without a word after which a question counts as not answered: it takes 0.1 s, and proxies wait 300."""
_ELSEWHERE = (BrokenCause.CREDENTIALS, BrokenCause.CANCELLED)


@dataclass(frozen=True, slots=True)
class GraphqlDown(Broken):
    """GraphQL does not answer, and the submission service does. `wait`: seconds until it may be asked again."""

    wait: float = 0.0


def _nobody(_text: str) -> None:
    """Nobody wants to know."""


class GraphqlWatch:
    """What is known of the commons' GraphQL. Thread-safe; one for all lanes, for they ask the same service.

    1. A question that broke while the submission service answered raises a doubt.
    2. A doubt that lasts `patience` seconds and `tries` questions means that GraphQL is given up.
    3. One answer ends both. Given up, it is looked at again every few minutes (`may_look`), by one caller.
    """

    def __init__(
        self,
        clock: Clock,
        tell: Callable[[str], None] = _nobody,
        *,
        patience: float = PATIENCE,
        tries: int = TRIES,
    ) -> None:
        self._clock, self._tell = clock, tell
        self._lock = threading.Lock()
        self._patience, self._tries = patience, tries
        self._since: float | None = None
        self._failed = 0
        self._next = 0.0
        self._unsure = False
        self._said = ""
        self._given_up = False

    def at_once(self) -> None:
        """Do not wait for GraphQL at all: somebody waits for one pass to end."""
        with self._lock:
            self._patience, self._tries = 0.0, 1

    @property
    def doubted(self) -> bool:
        """The last question broke, here or everywhere: ask the submission service first, and alone."""
        with self._lock:
            return self._unsure or self._since is not None

    @property
    def given_up(self) -> str:
        """Why GraphQL is done without; empty while it is not."""
        with self._lock:
            return f"GraphQL does not answer: {self._said}" if self._given_up else ""

    def pause(self) -> GraphqlDown | None:
        """That it is too early to ask again."""
        with self._lock:
            left = self._next - self._clock.monotonic()
            if self._since is None or left <= 0:
                return None
            return GraphqlDown(f"GraphQL does not answer: {self._said}", BrokenCause.STATUS, wait=left)

    def may_look(self) -> bool:
        """Whether it is time to look at it again; True for one caller."""
        with self._lock:
            now = self._clock.monotonic()
            if not self._given_up or now < self._next:
                return False
            self._next = now + LOOK_AGAIN
            return True

    def answered(self) -> None:
        with self._lock:
            back, self._given_up = self._given_up, False
            self._since, self._failed, self._unsure = None, 0, False
        if back:
            self._tell("GraphQL answers again.")

    def all_down(self) -> None:
        """The submission service does not answer either: that says nothing about GraphQL."""
        with self._lock:
            self._unsure = True
            if not self._given_up:
                self._since, self._failed = None, 0

    def failed(self, message: str, asked_at: float) -> GraphqlDown:
        """A question put at `asked_at` (monotonic) broke, while the submission service answered."""
        with self._lock:
            now, self._said = self._clock.monotonic(), printable(message, 300)
            self._unsure = False
            gone = False
            if self._since is None or now >= self._next:
                # Questions that were on their way together are one try.
                self._since = asked_at if self._since is None else self._since
                self._failed += 1
                self._next = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (self._failed - 1))
            if self._failed >= self._tries and now - self._since >= self._patience:
                gone, self._given_up = not self._given_up, True
                self._next = now + LOOK_AGAIN
            wait = max(0.0, self._next - now)
            said = f"GraphQL does not answer: {self._said}"
        if gone:
            self._tell(f"{said.rstrip('.')}. Records are compared and proven by exports until it does.")
        return GraphqlDown(said, BrokenCause.STATUS, wait=wait)


class Graphql:
    """Puts the questions of one project (it is what `commons.queries` asks through), and finds out what it means when
    one breaks."""

    def __init__(self, client: CommonsClient, project: Project, watch: GraphqlWatch, clock: Clock) -> None:
        self._client, self._project, self.watch, self._clock = client, project, watch, clock

    def graphql(self, query: str, variables: Mapping[str, object] | None = None) -> GraphqlData | Refused | Failure:
        asked_at = self._clock.monotonic()
        answer = self._client.graphql(query, variables, silence=SILENCE)
        match answer:
            case Broken(cause=cause) if cause in _ELSEWHERE:
                return answer
            case Unauthorised():
                return answer
            case Broken(cause=BrokenCause.CONTENT):
                self.watch.failed(answer.message, asked_at)
                return answer
            case Broken() | Busy():
                down = self.commons_down()
                if down is not None:
                    return down
                return self.watch.failed(answer.message, asked_at)
            case _:
                self.watch.answered()
                return answer

    def commons_down(self) -> Failure | None:
        """Whether the submission service does not answer either: by a question that its database has to answer."""
        found = self._client.projects(self._project.program)
        match found:
            case Broken(status=400):
                return None
            case Broken() | Busy() | Unauthorised():
                self.watch.all_down()
                return found
            case _:
                return None
