"""The settings: every key with its type, default, reason and an example.

Owns what a key may say by itself; what keys must not say together is in `checks.py`. `sample-config.toml` and
docs/reference/configuration.md show the same keys and defaults; a test walks these models and compares.

Built by hand (in tests) the models take the same values as from a file; paths are then left as they are given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from gen3sync.config.choices import (
    Blanks,
    LogFormat,
    LogLevel,
    MirrorFormat,
    News,
    OnInvalid,
    Send,
    Watch,
)
from gen3sync.config.types import (
    Address,
    Bytes,
    Cron,
    FileNamePattern,
    FilePath,
    ForeverOrSeconds,
    Glob,
    Listen,
    Name,
    Seconds,
    SecretAddress,
    Share,
    TimeOfDay,
    Versions,
)
from gen3sync.config.values import Keep


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _key(why: str, example: str, default: Any = ..., **limits: Any) -> Any:
    """A key: one line of why, and an example as it would stand in the file."""
    return Field(default, description=why, examples=[example], **limits)


class CommonsSettings(_Section):
    """Which commons, with which key, and how patient to be with it."""

    url: Address | None = _key(
        "The commons' address. Left out, it is the one that issued the key.", '"https://commons.example.org"', None
    )
    credentials: FilePath | None = _key(
        "The API key file. Left out: $GEN3_API_KEY, then systemd's credential api-key, then ~/.gen3/credentials.json.",
        '"~/.gen3/credentials.json"',
        None,
    )
    connect_timeout: Seconds = _key("How long a connection may take to open.", '"10s"', 10.0, gt=0)
    read_timeout: Seconds = _key(
        "How long the commons may stay silent; a little over its own limit of 300 s.", '"5m30s"', 330.0, gt=0
    )
    deadline: Seconds = _key("How long one exchange may take in all.", '"15m"', 900.0, gt=0)
    ca_file: FilePath | None = _key(
        "Certificates of a private authority, in PEM. Left out, the public ones.", '"/etc/ssl/lab-ca.pem"', None
    )
    horizon: Seconds = _key(
        "After this long without a trace a request that got no answer is taken as not done.", '"10m"', 600.0, gt=0
    )


class Route(_Section):
    """Sends files that lie outside PROGRAM/PROJECT folders to a project. The first pattern that matches counts."""

    pattern: Glob = _key("Files it is for: a glob on the path inside the outbox.", '"cases/*.tsv"')
    program: Name = _key("The program they go to.", '"DEV"')
    project: Name = _key("The project they go to.", '"test"')


class OutboxSettings(_Section):
    """The folder whose files are sent."""

    path: FilePath = _key("The folder people drop files into.", '"outbox"')
    sent: FilePath = _key(
        "Where files go that landed, with their receipts. Left out: `sent` beside the outbox.", '"sent"', Path("sent")
    )
    rejected: FilePath = _key(
        "Where files and rows go that were refused. Left out: `rejected` beside the outbox.",
        '"rejected"',
        Path("rejected"),
    )
    settle: Seconds = _key("How long a file must lie still before it is taken.", '"2s"', 2.0)
    rescan: Seconds = _key("How often the folder is read whole, whatever events said.", '"1m"', 60.0, gt=0)
    watch: Watch = _key("How files are noticed between scans.", '"auto"', Watch.AUTO)
    ignore: tuple[Glob, ...] = _key(
        "More names to leave alone, as globs; hidden, temporary and lock files always are.", '["draft-*", "old/*"]', ()
    )
    ready_marker: StrictBool = _key(
        "true: a file is taken only when an empty NAME.ready lies beside it.", "true", False
    )
    send: Send = _key("Send only what differs from the commons, or every row.", '"changes"', Send.CHANGES)
    on_invalid: OnInvalid = _key(
        "Refused rows: send the good ones (split), or nothing of the file (reject).", '"split"', OnInvalid.SPLIT
    )
    blanks: Blanks = _key(
        "Blank cells that would erase stored values: ask first (guard), erase, keep or refuse.", '"guard"', Blanks.GUARD
    )
    parallel: StrictInt = _key("Requests in flight at once, all projects together.", "2", 2, ge=1, le=16)
    chunk_rows: StrictInt = _key("Most rows in one request.", "1000", 1000, ge=1, le=100_000)
    chunk_bytes: Bytes = _key(
        "Largest request; 900 kB passes a proxy that kept its default limit of 1 MB.", '"900 kB"', 900_000, ge=1000
    )
    target: Seconds = _key("How long one request should take; chunks grow and shrink towards it.", '"10s"', 10.0, gt=0)
    link_grace: Seconds = _key("How long a row waits for a parent that is not there yet.", '"1d"', 86_400.0)
    keep: ForeverOrSeconds = _key("How long whatever lies in sent and rejected is kept.", '"90d"', None)
    route: tuple[Route, ...] = _key("See [[outbox.route]].", "[[outbox.route]]", ())

    @model_validator(mode="before")
    @classmethod
    def _siblings(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        path = data.get("path")
        if not isinstance(path, str | Path):
            return data
        beside = Path(path).parent
        return {"sent": str(beside / "sent"), "rejected": str(beside / "rejected"), **data}


class MirrorSettings(_Section):
    """Nodes of projects that the inbox always shows."""

    name: Name | None = _key(
        "What messages and `gen3sync pull` call these mirrors together. Left out, their number.", '"clinical"', None
    )
    projects: tuple[Glob, ...] = _key(
        "Projects by name or glob, as PROGRAM/PROJECT or as PROGRAM-PROJECT.", '["DEV/test", "DEV-*"]', min_length=1
    )
    nodes: tuple[Glob, ...] = _key('Nodes by name or glob; "*" for all.', '["case", "sample"]', min_length=1)
    format: MirrorFormat = _key(
        "tsv for spreadsheets and re-submission; json and jsonl (a record a line) lose nothing.",
        '"tsv"',
        MirrorFormat.TSV,
    )
    columns: tuple[Glob, ...] = _key(
        "Only these columns, by name or glob, in this order. Left out or empty, all.", '["submitter_id", "age*"]', ()
    )
    filename: FileNamePattern | None = _key(
        "How these files are called. Left out, as [inbox] filename says.", '"{project}/{node}.{format}"', None
    )
    every: Seconds | None = _key("How often it is refreshed. Either this or `cron`.", '"15m"', None, ge=1)
    cron: Cron | None = _key(
        "When it is refreshed: minute, hour, day of month, month, weekday. Either this or `every`.",
        '"0 6 * * mon-fri"',
        None,
    )
    timezone: str | None = _key("The time zone `cron` counts in. Left out, the machine's own.", '"Europe/Berlin"', None)
    jitter: Seconds = _key(
        "Starts up to this much later, at random, so that mirrors do not all start at once.", '"30s"', 0.0
    )
    keep: Versions = _key(
        'Earlier versions to keep in .versions: so many (10), or for so long ("30d").', '"30d"', Keep()
    )
    max_age: Seconds | None = _key("Older than this, the mirror counts as degraded in status.", '"1d"', None, gt=0)


class InboxSettings(_Section):
    """The folder that shows what the commons holds."""

    path: FilePath = _key("The folder mirrors are written to.", '"inbox"')
    filename: FileNamePattern = _key(
        "How mirrored files are called.", '"{program}/{project}/{node}.{format}"', "{program}/{project}/{node}.{format}"
    )
    max_shrink: Share = _key("A refresh that would lose more rows than this waits for a person.", '"50 %"', 0.5)
    parallel: StrictInt = _key("Exports at once.", "2", 2, ge=1, le=16)
    full_every: Seconds = _key(
        "How often a mirror is exported whole even when nothing seems changed.", '"1d"', 86_400.0, gt=0
    )
    mirror: tuple[MirrorSettings, ...] = _key("See [[inbox.mirror]].", "[[inbox.mirror]]", ())


class StateSettings(_Section):
    """What gen3sync itself must not forget."""

    path: FilePath = _key("gen3sync's own folder, on a local disk.", '"state"')
    ledger: FilePath = _key(
        "Its memory. Left out: `ledger.sqlite` in the state folder.", '"state/ledger.sqlite"', Path("ledger.sqlite")
    )

    @model_validator(mode="before")
    @classmethod
    def _within(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("path"), str | Path):
            return data
        return {"ledger": str(Path(data["path"]) / "ledger.sqlite"), **data}


class LogSettings(_Section):
    """What is logged, and how."""

    level: LogLevel = _key("The least important lines that are logged.", '"info"', LogLevel.INFO)
    format: LogFormat = _key("auto is human on a terminal and keyvalue under systemd.", '"auto"', LogFormat.AUTO)


class MetricsSettings(_Section):
    """Metrics and health over HTTP, for a monitoring system on this machine."""

    listen: Listen | None = _key(
        "Where /metrics, /healthz and /readyz are served. Left out, no port is opened.", '"127.0.0.1:9473"', None
    )
    expose: StrictBool = _key(
        "true: `listen` may be an address other machines reach; whoever reaches it can read.", "false", False
    )


class NotifySettings(_Section):
    """Messages to people who are not looking, by mail, chat or webhook. Needs the extra `notify`."""

    urls: tuple[SecretAddress, ...] = _key(
        "Where messages go: addresses as apprise writes them. They hold secrets: better in `urls_file`.",
        '["mailto://user:password@example.org"]',
        (),
    )
    urls_file: FilePath | None = _key(
        "A file of such addresses, one a line. Left out: $GEN3SYNC_NOTIFY_URLS, then systemd's credential notify-urls.",
        '"notify-urls"',
        None,
    )
    events: tuple[News, ...] = _key(
        "What is told: rejects, parked, mirrors, key, daemon, digest.", '["parked", "key", "daemon"]', tuple(News)
    )
    group: Seconds = _key("What happens within this time of something told is told together with it.", '"2m"', 120.0)
    digest: TimeOfDay = _key("When the day is summed up, by this machine's clock, or off.", '"07:30"', "off")


class Sections(_Section):
    """The configuration file of gen3sync."""

    commons: CommonsSettings = Field(CommonsSettings(), description=CommonsSettings.__doc__)
    outbox: OutboxSettings = Field(description=OutboxSettings.__doc__, examples=['path = "outbox"'])
    inbox: InboxSettings = Field(description=InboxSettings.__doc__, examples=['path = "inbox"'])
    state: StateSettings = Field(description=StateSettings.__doc__, examples=['path = "state"'])
    log: LogSettings = Field(LogSettings(), description=LogSettings.__doc__)
    metrics: MetricsSettings = Field(MetricsSettings(), description=MetricsSettings.__doc__)
    notify: NotifySettings = Field(NotifySettings(), description=NotifySettings.__doc__)


class Settings(Sections):
    """The settings in force, and the file they came from."""

    path: Path
