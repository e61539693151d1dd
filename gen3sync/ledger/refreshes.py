"""Refreshes of mirrors: the newest of each mirrored file at once, the others as history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from gen3sync.ledger.groups import Group, as_row
from gen3sync.ledger.rows import SUCCESSES, MirrorKey, NewRefresh, Outcome, Refresh
from gen3sync.ledger.schema import latest_refreshes, refreshes


class Refreshes(Group):
    """One row a run that mattered; runs that found nothing changed, one after another, share a row (see `Refresh`)."""

    def add(self, new: NewRefresh) -> Refresh:
        """Writes a finished run down."""
        return self.add_all([new])[0]

    def add_all(self, news: Iterable[NewRefresh]) -> tuple[Refresh, ...]:
        """Writes several down at the price of one flush to the disk."""
        with self._database.writing() as connection:
            return tuple(self._add(connection, new) for new in news)

    def last(self, key: MirrorKey, success_only: bool = False) -> Refresh | None:
        """The newest run of a mirrored file, or its newest that succeeded."""
        pointer = latest_refreshes.c.success_id if success_only else latest_refreshes.c.refresh_id
        query = select(refreshes).join(latest_refreshes, refreshes.c.id == pointer).where(_of(latest_refreshes, key))
        found = self._many(query)
        return found[0] if found else None

    def latest_all(self, success_only: bool = False) -> tuple[Refresh, ...]:
        """The newest run of every mirrored file, by mirror, project and node."""
        pointer = latest_refreshes.c.success_id if success_only else latest_refreshes.c.refresh_id
        key = latest_refreshes.c
        order = (key.mirror, key.program, key.project, key.node, key.format)
        return self._many(select(refreshes).join(latest_refreshes, refreshes.c.id == pointer).order_by(*order))

    def recent(self, limit: int = 50, mirror: str | None = None, node: str | None = None) -> tuple[Refresh, ...]:
        """The newest runs, newest first."""
        query = select(refreshes).order_by(refreshes.c.ended_at.desc(), refreshes.c.id.desc()).limit(limit)
        if mirror is not None:
            query = query.where(refreshes.c.mirror == mirror)
        if node is not None:
            query = query.where(refreshes.c.node == node)
        return self._many(query)

    def changes(self, after: int = 0) -> tuple[Refresh, ...]:
        """The newest run of each mirrored file that found something else than before, of those after run `after`."""
        own = refreshes.c
        query = select(func.max(own.id)).where(own.outcome == Outcome.UPDATED, own.id > after)
        newest = query.group_by(own.mirror, own.program, own.project, own.node, own.format)
        return self._many(select(refreshes).where(own.id.in_(newest)).order_by(own.id))

    def _add(self, connection: Connection, new: NewRefresh) -> Refresh:
        values = asdict(new) | {"ended_at": new.ended_at or self._clock.now()}
        pointer = latest_refreshes.c.refresh_id
        query = select(refreshes).join(latest_refreshes, refreshes.c.id == pointer)
        found = connection.execute(query.where(_of(latest_refreshes, new.key))).mappings().one_or_none()
        if found is not None and new.outcome is Outcome.UNCHANGED and found["outcome"] is Outcome.UNCHANGED:
            again = update(refreshes).where(refreshes.c.id == found["id"])
            values["times"] = found["times"] + 1
            return as_row(Refresh, connection.execute(again.values(**values).returning(*refreshes.c)).mappings().one())
        values |= {"since": new.started_at, "times": 1}
        made = connection.execute(insert(refreshes).values(**values).returning(*refreshes.c))
        refresh = as_row(Refresh, made.mappings().one())
        pointers = {"refresh_id": refresh.id} | ({"success_id": refresh.id} if new.outcome in SUCCESSES else {})
        statement = upsert(latest_refreshes).values(**asdict(new.key), **pointers)
        connection.execute(
            statement.on_conflict_do_update(index_elements=list(latest_refreshes.primary_key), set_=pointers)
        )
        return refresh

    def _many(self, query: Select[tuple[object, ...]]) -> tuple[Refresh, ...]:
        with self._database.reading() as connection:
            return tuple(as_row(Refresh, row) for row in connection.execute(query).mappings())


def _of(table: Table, key: MirrorKey) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in asdict(key).items()))
