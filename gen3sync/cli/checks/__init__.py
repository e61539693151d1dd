"""The doctor: one file for each check. Each looks at one thing and says ok, warn or fail, what it saw, and the remedy.

A check is a module with `TITLE` and `look(site) -> Iterator[Finding]`. It may raise Gen3SyncError: that is a fail with
the error's own words. A check that cannot look because an earlier one failed says nothing about it; `NEEDS` names what
it builds on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, cast

from gen3sync.errors import ExitCode, Gen3SyncError

if TYPE_CHECKING:
    from gen3sync.cli.invocation import Invocation
    from gen3sync.commons.client import CommonsClient
    from gen3sync.config import Settings
    from gen3sync.names import Project
    from gen3sync.records.dictionary import Dictionary


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look brought. `exit_code` is what `check` ends with when this is the first failure."""

    level: Level
    what: str
    remedy: str = ""
    exit_code: ExitCode = ExitCode.SOFTWARE


def ok(what: str) -> Finding:
    return Finding(Level.OK, what)


def warn(what: str, remedy: str) -> Finding:
    return Finding(Level.WARN, what, remedy)


def fail(what: str, remedy: str, exit_code: ExitCode) -> Finding:
    return Finding(Level.FAIL, what, remedy, exit_code)


class Site:
    """What the checks look at: settings, commons, dictionary. Each is made once, when first asked for, or raises."""

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation
        self._client: CommonsClient | None = None

    @cached_property
    def settings(self) -> Settings:
        return self.invocation.settings()

    @property
    def client(self) -> CommonsClient:
        if self._client is None:
            from gen3sync.commons.connect import open_commons

            self._client = open_commons(self.settings.commons, self.invocation.env)
        return self._client

    @cached_property
    def dictionary(self) -> Dictionary:
        from gen3sync.cli.ask import expect
        from gen3sync.records.dictionary import Dictionary

        return Dictionary.from_json(expect(self.client.dictionary(), "the dictionary"))

    @cached_property
    def projects(self) -> tuple[Project, ...]:
        """All projects the commons lists, whether the key may use them or not."""
        from gen3sync.cli.ask import expect

        found: list[Project] = []
        for program in expect(self.client.programs(), "the list of programs"):
            found += expect(self.client.projects(program), f"the list of projects in {program}")
        return tuple(sorted(found))

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


class Check(Protocol):
    """What a module of this folder offers."""

    TITLE: str
    NEEDS: tuple[str, ...]

    def look(self, site: Site) -> Iterator[Finding]: ...


@dataclass(frozen=True, slots=True)
class Report:
    """One check and what it found; no findings means that it could not look."""

    check: str
    title: str
    findings: tuple[Finding, ...]
    skipped: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.skipped) or any(finding.level is Level.FAIL for finding in self.findings)


ORDER = (
    "configuration",
    "folders",
    "watches",
    "metrics",
    "notify",
    "credentials",
    "commons",
    "clock",
    "permissions",
    "nodes",
)


def examine(site: Site, names: tuple[str, ...] = ORDER) -> Iterator[Report]:
    """Runs the checks in order, each after those it builds on."""
    from importlib import import_module

    failed: set[str] = set()
    for name in names:
        check = cast("Check", import_module(f"gen3sync.cli.checks.{name}"))
        missing = [need for need in check.NEEDS if need in failed]
        if missing:
            report = Report(name, check.TITLE, (), skipped=f"not looked at: {missing[0]} comes first")
        else:
            report = Report(name, check.TITLE, tuple(_look(check, site)))
        if report.failed:
            failed.add(name)
        yield report


def _look(check: Check, site: Site) -> Iterator[Finding]:
    try:
        yield from check.look(site)
    except Gen3SyncError as error:
        yield fail(error.what, error.remedy, error.exit_code)
    except OSError as error:
        yield fail(f"{error.filename or check.TITLE}: {error.strerror or error}.", "", ExitCode.IO)
