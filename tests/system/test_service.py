"""The shipped unit under the real systemd, with its full hardening: what an operator relies on."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

import pytest

from tests.system.instance import PROGRAM, Instance
from tests.system.machine import Machine, until

pytestmark = [pytest.mark.system]
Make = Callable[..., Instance]


def restarted(one: Instance, times: int = 1) -> bool:
    return int(one.show("NRestarts")) >= times and one.show("ActiveState") == "active"


def test_a_drop_arrives_and_a_mirror_appears_behind_all_walls(instance: Make, machine: Machine) -> None:
    lab = instance("lab")
    lab.start()  # the commands that `service install` prints, word for word; `start` waits for READY
    assert lab.show("ActiveState") == "active"
    lab.drop("FIRST")
    assert lab.landed("FIRST")["rows"]["created"] == 1
    lab.mirrored("FIRST")
    until(lambda: "last mirror just now, key expires in 29 days" in lab.show("StatusText"), what="the status line")

    facts = dict(
        line.split(":\t", 1)
        for line in machine.path(f"/proc/{lab.pid}/status").read_text().splitlines()
        if ":\t" in line
    )
    assert facts["Uid"].split()[0] != "0"
    assert (facts["CapEff"], facts["CapBnd"], facts["NoNewPrivs"], facts["Seccomp"]) == ("0" * 16, "0" * 16, "1", "2")
    # The lab's group reads the inbox and writes the outbox; nobody else does either.
    mirror, folder = lab.folder("inbox/DEV/test/study.tsv").stat(), lab.folder("outbox").stat()
    assert (mirror.st_mode & 0o777, folder.st_mode & 0o777) == (0o640, 0o770)
    assert mirror.st_gid == folder.st_gid
    # The key is nowhere but where systemd puts it.
    assert machine.run(
        "setpriv", "--reuid=gen3sync", "--regid=gen3sync", "--clear-groups", "cat", lab.key, check=False
    ).endswith("Permission denied")


def test_reload(instance: Make) -> None:
    lab = instance("reload")
    lab.start()
    pid = lab.pid
    config = lab.machine.path(lab.config)
    good = config.read_text()

    config.write_text(good.replace('["study"]', '["study", "subject"]'))
    lab.systemctl("reload")
    until(lambda: "reloaded" in lab.journal, what=lab.journal)
    until(lambda: any(each["node"] == "subject" for each in lab.status()["inbox"]["mirrors"]), what="the new mirror")

    config.write_text(good.replace("[outbox]", "[outbox\nwatch = nonsense"))
    lab.systemctl("reload")
    until(lambda: "the new configuration was refused" in lab.show("StatusText"), what=lab.show("StatusText"))
    assert "nothing" not in lab.status()["daemon"]["problem"]
    lab.drop("AFTER-RELOAD")
    lab.landed("AFTER-RELOAD")

    config.write_text(good)
    lab.systemctl("reload")
    until(lambda: "refused" not in lab.show("StatusText"), what="the good configuration")
    assert (lab.pid, lab.show("NRestarts")) == (pid, "0")


def test_a_new_key_by_restart(instance: Make, machine: Machine) -> None:
    lab = instance("newkey")
    lab.start()
    machine.ask("faults", {"kind": "revoke_key"})
    machine.ask("faults", {"kind": "token_lifetime", "seconds": 3600})
    lab.systemctl("restart")  # the token of before is forgotten; the key is refused now
    lab.drop("WAITS-FOR-KEY")
    until(lambda: lab.status().get("key", {}).get("problem"), what="the problem with the key")
    assert lab.receipt("WAITS-FOR-KEY") is None
    lab.new_key()
    lab.systemctl("restart")
    lab.landed("WAITS-FOR-KEY")
    assert lab.uploads("WAITS-FOR-KEY") == 1


def test_a_new_key_in_a_file_needs_no_restart(instance: Make, machine: Machine) -> None:
    lab = instance("filekey", commons='credentials = "/srv/filekey/key.json"')
    machine.path("/srv/filekey").mkdir()
    lab.new_key("/srv/filekey/key.json")
    machine.run("systemd-sysusers", "/opt/source/systemd/sysusers.d/gen3sync.conf")
    machine.run("chown", "gen3sync", "/srv/filekey/key.json")
    machine.path(lab.key).unlink()
    lab.start()
    machine.ask("faults", {"kind": "revoke_key"})
    lab.systemctl("restart")
    pid = lab.pid
    lab.drop("WAITS-FOR-FILE")
    until(lambda: lab.status().get("key", {}).get("problem"), what="the problem with the key")
    lab.new_key("/srv/filekey/key.json")
    lab.landed("WAITS-FOR-FILE")
    assert lab.pid == pid


def test_a_hung_daemon_is_started_anew_by_the_watchdog(instance: Make, machine: Machine) -> None:
    lab = instance("hung")
    lab.start(times="WatchdogSec=4s")
    pid = lab.pid
    lab.systemctl("kill", "-s", "STOP")
    until(lambda: restarted(lab), what="the restart")
    assert lab.pid != pid
    said = lab.journal
    assert "Watchdog timeout" in said
    assert "Fatal Python error: Aborted" in said  # what every thread was doing
    assert "did not end by itself" in said
    lab.drop("AFTER-HANG")
    lab.landed("AFTER-HANG")


def test_kill_9_in_mid_submission(instance: Make, machine: Machine) -> None:
    lab = instance("killed")
    lab.start()
    hold = lab.held()
    lab.drop("KILLED")
    until(lab.reached, what="the upload")
    lab.systemctl("kill", "-s", "KILL")
    until(lambda: restarted(lab), what="the restart")
    machine.ask(f"faults/{hold}/release", {})
    receipt = lab.landed("KILLED", 40)
    assert receipt["rows"]["created"] == 1
    assert lab.uploads("KILLED") == 1


def test_stop_lets_an_upload_finish(instance: Make, machine: Machine) -> None:
    lab = instance("finish")
    lab.start()
    hold = lab.held()
    lab.drop("FINISHES")
    until(lab.reached, what="the upload")
    lab.systemctl("stop", "--no-block")
    until(lambda: "finishing or handing back" in lab.show("StatusText"), what="the last words")
    machine.ask(f"faults/{hold}/release", {})
    until(lambda: lab.show("ActiveState") == "inactive", what="the end")
    assert lab.show("Result") == "success"
    lab.systemctl("start")
    lab.landed("FINISHES")
    assert lab.uploads("FINISHES") == 1


def test_stop_hands_back_an_upload_that_takes_too_long(instance: Make, machine: Machine) -> None:
    lab = instance("handback")
    lab.start(times="TimeoutStopSec=1s")
    hold = lab.held()
    lab.drop("HANDED-BACK")
    until(lab.reached, what="the upload")
    lab.systemctl("stop")
    machine.ask(f"faults/{hold}/release", {})
    lab.systemctl("start")
    lab.landed("HANDED-BACK", 40)
    assert lab.uploads("HANDED-BACK") == 1


def test_a_second_instance_beside_it(instance: Make, machine: Machine) -> None:
    heart, kidney, thief = instance("heart"), instance("kidney", project="DEV/second"), instance("thief")
    heart.start()
    kidney.start()
    heart.drop("HEART")
    kidney.drop("KIDNEY")
    heart.landed("HEART")
    kidney.landed("KIDNEY")
    kidney.systemctl("stop")
    assert heart.show("ActiveState") == "active"
    # A third one, on folders somebody works in already, is refused and says who has them.
    thief.configure("/srv/heart")
    with pytest.raises(AssertionError, match="gen3sync@thief"):
        thief.start()
    assert "Another gen3sync (process" in thief.journal
    until(lambda: int(thief.show("NRestarts")) >= 1, what="another try: the folders may be free by then")
    assert (heart.show("NRestarts"), heart.show("ActiveState")) == ("0", "active")


def test_a_broken_configuration_is_not_tried_again(instance: Make, machine: Machine) -> None:
    lab = instance("broken")
    machine.write(lab.config, "[outbox]\npath = 7\n")
    with pytest.raises(AssertionError):
        lab.start()
    assert (lab.show("ExecMainStatus"), lab.show("ActiveState"), lab.show("NRestarts")) == ("78", "failed", "0")


def test_an_outbox_removed_and_made_again(instance: Make) -> None:
    lab = instance("removed")
    lab.start()
    pid, outbox = lab.pid, lab.folder("outbox")
    aside = outbox.rename(outbox.with_name("aside"))
    until(lambda: "is gone" in lab.show("StatusText"), what="its being told")
    assert lab.show("ActiveState") == "active"
    outbox.mkdir()
    os.chown(outbox, aside.stat().st_uid, aside.stat().st_gid)
    outbox.chmod(0o2770)
    until(lambda: "is gone" not in lab.show("StatusText"), what="its being found")
    lab.drop("NEW-OUTBOX")
    lab.landed("NEW-OUTBOX")
    assert (lab.pid, lab.show("NRestarts")) == (pid, "0")


def test_an_inbox_that_is_unmounted(instance: Make, machine: Machine) -> None:
    lab = instance("unmounted")
    machine.path("/srv/unmounted/inbox").mkdir(parents=True)
    machine.run("mount", "-t", "tmpfs", "-o", "mode=0777", "none", "/srv/unmounted/inbox")
    lab.start()
    lab.drop("MOUNTED")
    lab.mirrored("MOUNTED")
    machine.run("umount", "-l", "/srv/unmounted/inbox")
    machine.path("/srv/unmounted/inbox").chmod(0o777)
    until(lambda: any(m["outcome"] == "guarded" for m in lab.status()["inbox"]["mirrors"]), what="its being told")
    assert not machine.path("/srv/unmounted/inbox/DEV").exists()
    assert lab.show("ActiveState") == "active"


@pytest.mark.parametrize("example", ["private-users", "shared-group", "encrypted-key"])
def test_examples_at_work(instance: Make, machine: Machine, example: str) -> None:
    lab = instance(example)
    if example == "shared-group":
        machine.run("groupadd", "-f", "lab")
    if example == "encrypted-key":
        sealed = f"/etc/gen3sync/{example}.key.cred"
        machine.run("systemd-creds", "encrypt", "--with-key=host", "--name=api-key", lab.key, sealed)
    lab.install()
    dropins = f"/etc/systemd/system/{lab.unit}.service.d"
    machine.run("mkdir", "-p", dropins)
    machine.run("cp", f"/opt/source/systemd/examples/{example}.conf", dropins)
    lab.start()
    if example == "encrypted-key":
        machine.path(lab.key).unlink()
        lab.systemctl("restart")
    lab.drop("EXAMPLE")
    lab.landed("EXAMPLE")
    if example == "shared-group":
        lab.mirrored("EXAMPLE")
        assert machine.run("stat", "-c", "%G", f"/srv/{example}/inbox/DEV/test/study.tsv") == "lab"


def test_passes_by_a_timer_instead_of_a_daemon(instance: Make, machine: Machine) -> None:
    lab = instance("once")
    lab.start("--once")
    lab.drop("ONCE")
    assert machine.show("gen3sync-once@once.timer", "ActiveState") == "active"
    machine.run("systemctl", "start", "gen3sync-once@once.service")
    lab.landed("ONCE")
    lab.mirrored("ONCE")
    assert machine.show("gen3sync-once@once.service", "Result") == "success"
    machine.run("systemctl", "stop", "gen3sync-once@once.timer")


def test_as_the_service_of_one_person(machine: Machine) -> None:
    machine.run("systemctl", "start", "ann")
    home = {"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/run/user/1000"}

    def ann(*command: str) -> str:
        return machine.run("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", *command, env=home)

    key = machine.ask("api-key", {})
    ann("mkdir", "-p", "/home/ann/.gen3", "/home/ann/.config/gen3sync")
    mine = Instance(machine, "mine")
    mine.configure("/home/ann/lab")
    config = machine.path(mine.config)
    text = config.read_text().replace("/var/lib/gen3sync/mine", "/home/ann/lab/state")
    config.unlink()
    machine.write("/home/ann/.config/gen3sync/mine.toml", text)
    machine.write("/home/ann/.gen3/credentials.json", json.dumps(key), 0o600)
    os.chown(machine.path("/home/ann/.gen3/credentials.json"), 1000, 1000)

    said = ann(PROGRAM, "service", "install", "--user", "--name", "mine")
    commands = [line.strip() for line in said.partition("Next:\n")[2].splitlines()]
    assert commands[:2] == ["systemctl --user daemon-reload", "systemctl --user enable --now gen3sync@mine"]
    for command in commands[:2]:
        ann("sh", "-euc", command)
    assert ann("systemctl", "--user", "is-active", "gen3sync@mine") == "active"
    ann("mkdir", "-p", "/home/ann/lab/outbox/DEV/test")
    drop = machine.path("/home/ann/lab/outbox/DEV/test/ANN.tsv")
    drop.write_text("type\tsubmitter_id\tprojects.code\ttitle\nstudy\tANN\ttest\tabout\n")
    os.chown(drop, 1000, 1000)
    until(machine.path("/home/ann/lab/sent/DEV/test/ANN.tsv.receipt.json").exists, what="the receipt")
    pid = int(ann("systemctl", "--user", "show", "--value", "-p", "MainPID", "gen3sync@mine"))
    ann("systemctl", "--user", "kill", "-s", signal.SIGTERM.name.removeprefix("SIG"), "gen3sync@mine")
    until(lambda: not machine.path(f"/proc/{pid}").exists(), what="the end")
    machine.run("systemctl", "stop", "ann")
