"""The one interface to the daemon's memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType

from sqlalchemy import delete, select

from gen3sync.clock import Clock
from gen3sync.ledger.database import Database, back_up, open_database
from gen3sync.ledger.drops import Drops, Requests
from gen3sync.ledger.refreshes import Refreshes
from gen3sync.ledger.rows import UNSETTLED, DropState, Pruned
from gen3sync.ledger.schema import drops, events, latest_refreshes, orders, refreshes, requests
from gen3sync.ledger.talk import Events, Notes, Orders, Projects


class Ledger:
    """What gen3sync must not forget. Safe for many threads; every call is durable when it returns.

    All methods raise LedgerError: full disk, lost file, damage, a row that is not there.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.path = database.path
        self.read_only = database.read_only
        self.drops = Drops(database, clock)
        self.requests = Requests(database, clock)
        self.refreshes = Refreshes(database, clock)
        self.events = Events(database, clock)
        self.orders = Orders(database, clock)
        self.projects = Projects(database, clock)
        self.notes = Notes(database, clock)

    @classmethod
    def open(cls, path: Path, clock: Clock, *, read_only: bool = False) -> Ledger:
        """See `gen3sync.ledger.open_ledger`."""
        return cls(open_database(path, clock, read_only=read_only), clock)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What this thread writes in the block lands as one: all of it or, if the block raises, none."""
        with self._database.writing():
            yield

    def changed(self) -> bool:
        """Whether anything was written since the last call, by any thread or process; True the first time. Cheap.

        One caller only: each call forgets what it has told.
        """
        return self._database.changed()

    def prune(self, before: datetime) -> Pruned:
        """Forgets what ended before `before`, so that the ledger does not grow for ever.

        Open drops and unsettled requests stay with all that belongs to them; so do the newest refresh and the newest
        success of each mirrored file, and orders that nobody has finished.
        """
        held = select(requests.c.drop_id).where(requests.c.state.in_(UNSETTLED))
        gone = select(drops.c.id).where(
            drops.c.state == DropState.ENDED, drops.c.ended_at < before, drops.c.id.not_in(held)
        )
        kept = select(latest_refreshes.c.refresh_id).union(
            select(latest_refreshes.c.success_id).where(latest_refreshes.c.success_id.is_not(None))
        )
        loose = events.c.drop_id.is_(None) & (events.c.at < before)
        with self._database.writing() as connection:
            pruned = Pruned(
                events=connection.execute(delete(events).where(loose | events.c.drop_id.in_(gone))).rowcount,
                requests=connection.execute(delete(requests).where(requests.c.drop_id.in_(gone))).rowcount,
                drops=connection.execute(delete(drops).where(drops.c.id.in_(gone))).rowcount,
                refreshes=connection.execute(
                    delete(refreshes).where(refreshes.c.ended_at < before, refreshes.c.id.not_in(kept))
                ).rowcount,
                orders=connection.execute(delete(orders).where(orders.c.done_at < before)).rowcount,
            )
        self._database.shrink()
        return pruned

    def back_up(self, target: Path) -> None:
        """A copy of the ledger as it is now; an existing file is left alone."""
        back_up(self._database, target)

    def close(self) -> None:
        """Gives the file back."""
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
