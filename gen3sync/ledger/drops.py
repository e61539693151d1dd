"""Drops and the requests that carry them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Unpack

from sqlalchemy import BindParameter, RowMapping, Select, func, insert, literal, select, update

from gen3sync.ledger.groups import Group, as_row, known
from gen3sync.ledger.rows import (
    UNSETTLED,
    Drop,
    DropFields,
    DropState,
    NewDrop,
    NewRequest,
    Request,
    RequestState,
    Verdict,
)
from gen3sync.ledger.schema import Moment, drops, requests
from gen3sync.names import Project

_NEWEST = 200
"""Requests among which the newest of a project are sought."""
_OPEN = tuple(state for state in DropState if state is not DropState.ENDED)


class Drops(Group):
    """One row an arrival of a file."""

    def add(self, new: NewDrop) -> Drop:
        """Writes an arrival down; it is on the disk when this returns."""
        now = self._clock.now()
        values = asdict(new) | {"arrived_at": new.arrived_at or now, "updated_at": now, "counts": dict(new.counts)}
        values["ended_at"] = now if new.state is DropState.ENDED else None
        with self._database.writing() as connection:
            made = connection.execute(insert(drops).values(**values).returning(*drops.c))
            return as_row(Drop, made.mappings().one())

    def update(self, id: int, **fields: Unpack[DropFields]) -> Drop:
        """Changes the given fields; ENDED sets `ended_at`, any other state clears it. Raises LedgerError if unknown."""
        now = self._clock.now()
        values: dict[str, object] = {**fields, "updated_at": now}
        if "counts" in fields:
            values["counts"] = dict(fields["counts"])
        if "state" in fields:
            ended = fields["state"] is DropState.ENDED
            values["ended_at"] = func.coalesce(drops.c.ended_at, _moment(now)) if ended else None
        with self._database.writing() as connection:
            made = connection.execute(update(drops).where(drops.c.id == id).values(**values).returning(*drops.c))
            found = made.mappings().one_or_none()
            return as_row(Drop, known(found, "drop", id))

    def get(self, id: int) -> Drop:
        """Raises LedgerError if there is none."""
        found = self._many(select(drops).where(drops.c.id == id))
        return known(found[0] if found else None, "drop", id)

    def open(self, project: Project | None = None) -> tuple[Drop, ...]:
        """What has not ended, oldest first; of one project where given."""
        # By name, not as "any but": only so the index serves, and it is asked for every few seconds, also after years.
        query = select(drops).where(drops.c.state.in_(_OPEN)).order_by(drops.c.id)
        if project is not None:
            query = query.where(drops.c.program == project.program, drops.c.project == project.code)
        return self._many(query)

    def newest_of_projects(self, after: int, but: Collection[Verdict] = ()) -> dict[Project, int]:
        """By project: the newest drop after drop `after`; those that ended as one of `but` do not count."""
        counts = drops.c.verdict.is_(None) | drops.c.verdict.not_in(but)
        query = (
            select(drops.c.program, drops.c.project, func.max(drops.c.id))
            .where(drops.c.id > after, drops.c.project.is_not(None), counts)
            .group_by(drops.c.program, drops.c.project)
        )
        with self._database.reading() as connection:
            return {Project(program, code): id for program, code, id in connection.execute(query)}

    def by_path(self, path: str) -> tuple[Drop, ...]:
        """All arrivals at `path`, newest first."""
        return self._many(select(drops).where(drops.c.path == path).order_by(drops.c.id.desc()))

    def recent(self, limit: int = 50, file: str | None = None) -> tuple[Drop, ...]:
        """The newest arrivals, newest first; `file` is a path relative to the outbox or just the file's name."""
        query = select(drops).order_by(drops.c.id.desc()).limit(limit)
        if file is not None:
            # Not LIKE, to which letter case is nothing: `Case.tsv` may be another file.
            at_any_depth = func.substr(drops.c.path, -len(file) - 1) == f"/{file}"
            query = query.where((drops.c.path == file) | at_any_depth)
        return self._many(query)

    def _many(self, query: Select[tuple[object, ...]]) -> tuple[Drop, ...]:
        with self._database.reading() as connection:
            return tuple(as_row(Drop, row) for row in connection.execute(query).mappings())


class Requests(Group):
    """One row a PUT, written before it is sent: what is in flight after a crash is known to the next run."""

    def begin(self, new: NewRequest) -> Request:
        """Writes a PUT down as in flight; it is on the disk when this returns. `document_name` must be new."""
        values = asdict(new) | {"state": RequestState.IN_FLIGHT, "started_at": self._clock.now()}
        values["uptime"] = self._clock.uptime()
        with self._database.writing() as connection:
            made = connection.execute(insert(requests).values(**values).returning(*requests.c))
            return _request(made.mappings().one())

    def finish(self, id: int, state: RequestState, transaction_id: int | None = None) -> Request:
        """Says what became of it. LOST keeps it unsettled; every other state ends it. A known transaction id stays."""
        values: dict[str, object] = {"state": state}
        if transaction_id is not None:
            values["transaction_id"] = transaction_id
        values["ended_at"] = None if state in UNSETTLED else self._clock.now()
        with self._database.writing() as connection:
            made = connection.execute(
                update(requests).where(requests.c.id == id).values(**values).returning(*requests.c)
            )
            return _request(known(made.mappings().one_or_none(), "request", id))

    def unsettled(self, project: Project | None = None) -> tuple[Request, ...]:
        """In flight or lost, oldest first: their records must not be written by anything else."""
        query = select(requests).where(requests.c.state.in_(UNSETTLED)).order_by(requests.c.id)
        if project is not None:
            query = query.where(requests.c.program == project.program, requests.c.project == project.code)
        return self._many(query)

    def landed_since(self, project: Project, since: datetime, limit: int) -> tuple[tuple[int, datetime], ...]:
        """Transactions that the commons said yes to and when, oldest first: the newest `limit` of a project since then.
        Sought among the newest requests of all projects, so that a long history costs nothing."""
        newest = select(func.max(requests.c.id)).scalar_subquery()
        query = (
            select(requests.c.transaction_id, requests.c.ended_at)
            .where(requests.c.id > newest - _NEWEST, requests.c.state == RequestState.LANDED)
            .where(requests.c.program == project.program, requests.c.project == project.code)
            .where(requests.c.transaction_id.is_not(None), requests.c.ended_at >= since)
            .order_by(requests.c.id.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return tuple((id, at) for id, at in connection.execute(query))[::-1]

    def of_drop(self, drop_id: int) -> tuple[Request, ...]:
        """All requests of a drop, oldest first."""
        return self._many(select(requests).where(requests.c.drop_id == drop_id).order_by(requests.c.id))

    def get(self, id: int) -> Request:
        """Raises LedgerError if there is none."""
        found = self._many(select(requests).where(requests.c.id == id))
        return known(found[0] if found else None, "request", id)

    def _many(self, query: Select[tuple[object, ...]]) -> tuple[Request, ...]:
        with self._database.reading() as connection:
            return tuple(_request(row) for row in connection.execute(query).mappings())


def _request(row: RowMapping) -> Request:
    return Request(**{**row, "keys": tuple(row["keys"])})


def _moment(at: datetime) -> BindParameter[datetime]:
    return literal(at, Moment)
