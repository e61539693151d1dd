"""A house for the inbox's scenarios: a sandbox commons, folders, and the rooms the inbox needs, on a clock of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gen3sync.catalog import Catalog
from gen3sync.clock import Clock, ManualClock, SystemClock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.connect import open_commons
from gen3sync.config import Settings
from gen3sync.inbox import Inbox
from gen3sync.inbox.state import MirrorState
from gen3sync.ledger import Ledger, Refresh, open_ledger
from gen3sync.names import Project
from gen3sync.sandbox.sandbox import Sandbox

TEST = Project("DEV", "test")


class House:
    """Everything about one inbox. `restart` closes the rooms and builds them anew on the same folders."""

    def __init__(self, sandbox: Sandbox, folder: Path, clock: Clock, **inbox: Any) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.clock = clock
        key = sandbox.write_api_key(folder / "key.json")
        (folder / "state").mkdir(exist_ok=True)
        # Faults of exports are met only by exports: whoever wants to see a few records patched says how seldom all are.
        inbox.setdefault("full_every", "1h")
        mirror = inbox.pop("mirror", [{"projects": ["DEV-test"], "nodes": ["*"], "every": "1h"}])
        self.settings = Settings.model_validate(
            {
                "path": folder / "config.toml",
                "commons": {"url": sandbox.url, "credentials": str(key), "read_timeout": 30, "deadline": 120},
                "outbox": {"path": str(folder / "outbox")},
                "inbox": {"path": str(folder / "inbox"), "mirror": mirror, **inbox},
                "state": {"path": str(folder / "state")},
            }
        )
        self.build()

    client: CommonsClient
    catalog: Catalog
    ledger: Ledger
    inbox: Inbox

    def build(self) -> None:
        self.client = open_commons(self.settings.commons, {}, self.clock)
        self.catalog = Catalog(self.client, self.clock, self.settings.state.path)
        self.ledger = open_ledger(self.settings.state.ledger, self.clock)
        self.inbox = Inbox(self.settings, self.client, self.catalog, self.ledger, self.clock)

    def close(self) -> None:
        self.inbox.stop(60)
        self.client.close()
        self.ledger.close()

    def restart(self) -> None:
        self.close()
        self.build()

    def look(self) -> dict[str, Refresh]:
        """One pass over all mirrors, by file name."""
        return {refresh.mirror: refresh for refresh in self.inbox.run_once()}

    def pull(self, *names: str) -> dict[str, Refresh]:
        return {refresh.mirror: refresh for refresh in self.inbox.run_once(names)}

    def text(self, name: str) -> str:
        return (self.folder / "inbox" / name).read_text(encoding="utf-8")

    def rows(self, name: str) -> list[str]:
        """submitter_ids in a mirrored TSV, in the order of the file."""
        header, *lines = (line.split("\t") for line in self.text(name).splitlines())
        return [line[header.index("submitter_id")] for line in lines]

    def files(self) -> set[str]:
        """Names of mirrors and what stands beside them, without gen3sync's own and what is told of changes."""
        root = self.folder / "inbox"
        found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        own = (".gen3sync", "changes.jsonl")
        return {name for name in found if not name.rpartition("/")[2].startswith(own) and "/.versions/" not in name}

    def state(self, name: str) -> MirrorState:
        return next(each for each in self.inbox.status().mirrors if each.file == name)

    def exports(self) -> int:
        """Exports asked of the commons so far."""
        return sum("/export" in request.path for request in self.sandbox.requests)

    def queries(self) -> int:
        return sum(request.path.endswith("/graphql") for request in self.sandbox.requests)


@contextmanager
def house(
    folder: Path, *, projects: tuple[str, ...] = ("DEV-test",), clock: Clock | None = None, **inbox: Any
) -> Iterator[House]:
    with Sandbox(projects=projects) as sandbox:
        made = House(sandbox, folder, clock or ManualClock(SystemClock().now()), **inbox)
        try:
            yield made
        finally:
            made.close()


def study(sandbox: Sandbox, *names: str, project: str = "DEV-test", **props: Any) -> None:
    code = project.partition("-")[2]
    sandbox.write(
        project,
        [{"type": "study", "submitter_id": name, "projects": {"code": code}, **props} for name in names],
    )


def subjects(sandbox: Sandbox, *names: str, project: str = "DEV-test", study: str = "ST-1", **props: Any) -> None:
    sandbox.write(
        project,
        [{"type": "subject", "submitter_id": name, "studies": {"submitter_id": study}, **props} for name in names],
    )
