"""Keys that choose among a few words: the words."""

from __future__ import annotations

from enum import StrEnum


class OnInvalid(StrEnum):
    """What happens to a drop with refused rows."""

    SPLIT = "split"
    REJECT = "reject"


class Blanks(StrEnum):
    """What a blank cell does to a stored value."""

    GUARD = "guard"
    ERASE = "erase"
    KEEP = "keep"
    REFUSE = "refuse"


class Send(StrEnum):
    """Which rows of a drop are sent."""

    CHANGES = "changes"
    ALL = "all"


class Watch(StrEnum):
    """How new files are noticed between scans."""

    AUTO = "auto"
    INOTIFY = "inotify"
    POLL = "poll"
    OFF = "off"


class MirrorFormat(StrEnum):
    """How mirrored files are written."""

    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"


class LogLevel(StrEnum):
    """The least important lines that are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    HUMAN = "human"
    KEYVALUE = "keyvalue"
    JSON = "json"


class News(StrEnum):
    """Kinds of news that people can be told."""

    REJECTS = "rejects"
    PARKED = "parked"
    MIRRORS = "mirrors"
    KEY = "key"
    DAEMON = "daemon"
    DIGEST = "digest"
