"""Statuses as a daemon shows them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gen3sync.status import (
    CommonsStatus,
    DaemonState,
    DaemonStatus,
    DropStatus,
    InboxStatus,
    KeyStatus,
    MirrorStatus,
    OutboxStatus,
    ParkedStatus,
    Status,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Beats:
    """Signs of life as a test wants them."""

    def __init__(self) -> None:
        self.known: dict[str, float] = {}
        self.late: tuple[str, ...] = ()

    def ages(self) -> dict[str, float]:
        return self.known

    def overdue(self) -> tuple[str, ...]:
        return self.late


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def status(state: DaemonState = DaemonState.RUNNING, problem: str = "") -> Status:
    """All is well, nothing is to be done."""
    return Status(
        written_at=at(0),
        daemon=DaemonStatus(state, 7, "lab", at(0), "0.1.0", "/etc/gen3sync/lab.toml", problem),
        commons=CommonsStatus("https://commons.example.org"),
        key=KeyStatus(),
        outbox=OutboxStatus("/srv/outbox"),
        inbox=InboxStatus("/srv/inbox"),
    )


def busy() -> Status:
    """Of everything something."""
    mirrors = (
        MirrorStatus("DEV/test/case.tsv", "DEV/test", "case", "tsv", "updated", at(-30), 12, 3400),
        MirrorStatus("DEV/test/sample.tsv", "DEV/test", "sample", "tsv", "guarded", at(-4000), 5, 600, stale=True),
        MirrorStatus("DEV/test/aliquot.tsv", "DEV/test", "aliquot", "tsv", "never"),
    )
    open_drops = (
        DropStatus(1, "a.tsv", "DEV/test", "parked", at(-500)),
        DropStatus(2, "b.tsv", "DEV/test", "sending", at(-90)),
        DropStatus(3, "c.tsv", "DEV/test", "sending", at(-20)),
    )
    parked = (ParkedStatus("DEV/shut", "closed", at(-10)),)
    return replace(
        status(),
        commons=CommonsStatus("https://commons.example.org", reachable=False, problem="no answer"),
        key=KeyStatus("lab", at(86_400), at(600)),
        outbox=OutboxStatus(
            "/srv/outbox",
            settling=4,
            open=open_drops,
            open_total=140,
            states={"parked": 101, "sending": 39},
            oldest={"parked": at(-500), "sending": at(-90)},
            parked_projects=parked,
        ),
        inbox=InboxStatus("/srv/inbox", mirrors, ("DEV/none matches nothing",)),
    )
