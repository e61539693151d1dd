"""Wishes of `pull`, `retry` and `withdraw`, left in the ledger while a daemon is alive: carried out beside its work."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from gen3sync.errors import Gen3SyncError, LedgerError

if TYPE_CHECKING:
    from gen3sync.daemon.compose import Rooms
    from gen3sync.ledger import Order

log = logging.getLogger(__name__)

_NAP = 30.0
"""Seconds after which it looks up when nobody wants anything."""


class Orders:
    """Takes orders when told to look, and carries them out one after another in a thread of its own."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._taken: deque[Order] = deque()
        self._wake = threading.Event()
        self._closed = threading.Event()
        serve = rooms.worker("orders").serves
        self._thread = threading.Thread(target=serve, args=(self._turn, self._closed), name="orders", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Takes whatever was ordered. Cheap when nothing was."""
        while order := self._rooms.ledger.orders.take():
            self._taken.append(order)
        self._wake.set()

    def close(self, seconds: float) -> bool:
        """Waits for the order at hand; those behind it are put back at the next start. False when it took too long."""
        self._closed.set()
        self._wake.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _turn(self) -> None:
        self._wake.clear()
        if self._taken:
            self._obey(self._taken.popleft())
        elif not self._closed.is_set():
            self._rooms.clock.wait(self._wake, _NAP)

    def _obey(self, order: Order) -> None:
        answer: dict[str, Any]
        try:
            answer = {"ok": True, "result": self._carry_out(order)}
        except Gen3SyncError as error:
            answer = {"ok": False, "what": error.what, "remedy": error.remedy, "exit_code": int(error.exit_code)}
        except Exception as error:  # an order must not end the thread that serves all others
            log.exception("an order failed", extra={"order": order.id, "verb": order.verb})
            answer = {"ok": False, "what": f"{type(error).__name__}: {error}", "remedy": "", "exit_code": 70}
        try:
            self._rooms.ledger.orders.finish(order.id, json.dumps(answer, default=str))
        except LedgerError as error:  # a full disk: the order is taken up again at the next start
            log.error("%s", error.what, extra={"order": order.id})  # noqa: TRY400 - a sentence, not a traceback

    def _carry_out(self, order: Order) -> Any:
        arguments = order.arguments
        log.info("order", extra={"order": order.id, "verb": order.verb})
        match order.verb:
            case "pull":
                return self._rooms.pull(tuple(arguments.get("mirrors", ())), accept=bool(arguments.get("accept")))
            case "withdraw":
                return list(self._rooms.withdraw(tuple(arguments.get("names", ()))))
            case "retry":
                return list(self._rooms.retry(tuple(arguments.get("names", ())), erase=bool(arguments.get("erase"))))
        raise Gen3SyncError(
            f"The daemon does not know the order {order.verb!r}.", "Restart the daemon: it is of another version."
        )
