"""The one tree of errors. Each says what happened, to what, and what to do now.

    Gen3SyncError                     70  something gen3sync did not expect of itself
    ├── UsageError                    64  the command line asks for something that cannot be meant
    ├── InputError                    65  a file given to gen3sync cannot be used as it is
    ├── NotFoundError                 66  a named file, drop or mirror does not exist
    ├── CommonsError                  69  the commons answered, and the answer stops this work
    ├── FolderError                   73  a folder or file cannot be made or written
    ├── TemporaryError                75  worth trying again later
    │   ├── UnreachableError          75  no answer from the commons
    │   └── LockedError               75  another gen3sync works on the same folders
    ├── PermissionDeniedError         77  the key or the user lacks a right
    │   └── CredentialsError          77  there is no usable API key
    ├── UnreadableError               74  what gen3sync itself wrote cannot be read
    ├── LedgerError                   74  the ledger cannot be read or written
    └── ConfigError                   78  the configuration cannot be used

The numbers are the process exit codes of `sysexits.h`; docs/reference/exit-codes.md lists them for operators.
Refusals of single rows are data (`records.Problem`, `commons.Refused`), not exceptions.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Process exit codes, from `sysexits.h` where it has one."""

    OK = 0
    DEGRADED = 1  # work was done, some of it was refused or waits; also `status` when degraded
    DOWN = 2  # `status` when the daemon is down
    USAGE = 64
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    CANT_CREATE = 73
    IO = 74
    TEMPORARY = 75
    NO_PERMISSION = 77
    CONFIG = 78


class Gen3SyncError(Exception):
    """Something went wrong inside gen3sync.

    `what` is one sentence naming what happened and to what; `remedy` is one sentence saying what to do now.
    Neither may hold a secret: build them from paths, names, statuses and the server's prose, never from headers.
    """

    exit_code = ExitCode.SOFTWARE

    def __init__(self, what: str = "", remedy: str = "") -> None:
        self.what = what or (type(self).__doc__ or "").strip().splitlines()[0]
        self.remedy = remedy
        super().__init__(self.what, remedy)

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".strip()


class UsageError(Gen3SyncError):
    """The command line asks for something that cannot be meant."""

    exit_code = ExitCode.USAGE


class InputError(Gen3SyncError):
    """A file given to gen3sync cannot be used as it is."""

    exit_code = ExitCode.DATA


class NotFoundError(Gen3SyncError):
    """The named thing does not exist."""

    exit_code = ExitCode.NO_INPUT


class CommonsError(Gen3SyncError):
    """The commons answered, and the answer stops this work."""

    exit_code = ExitCode.UNAVAILABLE


class FolderError(Gen3SyncError):
    """A folder or file cannot be made or written."""

    exit_code = ExitCode.CANT_CREATE


class TemporaryError(Gen3SyncError):
    """Not now; the same may well work later."""

    exit_code = ExitCode.TEMPORARY


class UnreachableError(TemporaryError):
    """The commons does not answer."""


class LockedError(TemporaryError):
    """Another gen3sync works on the same folders."""


class PermissionDeniedError(Gen3SyncError):
    """The key or the user lacks a right."""

    exit_code = ExitCode.NO_PERMISSION


class CredentialsError(PermissionDeniedError):
    """There is no usable API key."""


class UnreadableError(Gen3SyncError):
    """What gen3sync itself wrote cannot be read: by this user, or from this disk."""

    exit_code = ExitCode.IO


class LedgerError(Gen3SyncError):
    """The ledger cannot be read or written."""

    exit_code = ExitCode.IO


class ConfigError(Gen3SyncError):
    """The configuration cannot be used."""

    exit_code = ExitCode.CONFIG
