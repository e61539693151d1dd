"""One gen3sync service on the machine of the tests: installed as docs/how-to/run-as-a-service.md says, by the command
itself, with the unit as it ships. Tests shorten nothing but times, in a drop-in of their own."""

from __future__ import annotations

import json
import os
from contextlib import suppress
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
{more}"""
PROGRAM = "/opt/gen3sync/bin/gen3sync"
ANN = 1000


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

    @property
    def state(self) -> str:
        return f"/var/lib/gen3sync/{self.name}"

    @property
    def root(self) -> str:
        """The folder of its folders."""
        return f"/srv/{self.name}"

    @property
    def dropins(self) -> str:
        return f"/etc/systemd/system/{self.unit}.service.d"

    def configure(self, folder: str = "", more: str = "") -> None:
        folder = folder or self.root
        text = CONFIG.format(commons=self.commons, folder=folder, project=self.project, state=self.state, more=more)
        self.write(self.config, text)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of whoever runs the service."""
        self.machine.write(path, text, mode)

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
        return self.run(PROGRAM, "service", "install", "--name", self.name, *options)

    def run(self, *command: str, check: bool = True) -> str:
        """A command of whoever runs the service."""
        path = "/opt/gen3sync/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return self.machine.run(*command, check=check, env={"PATH": path})

    def start(self, *options: str, times: str = "") -> None:
        """Installs, and does word for word what `install` said is next."""
        said = self.install(*options)
        self.write(f"{self.dropins}/90-test.conf", f"[Service]\nRestartSec=100ms\n{times}\n")
        for command in said.partition("Next:\n")[2].splitlines():
            if "loginctl" not in command:  # nobody logs in on this machine
                self.run("sh", "-euc", command)

    def systemctl(self, *words: str, check: bool = True) -> str:
        return self.run("systemctl", *words, self.unit, check=check)

    def show(self, name: str) -> str:
        return self.systemctl("show", "--value", "-p", name)

    @property
    def pid(self) -> int:
        """Of the daemon, as the machine counts."""
        return int(self.show("MainPID"))

    @property
    def journal(self) -> str:
        return self.machine.journal(self.unit)

    def told(self, *words: str) -> str:
        """The journal, once it has all of these: it comes to what was said a moment after that was said."""
        until(lambda: all(word in self.journal for word in words), what=f"{words} in the journal\n{self.journal}")
        return self.journal

    def folder(self, name: str) -> Path:
        return self.machine.path(f"{self.root}/{name}")

    def drop(self, study: str) -> None:
        """A TSV with one study arrives."""
        there = self.folder("outbox") / self.project
        for folder in (there.parent, there):
            if not folder.exists():  # the set-group-id bit above makes it the group's; people's umask is 0002 there
                folder.mkdir()
                folder.chmod(0o2770)
                self.own(folder)
        code = self.project.partition("/")[2]
        text = f"type\tsubmitter_id\tprojects.code\ttitle\nstudy\t{study}\t{code}\tabout {study}\n"
        # Written aside: it arrives whole, and belongs to whom it should.
        aside = there / f".{study}.tsv"
        aside.write_text(text, encoding="utf-8")
        self.own(aside)
        aside.rename(there / f"{study}.tsv")

    def own(self, path: Path) -> None:
        """Gives what somebody made to whom it would belong."""

    def receipt(self, study: str) -> dict[str, Any] | None:
        return _paper(self.folder("sent") / self.project / f"{study}.tsv.receipt.json")

    def landed(self, study: str, seconds: float = 120.0) -> dict[str, Any]:
        """The receipt, when it is there."""
        receipt = until(lambda: self.receipt(study), seconds, f"the receipt of {study}\n{self.journal}")
        assert receipt is not None
        assert receipt["verdict"] == "landed", receipt
        return receipt

    def mirrored(self, study: str) -> None:
        """The study is in the inbox."""
        mirror = self.folder("inbox") / self.project / "study.tsv"

        def there() -> bool:
            with suppress(OSError):
                return study in mirror.read_text(encoding="utf-8")
            return False

        until(there, what=f"{study} in the mirror")

    def uploads(self, study: str) -> int:
        """How many uploads of the study the commons has written."""
        key = [self.project.replace("/", "-"), "study", study.lower()]
        return sum(key in request["written"] for request in self.machine.ask("requests"))

    def held(self) -> int:
        """Uploads wait at the commons until released; the fault's number."""
        return int(self.machine.ask("faults", {"kind": "hold", "point": "before_commit", "method": "PUT"})["id"])

    def reached(self) -> bool:
        return any(fault.get("waiting") for fault in self.machine.ask("faults")["faults"])

    def status(self) -> dict[str, Any]:
        return _paper(self.machine.path(f"{self.state}/status.json")) or {}


def _paper(path: Path) -> dict[str, Any] | None:
    """A JSON file, if it is there."""
    with suppress(FileNotFoundError):
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found
    return None


class Personal(Instance):
    """The same as a service of one person, ann, under a manager of her own."""

    @property
    def config(self) -> str:
        return f"/home/ann/.config/gen3sync/{self.name}.toml"

    @property
    def key(self) -> str:
        return "/home/ann/.gen3/credentials.json"

    @property
    def root(self) -> str:
        return f"/home/ann/{self.name}"

    @property
    def state(self) -> str:
        return f"/home/ann/{self.name}/state"

    @property
    def dropins(self) -> str:
        return f"/home/ann/.config/systemd/user/{self.unit}.service.d"

    @property
    def journal(self) -> str:
        # Of the service, and of her manager about it.
        mine = (f"_SYSTEMD_USER_UNIT={self.unit}.service", "+", f"USER_UNIT={self.unit}.service")
        return self.machine.run("journalctl", "--no-pager", "-o", "cat", *mine)

    def configure(self, folder: str = "", more: str = "") -> None:
        self.run("mkdir", "-p", "/home/ann/.gen3", self.dropins, self.config.rpartition("/")[0])
        super().configure(folder, more)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        self.machine.write(path, text, mode)
        self.own(self.machine.path(path))

    def new_key(self, path: str = "") -> None:
        super().new_key(path)
        self.own(self.machine.path(path or self.key))

    def install(self, *options: str) -> str:
        return super().install("--user", *options)

    def run(self, *command: str, check: bool = True) -> str:
        home = {"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/run/user/1000", "PATH": "/opt/gen3sync/bin:/usr/bin:/bin"}
        setpriv = ("/usr/bin/setpriv", f"--reuid={ANN}", f"--regid={ANN}", "--clear-groups")
        return self.machine.run(*setpriv, *command, check=check, env=home)

    def systemctl(self, *words: str, check: bool = True) -> str:
        return self.run("systemctl", "--user", *words, self.unit, check=check)

    def own(self, path: Path) -> None:
        os.chown(path, ANN, ANN)
