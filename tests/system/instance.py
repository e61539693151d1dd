"""One gen3sync service on the machine of the tests: installed as docs/how-to/run-as-a-service.md says, by the command
itself, with the unit as it ships. Tests shorten nothing but times, in a drop-in of their own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.machine import Machine, until

CONFIG = """\
[commons]
{commons}
[outbox]
path = "{folder}/outbox"
settle = "100ms"
rescan = "2s"
[inbox]
path = "{folder}/inbox"
[[inbox.mirror]]
projects = ["{project}"]
nodes = ["study"]
every = "2s"
[state]
path = "{state}"
"""
PROGRAM = "/opt/gen3sync/bin/gen3sync"


@dataclass
class Instance:
    """`gen3sync@NAME`, its folders in /srv/NAME."""

    machine: Machine
    name: str
    project: str = "DEV/test"
    commons: str = ""

    @property
    def unit(self) -> str:
        return f"gen3sync@{self.name}"

    @property
    def config(self) -> str:
        return f"/etc/gen3sync/{self.name}.toml"

    @property
    def key(self) -> str:
        return f"/etc/gen3sync/{self.name}.key.json"

    def configure(self, folder: str = "") -> None:
        text = CONFIG.format(
            commons=self.commons,
            folder=folder or f"/srv/{self.name}",
            project=self.project,
            state=f"/var/lib/gen3sync/{self.name}",
        )
        self.machine.write(self.config, text)

    def new_key(self, path: str = "") -> None:
        """As a person makes one on the commons' profile page and puts it in place."""
        key = self.machine.ask("api-key", {})
        target = self.machine.path(path or self.key)
        aside = target.with_name(f"{target.name}.new")
        aside.write_text(json.dumps(key), encoding="utf-8")
        aside.chmod(0o600)
        if target.exists():
            os.chown(aside, target.stat().st_uid, target.stat().st_gid)
        aside.rename(target)

    def install(self, *options: str) -> str:
        """`service install`; what it said."""
        return self.machine.run(PROGRAM, "service", "install", "--name", self.name, *options)

    def start(self, *options: str, times: str = "") -> None:
        """Installs, and does word for word what `install` said is next."""
        said = self.install(*options)
        dropin = f"/etc/systemd/system/gen3sync@{self.name}.service.d/90-test.conf"
        self.machine.write(dropin, f"[Service]\nRestartSec=100ms\n{times}\n")
        for command in said.partition("Next:\n")[2].splitlines():
            self.machine.run("sh", "-euc", command, env={"PATH": "/opt/gen3sync/bin:/usr/sbin:/usr/bin:/sbin:/bin"})

    def systemctl(self, *words: str, check: bool = True) -> str:
        return self.machine.run("systemctl", *words, self.unit, check=check)

    def show(self, name: str) -> str:
        return self.machine.show(self.unit, name)

    @property
    def pid(self) -> int:
        """Of the daemon, as the machine counts."""
        return int(self.show("MainPID"))

    @property
    def journal(self) -> str:
        return self.machine.journal(self.unit)

    def folder(self, name: str) -> Path:
        return self.machine.path(f"/srv/{self.name}/{name}")

    def drop(self, study: str) -> None:
        """A TSV with one study arrives."""
        there = self.folder("outbox") / self.project
        for folder in (there.parent, there):
            if not folder.exists():  # the set-group-id bit above makes it the group's; people's umask is 0002 there
                folder.mkdir()
                folder.chmod(0o2770)
        code = self.project.partition("/")[2]
        text = f"type\tsubmitter_id\tprojects.code\ttitle\nstudy\t{study}\t{code}\tabout {study}\n"
        (there / f"{study}.tsv").write_text(text, encoding="utf-8")

    def receipt(self, study: str) -> dict[str, Any] | None:
        path = self.folder("sent") / self.project / f"{study}.tsv.receipt.json"
        return json.loads(path.read_bytes()) if path.exists() else None

    def landed(self, study: str, seconds: float = 60.0) -> dict[str, Any]:
        """The receipt, when it is there."""
        receipt = until(lambda: self.receipt(study), seconds, f"the receipt of {study}\n{self.journal}")
        assert receipt is not None
        assert receipt["verdict"] == "landed", receipt
        return receipt

    def mirrored(self, study: str) -> None:
        """The study is in the inbox."""
        mirror = self.folder("inbox") / self.project / "study.tsv"
        until(lambda: mirror.exists() and study in mirror.read_text(encoding="utf-8"), what=f"{study} in the mirror")

    def uploads(self, study: str) -> int:
        """How many uploads of the study the commons has written."""
        requests = self.machine.ask("requests")
        return sum(study.lower() in json.dumps(request["written"]).lower() for request in requests)

    def held(self) -> int:
        """Uploads wait at the commons until released; the fault's number."""
        return int(self.machine.ask("faults", {"kind": "hold", "point": "before_commit", "method": "PUT"})["id"])

    def reached(self) -> bool:
        return any(fault.get("waiting") for fault in self.machine.ask("faults")["faults"])

    def status(self) -> dict[str, Any]:
        found = self.machine.path(f"/var/lib/gen3sync/{self.name}/status.json")
        return json.loads(found.read_bytes()) if found.exists() else {}
