"""How a ledger of an older version becomes today's, one small step after another.

Owns the history of the schema. A migration, once released, is never edited: it is what happened to files out there.
To change the schema: change `schema.py`, add a function here that does the same to a file of the version before, append
it to MIGRATIONS. A test proves that both give the same tables.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

Migration = Callable[[Connection], None]

_VERSION_1 = (
    """
    CREATE TABLE schema_version (
        version INTEGER NOT NULL, applied_at BIGINT NOT NULL, gen3sync TEXT NOT NULL,
        PRIMARY KEY (version))
    """,
    """
    CREATE TABLE drops (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        path TEXT NOT NULL, sha256 TEXT NOT NULL, size BIGINT NOT NULL, snapshot TEXT NOT NULL,
        arrived_at BIGINT NOT NULL, program TEXT, project TEXT, state TEXT NOT NULL, verdict TEXT,
        reason TEXT NOT NULL, error_class TEXT NOT NULL, attempts INTEGER NOT NULL, next_attempt_at BIGINT,
        counts JSON NOT NULL, receipt TEXT, source TEXT NOT NULL, allow_erase BOOLEAN NOT NULL,
        updated_at BIGINT NOT NULL, ended_at BIGINT,
        CONSTRAINT ended_when_ended CHECK ((state = 'ended') = (ended_at IS NOT NULL)))
    """,
    "CREATE INDEX drops_by_path ON drops (path, id)",
    "CREATE INDEX drops_by_state ON drops (state, id)",
    """
    CREATE TABLE requests (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        drop_id INTEGER NOT NULL, document_name TEXT NOT NULL, program TEXT NOT NULL, project TEXT NOT NULL,
        node TEXT NOT NULL, chunk INTEGER NOT NULL, rows INTEGER NOT NULL, keys JSON NOT NULL, log_mark BIGINT,
        state TEXT NOT NULL, transaction_id BIGINT, started_at BIGINT NOT NULL, ended_at BIGINT,
        FOREIGN KEY(drop_id) REFERENCES drops (id), UNIQUE (document_name))
    """,
    "CREATE INDEX requests_by_drop ON requests (drop_id, id)",
    "CREATE INDEX requests_by_state ON requests (state, id)",
    """
    CREATE TABLE refreshes (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        mirror TEXT NOT NULL, program TEXT NOT NULL, project TEXT NOT NULL, node TEXT NOT NULL, format TEXT NOT NULL,
        started_at BIGINT NOT NULL, ended_at BIGINT NOT NULL, outcome TEXT NOT NULL, rows BIGINT, bytes BIGINT,
        sha256 TEXT, path TEXT, reason TEXT NOT NULL, signature TEXT, dictionary_version TEXT,
        since BIGINT NOT NULL, times INTEGER NOT NULL)
    """,
    "CREATE INDEX refreshes_by_key ON refreshes (mirror, program, project, node, format, id)",
    "CREATE INDEX refreshes_by_end ON refreshes (ended_at)",
    """
    CREATE TABLE latest_refreshes (
        mirror TEXT NOT NULL, program TEXT NOT NULL, project TEXT NOT NULL, node TEXT NOT NULL, format TEXT NOT NULL,
        refresh_id INTEGER NOT NULL, success_id INTEGER,
        PRIMARY KEY (mirror, program, project, node, format),
        FOREIGN KEY(refresh_id) REFERENCES refreshes (id), FOREIGN KEY(success_id) REFERENCES refreshes (id))
    """,
    """
    CREATE TABLE events (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        at BIGINT NOT NULL, level TEXT NOT NULL, kind TEXT NOT NULL, drop_id INTEGER, mirror TEXT, text TEXT NOT NULL,
        FOREIGN KEY(drop_id) REFERENCES drops (id))
    """,
    "CREATE INDEX events_by_at ON events (at)",
    "CREATE INDEX events_by_drop ON events (drop_id, id)",
    """
    CREATE TABLE orders (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        at BIGINT NOT NULL, verb TEXT NOT NULL, arguments JSON NOT NULL, taken_at BIGINT, done_at BIGINT, result TEXT)
    """,
    "CREATE INDEX orders_by_taken ON orders (taken_at, id)",
    """
    CREATE TABLE parked_projects (
        program TEXT NOT NULL, project TEXT NOT NULL, reason TEXT NOT NULL, error_class TEXT NOT NULL,
        since BIGINT NOT NULL, next_look_at BIGINT,
        PRIMARY KEY (program, project))
    """,
    "CREATE TABLE notes (key TEXT NOT NULL, value JSON NOT NULL, PRIMARY KEY (key))",
)


def first(connection: Connection) -> None:
    """The ledger of gen3sync 0.1."""
    for statement in _VERSION_1:
        connection.exec_driver_sql(statement)


def second(connection: Connection) -> None:
    """How often a parked project was looked at in vain."""
    connection.exec_driver_sql("ALTER TABLE parked_projects ADD COLUMN attempts INTEGER DEFAULT 1 NOT NULL")


def third(connection: Connection) -> None:
    """How long the machine had been up when a request was sent: what nobody can set tells how old it is."""
    connection.exec_driver_sql("ALTER TABLE requests ADD COLUMN uptime FLOAT")


MIGRATIONS: tuple[Migration, ...] = (first, second, third)
"""Version n of the schema is what the first n of these make."""
