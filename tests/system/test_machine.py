"""The machine of the tests reaches nothing of the machine it runs on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.system.machine import Machine

pytestmark = [pytest.mark.system]


def test_what_is_outside_is_out_of_reach(machine: Machine, tmp_path: Path) -> None:
    marker = tmp_path / "here"
    marker.touch()
    own = Path("/proc/self/mountinfo").read_text()
    assert "gen3sync-test" not in own  # its mounts are in its own namespace only
    for name in ("mnt", "pid", "net", "uts", "ipc", "cgroup"):
        assert Path(f"/proc/{machine.pid}/ns/{name}").readlink() != Path(f"/proc/self/ns/{name}").readlink()
    inside = {line.split()[4]: line.split()[5].split(",") for line in _mounts(machine)}
    disks = [
        line.split() for line in _mounts(machine) if " - ext4 " in line or " - xfs " in line or " - btrfs " in line
    ]
    assert all("ro" in fields[5].split(",") for fields in disks), disks
    assert "ro" in inside["/proc/sys"]
    assert "ro" in inside["/sys"]
    machine.run("sh", "-c", "rm -rf /tmp/* /var/tmp/*; echo hostname >/proc/sys/kernel/hostname || true", check=False)
    assert marker.exists()
    assert os.uname().nodename != "gen3sync-test"
    assert "0::/init.scope" in machine.run("cat", "/proc/1/cgroup").splitlines()  # of its own subtree
    assert not machine.path(str(marker)).exists()


def _mounts(machine: Machine) -> list[str]:
    return machine.path("/proc/1/mountinfo").read_text().splitlines()
