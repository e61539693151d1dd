"""What people and processes tell each other: history, orders, parked projects, notes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from gen3sync.ledger.groups import Group, as_row, known
from gen3sync.ledger.rows import Event, EventLevel, Json, Order, ParkedProject
from gen3sync.ledger.schema import events, notes, orders, parked_projects
from gen3sync.names import Project


class Events(Group):
    """History, a line each."""

    def add(
        self,
        level: EventLevel,
        kind: str,
        text: str,
        *,
        drop_id: int | None = None,
        mirror: str | None = None,
    ) -> Event:
        """Adds a line. `kind` is a short word such as `landed` or `guarded`; `text` must hold no secret."""
        values = {"at": self._clock.now(), "level": level, "kind": kind, "text": text}
        with self._database.writing() as connection:
            statement = insert(events).values(**values, drop_id=drop_id, mirror=mirror).returning(*events.c)
            return as_row(Event, connection.execute(statement).mappings().one())

    def recent(
        self,
        limit: int = 50,
        *,
        drop_id: int | None = None,
        mirror: str | None = None,
        kind: str | None = None,
        since: datetime | None = None,
    ) -> tuple[Event, ...]:
        """The newest lines, newest first."""
        query = select(events).order_by(events.c.id.desc()).limit(limit)
        if drop_id is not None:
            query = query.where(events.c.drop_id == drop_id)
        if mirror is not None:
            query = query.where(events.c.mirror == mirror)
        if kind is not None:
            query = query.where(events.c.kind == kind)
        if since is not None:
            query = query.where(events.c.at >= since)
        with self._database.reading() as connection:
            return tuple(as_row(Event, row) for row in connection.execute(query).mappings())

    def after(self, id: int, limit: int = 1000) -> tuple[Event, ...]:
        """The lines that came after line `id`, oldest first: for whoever follows the history."""
        query = select(events).where(events.c.id > id).order_by(events.c.id).limit(limit)
        with self._database.reading() as connection:
            return tuple(as_row(Event, row) for row in connection.execute(query).mappings())

    def newest(self) -> int:
        """The number of the newest line; 0 before the first."""
        with self._database.reading() as connection:
            return int(connection.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one())


class Orders(Group):
    """Wishes from the command line while a daemon is alive; each is taken by one taker, once."""

    def place(self, verb: str, arguments: Mapping[str, Json]) -> Order:
        """Leaves a wish for the daemon. `arguments` is plain JSON."""
        values = {"at": self._clock.now(), "verb": verb, "arguments": dict(arguments)}
        with self._database.writing() as connection:
            made = connection.execute(insert(orders).values(**values).returning(*orders.c))
            return as_row(Order, made.mappings().one())

    def take(self) -> Order | None:
        """The oldest wish nobody has taken, now taken; None when there is none."""
        oldest = select(orders.c.id).where(orders.c.taken_at.is_(None)).order_by(orders.c.id).limit(1)
        with self._database.reading() as connection:  # most looks find nothing: no write lock, no flush for those
            if connection.execute(oldest).first() is None:
                return None
        with self._database.writing() as connection:
            statement = update(orders).where(orders.c.id == oldest.scalar_subquery())
            made = connection.execute(statement.values(taken_at=self._clock.now()).returning(*orders.c))
            found = made.mappings().one_or_none()
            return None if found is None else as_row(Order, found)

    def finish(self, id: int, result: str) -> Order:
        """Says how a wish ended, in words (or JSON) for whoever waits for it."""
        with self._database.writing() as connection:
            statement = update(orders).where(orders.c.id == id)
            made = connection.execute(statement.values(done_at=self._clock.now(), result=result).returning(*orders.c))
            return as_row(Order, known(made.mappings().one_or_none(), "order", id))

    def get(self, id: int) -> Order:
        """Raises LedgerError if there is none."""
        with self._database.reading() as connection:
            found = connection.execute(select(orders).where(orders.c.id == id)).mappings().one_or_none()
            return as_row(Order, known(found, "order", id))

    def put_back(self) -> int:
        """At a daemon's start: what a dead one had taken and not finished can be taken again. Returns how many."""
        with self._database.writing() as connection:
            unfinished = orders.c.taken_at.is_not(None) & orders.c.done_at.is_(None)
            return connection.execute(update(orders).where(unfinished).values(taken_at=None)).rowcount


class Projects(Group):
    """Parked projects."""

    def park(self, project: Project, reason: str, error_class: str, next_look_at: datetime | None) -> ParkedProject:
        """Parks a project, or renews why: that is one more look in vain, and `since` stays that of the first time."""
        fresh = {"reason": reason, "error_class": error_class, "next_look_at": next_look_at}
        key = {"program": project.program, "project": project.code}
        statement = upsert(parked_projects).values(**key, **fresh, since=self._clock.now(), attempts=1)
        again = fresh | {"attempts": parked_projects.c.attempts + 1}
        statement = statement.on_conflict_do_update(index_elements=list(parked_projects.primary_key), set_=again)
        with self._database.writing() as connection:
            made = connection.execute(statement.returning(*parked_projects.c))
            return as_row(ParkedProject, made.mappings().one())

    def look(self, project: Project) -> bool:
        """It is looked at again now; what that finds is told by `park` or `release`. Whether it was parked."""
        with self._database.writing() as connection:
            statement = update(parked_projects).where(_of(project)).values(next_look_at=None)
            return connection.execute(statement).rowcount > 0

    def release(self, project: Project) -> bool:
        """Whether it was parked."""
        with self._database.writing() as connection:
            return connection.execute(delete(parked_projects).where(_of(project))).rowcount > 0

    def all(self) -> tuple[ParkedProject, ...]:
        """By program and project."""
        query = select(parked_projects).order_by(parked_projects.c.program, parked_projects.c.project)
        with self._database.reading() as connection:
            return tuple(as_row(ParkedProject, row) for row in connection.execute(query).mappings())


def _of(project: Project) -> ColumnElement[bool]:
    return (parked_projects.c.program == project.program) & (parked_projects.c.project == project.code)


class Notes(Group):
    """Small facts to remember, JSON by key."""

    def get(self, key: str, default: Json = None) -> Json:
        """The value at `key`, or `default`."""
        with self._database.reading() as connection:
            found = connection.execute(select(notes.c.value).where(notes.c.key == key)).one_or_none()
            return default if found is None else found[0]

    def set(self, key: str, value: Json) -> None:
        """Remembers plain JSON; never a secret."""
        statement = upsert(notes).values(key=key, value=value)
        with self._database.writing() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))

    def forget(self, key: str) -> bool:
        """Whether there was something to forget."""
        with self._database.writing() as connection:
            return connection.execute(delete(notes).where(notes.c.key == key)).rowcount > 0

    def once(self, key: str) -> bool:
        """True the first time it is asked for `key`, ever; for warnings that are told once."""
        statement = upsert(notes).values(key=f"once:{key}", value=True).on_conflict_do_nothing()
        with self._database.writing() as connection:
            return connection.execute(statement).rowcount > 0
