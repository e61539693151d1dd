"""The commons measured against: a sandbox of our own in another process, or any commons by its address and key."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen3sync.names import Project

REAL: Mapping[str, float | int | None] = {
    "request": 0.08,
    "row": 0.01,
    "read": 0.001,
    "export_rows": 18_000,
    "workers": 2,
}
"""Seconds (and rows a second, and workers) that a real server took; docs/reference/benchmarks.md says where."""
FREE: Mapping[str, float | int | None] = {"workers": 2}


@dataclass(frozen=True)
class Request:
    """One request as the sandbox logged it; times are of the monotonic clock, which all processes share."""

    method: str
    path: str
    started_at: float
    ended_at: float | None
    rows: int
    status: int | None

    @property
    def is_put(self) -> bool:
        return self.method == "PUT"

    @property
    def is_query(self) -> bool:
        return self.path.rstrip("/").endswith("/graphql")

    @property
    def is_about_records(self) -> bool:
        """Asks for records, or writes them; a daemon without work asks no such thing."""
        return self.is_put or self.is_query or self.path.rstrip("/").endswith("/export")

    def told(self, since: float) -> str:
        """One line of a trace: when it started and ended, what it was."""
        end = f"{self.ended_at - since:7.2f}" if self.ended_at is not None else "   open"
        return f"{self.started_at - since:7.2f} {end}  {self.method:4} {self.path[-40:]} {self.rows} rows {self.status}"


@dataclass(frozen=True)
class Commons:
    """Where requests go. `pid` is the sandbox's, None for a commons elsewhere."""

    url: str
    credentials: Path
    pid: int | None = None

    @property
    def is_sandbox(self) -> bool:
        return self.pid is not None

    def token(self) -> str:
        """An access token, for curl."""
        key = json.loads(self.credentials.read_text())
        asked = json.dumps({"api_key": key["api_key"], "key_id": key["key_id"]}).encode()
        address, kind = f"{self.url}/user/credentials/cdis/access_token", {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(address, asked, kind), timeout=60) as answer:
            return str(json.load(answer)["access_token"])

    def requests(self) -> list[Request]:
        """Everything asked of the sandbox so far."""
        return [
            Request(one["method"], one["path"], one["started_at"], one["ended_at"], one["rows"], one["status"])
            for one in self._ask("requests")
        ]

    def settings(self, **settings: object) -> None:
        """Changes what work costs in the sandbox."""
        self._ask("faults", {"kind": "settings", **settings})

    def write(self, project: Project, records: Sequence[Mapping[str, Any]]) -> None:
        """Another person's upload."""
        self._ask("write", {"project": project.id, "records": list(records)})

    def records(self, project: Project, node: str) -> list[dict[str, Any]]:
        """What the sandbox holds."""
        found: list[dict[str, Any]] = self._ask(f"records/{project.id}/{node}")
        return found

    def _ask(self, what: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sandbox/{what}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)


@contextmanager
def sandbox(
    folder: Path,
    projects: Sequence[Project],
    settings: Mapping[str, object],
    synthetic: Sequence[tuple[Project, str, int]] = (),
) -> Iterator[Commons]:
    """A sandbox in a process of its own."""
    key = folder / "sandbox-key.json"
    given = {
        "projects": [project.id for project in projects],
        "credentials": str(key),
        "synthetic": [(project.id, node, rows) for project, node, rows in synthetic],
        "settings": dict(settings),
    }
    command = [sys.executable, "-m", "benchmarks.sandbox_process", json.dumps(given)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = str(json.loads(process.stdout.readline())["url"])
            yield Commons(url, key, process.pid)
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
