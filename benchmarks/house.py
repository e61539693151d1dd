"""A temporary installation of gen3sync: folders and a configuration for the commons that is measured."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commons import Commons
from gen3sync.config import Settings, load_settings
from gen3sync.names import Project


@dataclass(frozen=True)
class House:
    """Folders and a configuration file."""

    folder: Path
    config: Path

    @property
    def settings(self) -> Settings:
        return load_settings(self.config, {})

    def outbox(self, project: Project) -> Path:
        """The folder that files for `project` are dropped into."""
        folder = self.folder / "outbox" / project.program / project.code
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def sent(self, project: Project) -> Path:
        """Where its files go that landed."""
        folder = self.folder / "sent" / project.program / project.code
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def build(folder: Path, commons: Commons, outbox: str = "", mirrors: str = "", log: str = "error") -> House:
    """Writes the configuration. `outbox` are lines of its section, `mirrors` whole [[inbox.mirror]] tables."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "gen3sync.toml"
    config.write_text(
        f'[commons]\nurl = "{commons.url}"\ncredentials = "{commons.credentials}"\n'
        f'[outbox]\npath = "outbox"\n{outbox}\n[inbox]\npath = "inbox"\n{mirrors}\n'
        f'[state]\npath = "state"\n[log]\nlevel = "{log}"\nformat = "keyvalue"\n'
    )
    return House(folder, config)


@contextmanager
def temporary(keep: bool) -> Iterator[Path]:
    """A folder for one run; GEN3SYNC_BENCH_FOLDER says below which."""
    folder = Path(tempfile.mkdtemp(prefix="gen3sync-bench-", dir=os.environ.get("GEN3SYNC_BENCH_FOLDER")))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def environment(folder: Path) -> Mapping[str, str]:
    """For measured processes: a home of their own, so that no cached token or configuration of the user counts."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    hidden = ("GEN3", "CREDENTIALS", "XDG_", "NOTIFY_SOCKET", "PYTHONPROFILE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1"}
