"""The shipped unit under the real systemd, with its full hardening: what an operator relies on."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.system.instance import PROGRAM, Instance, Personal
from tests.system.machine import SOURCE, Machine, until

pytestmark = [pytest.mark.system]
Make = Callable[..., Instance]
BOTH = pytest.mark.parametrize("kind", [Instance, Personal], ids=["system", "user"])


def restarted(one: Instance, times: int = 1) -> bool:
    return int(one.show("NRestarts")) >= times and one.show("ActiveState") == "active"


def test_a_drop_arrives_and_a_mirror_appears_behind_all_walls(instance: Make, machine: Machine) -> None:
    lab = instance("lab")
    lab.configure(more='[metrics]\nlisten = "127.0.0.1:9473"\n')
    lab.start()  # the commands that `service install` prints, word for word; `start` waits for READY
    assert lab.show("ActiveState") == "active"
    lab.drop("FIRST")
    assert lab.landed("FIRST")["rows"]["created"] == 1
    lab.mirrored("FIRST")
    until(lambda: "last mirror just now, key expires in 29 days" in lab.show("StatusText"), what="the status line")

    # Its port answers through the walls as well.
    page = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9473/{}', timeout=60).read().decode())"
    assert machine.run("/opt/python/bin/python3", "-S", "-c", page.format("readyz")).startswith("ready")
    assert "gen3sync_heartbeat_age_seconds" in machine.run(
        "/opt/python/bin/python3", "-S", "-c", page.format("metrics")
    )

    # The doctor as the page has it called: as the service's user, with its key on no command line. `--pipe` and
    # `--wait` want a message bus, which this machine has not.
    asked = (
        "--unit=doctor",
        "--service-type=oneshot",
        "-p",
        "User=gen3sync",
        "-p",
        f"LoadCredential=api-key:{lab.key}",
    )
    machine.run("systemd-run", *asked, PROGRAM, "check", "-c", lab.config)
    until(lambda: "It accepts the key" in machine.journal("doctor"), what=machine.journal("doctor"))
    assert "FAIL" not in machine.journal("doctor")

    facts = process_facts(lab)
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


def process_facts(one: Instance) -> dict[str, str]:
    """What the kernel says of the daemon."""
    lines = one.machine.path(f"/proc/{one.pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@BOTH
def test_reload(instance: Make, kind: type[Instance]) -> None:
    lab = instance(f"reload-{kind.__name__.lower()}", kind=kind)
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
    said = " ".join(lab.run(PROGRAM, "status", "-c", lab.config, check=False).split())
    assert said.startswith("gen3sync degraded")
    assert "the old one stays in effect" in said
    lab.drop("AFTER-RELOAD")
    lab.landed("AFTER-RELOAD")

    config.write_text(good)
    lab.systemctl("reload")
    until(lambda: "refused" not in lab.show("StatusText"), what="the good configuration")
    assert (lab.pid, lab.show("NRestarts")) == (pid, "0")


def test_a_new_key_by_restart(instance: Make, machine: Machine) -> None:
    lab = instance("newkey")
    lab.start()
    hold = lab.held()
    lab.drop("IN-FLIGHT")
    until(lab.reached, what="the upload")
    machine.ask("faults", {"kind": "revoke_key"})
    lab.systemctl("restart", "--no-block")  # the token of before is forgotten; the key is refused from now on
    until(lambda: "finishing or handing back" in lab.show("StatusText"), what="the last words")
    lab.drop("WAITS-FOR-KEY")
    machine.ask(f"faults/{hold}/release", {})
    until(lambda: lab.status().get("key", {}).get("problem"), what="the problem with the key")
    assert lab.receipt("WAITS-FOR-KEY") is None
    lab.new_key()
    lab.systemctl("restart")
    for study in ("IN-FLIGHT", "WAITS-FOR-KEY"):
        lab.landed(study)
        assert lab.uploads(study) == 1


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


@BOTH
def test_a_hung_daemon_is_started_anew_by_the_watchdog(instance: Make, machine: Machine, kind: type[Instance]) -> None:
    lab = instance(f"hung-{kind.__name__.lower()}", kind=kind)
    lab.start(times="WatchdogSec=4s")
    pid = lab.pid
    lab.systemctl("kill", "-s", "STOP")
    until(lambda: restarted(lab), what="the restart")
    assert lab.pid != pid
    # The second: what every thread was doing.
    lab.told("Watchdog timeout", "Fatal Python error: Aborted", "did not end by itself")
    lab.drop("AFTER-HANG")
    lab.landed("AFTER-HANG")


@BOTH
def test_kill_9_in_mid_submission(instance: Make, machine: Machine, kind: type[Instance]) -> None:
    lab = instance(f"killed-{kind.__name__.lower()}", kind=kind)
    lab.start()
    hold = lab.held()
    lab.drop("KILLED")
    until(lab.reached, what="the upload")
    lab.systemctl("kill", "-s", "KILL")
    until(lambda: restarted(lab), what="the restart")
    machine.ask(f"faults/{hold}/release", {})
    receipt = lab.landed("KILLED")
    assert receipt["rows"]["created"] == 1
    assert lab.uploads("KILLED") == 1


@BOTH
def test_stop_lets_an_upload_finish(instance: Make, machine: Machine, kind: type[Instance]) -> None:
    lab = instance(f"finish-{kind.__name__.lower()}", kind=kind)
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


@BOTH
def test_stop_hands_back_an_upload_that_takes_too_long(instance: Make, machine: Machine, kind: type[Instance]) -> None:
    lab = instance(f"handback-{kind.__name__.lower()}", kind=kind)
    lab.start(times="TimeoutStopSec=1s")
    hold = lab.held()
    lab.drop("HANDED-BACK")
    until(lab.reached, what="the upload")
    lab.systemctl("stop")
    machine.ask(f"faults/{hold}/release", {})
    lab.systemctl("start")
    lab.landed("HANDED-BACK")
    assert lab.uploads("HANDED-BACK") == 1


def test_the_shipped_time_to_stop_is_enough_to_hand_back(instance: Make, machine: Machine) -> None:
    lab = instance("patient")
    lab.start()
    hold = lab.held()
    lab.drop("PATIENT")
    until(lab.reached, what="the upload")
    lab.systemctl("stop", "--no-block")
    until(lambda: lab.show("ActiveState") == "inactive", 150, "the end")
    machine.ask(f"faults/{hold}/release", {})
    # It ended by itself, within TimeoutStopSec=90, and the unit has not failed.
    assert lab.show("Result") == "success"
    said = lab.told("stopped with work in flight", "Deactivated successfully")
    assert "timed out" not in said
    assert "kill" not in said.lower()
    lab.systemctl("start")
    lab.landed("PATIENT")
    assert lab.uploads("PATIENT") == 1


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
    thief.told("Another gen3sync (process")
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


def test_an_inbox_that_is_unmounted_and_mounted_again(instance: Make, machine: Machine) -> None:
    lab = instance("unmounted")
    disk, inbox = machine.path("/srv/disk"), machine.path("/srv/unmounted/inbox")
    for folder in (disk, inbox):
        folder.mkdir(parents=True)
        folder.chmod(0o777)
    mount = ("mount", "--bind", "/srv/disk", "/srv/unmounted/inbox")
    machine.run(*mount)
    lab.start()
    pid = lab.pid
    lab.drop("MOUNTED")
    lab.mirrored("MOUNTED")
    machine.run("umount", "-l", "/srv/unmounted/inbox")
    lab.drop("WHILE-AWAY")  # something for the mirror to show
    until(lambda: any(m["outcome"] == "guarded" for m in lab.status()["inbox"]["mirrors"]), what="its being told")
    assert "not mounted" in str(lab.status()["inbox"]["mirrors"])
    until(lambda: "1 mirror guarded" in lab.show("StatusText"), what="the status line")
    assert not (inbox / "DEV").exists()
    assert lab.show("ActiveState") == "active"
    machine.run(*mount)
    lab.mirrored("WHILE-AWAY")
    until(lambda: "guarded" not in lab.show("StatusText"), what="the status line")
    assert (lab.pid, lab.show("NRestarts")) == (pid, "0")


def with_example(lab: Instance, example: str, **names: str) -> None:
    """Puts a drop-in in place as its first lines say; `names` are those a site would change in it."""
    lab.install()
    text = (SOURCE / "systemd" / "examples" / f"{example}.conf").read_text(encoding="utf-8")
    for old, new in names.items():
        text = text.replace(old, new)
    lab.write(f"{lab.dropins}/{example}.conf", text)


@pytest.mark.parametrize("example", ["private-users", "shared-group", "encrypted-key"])
def test_examples_at_work(instance: Make, machine: Machine, example: str) -> None:
    lab = instance(example)
    if example == "shared-group":
        machine.run("groupadd", "-f", "lab")
    if example == "encrypted-key":
        sealed = f"/etc/gen3sync/{example}.key.cred"
        machine.run("systemd-creds", "encrypt", "--with-key=host", "--name=api-key", lab.key, sealed)
    with_example(lab, example)
    lab.start()
    if example == "encrypted-key":
        machine.path(lab.key).unlink()
        lab.systemctl("restart")
    lab.drop("EXAMPLE")
    lab.landed("EXAMPLE")
    if example == "private-users":
        users = machine.path(f"/proc/{lab.pid}/uid_map").read_text().splitlines()
        assert len(users) > 1  # its own and root's, not all that there are
    if example == "shared-group":
        lab.mirrored("EXAMPLE")
        assert machine.run("stat", "-c", "%G", f"/srv/{example}/inbox/DEV/test/study.tsv") == "lab"


def test_folders_named_by_hand(instance: Make, machine: Machine) -> None:
    lab = instance("lab")  # the example's own name: /srv/lab
    lab.start()
    lab.systemctl("stop")
    machine.path(f"{lab.dropins}/20-folders.conf").unlink()
    machine.run("systemctl", "daemon-reload")
    with pytest.raises(AssertionError):
        lab.systemctl("start")  # nothing but the state folder can be written
    lab.told("/srv/lab", "ead-only")
    machine.run("cp", "/opt/source/systemd/examples/folders.conf", lab.dropins)
    machine.run("systemctl", "daemon-reload")
    lab.systemctl("restart")  # which is being started again and again
    lab.drop("BY-HAND")
    lab.landed("BY-HAND")


def test_on_a_network_disk(instance: Make, machine: Machine) -> None:
    lab = instance("netdisk")
    unit = "[Unit]\nDefaultDependencies=no\n[Mount]\nWhat=none\nWhere=/srv/netdisk\nType=tmpfs\nOptions=mode=0777\n"
    machine.write("/etc/systemd/system/srv-netdisk.mount", unit)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "srv-netdisk.mount")
    with_example(lab, "network-disk", **{"/srv/lab": "/srv/netdisk"})
    lab.start()
    lab.drop("ON-DISK")
    lab.landed("ON-DISK")
    machine.run("systemctl", "stop", "srv-netdisk.mount")
    assert (lab.show("ActiveState"), lab.show("Result")) == ("inactive", "success")
    lab.systemctl("start")  # mounts it first
    assert machine.show("srv-netdisk.mount", "ActiveState") == "active"
    assert lab.show("WatchdogUSec") == "10min"


def test_lines_of_a_newer_systemd(instance: Make, machine: Machine) -> None:
    """Where systemd does not know them yet they change nothing; where it does, reload waits for its end."""
    lab = instance("newer")
    with_example(lab, "newer-systemd")
    lab.start()
    version = int(machine.run("systemctl", "--version").split()[1])
    assert lab.show("Type") == ("notify-reload" if version >= 253 else "notify")
    assert lab.show("ProtectControlGroups") in ("yes", "strict")
    pid = lab.pid
    lab.drop("NEWER")
    lab.landed("NEWER")
    lab.systemctl("reload")
    until(lambda: "reloaded" in lab.journal, what=lab.journal)
    assert lab.journal.count("reloaded") == 1  # a newer one sends SIGHUP twice
    lab.drop("AFTER-NEWER")
    lab.landed("AFTER-NEWER")
    assert (lab.pid, lab.show("NRestarts")) == (pid, "0")


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


def test_as_the_service_of_one_person(instance: Make) -> None:
    """The user unit: what the walls of a person's manager are, a drop, a mirror, and who may read them."""
    mine = instance("mine", kind=Personal)
    said = mine.install()
    commands = [line.strip() for line in said.partition("Next:\n")[2].splitlines()]
    assert commands[:2] == ["systemctl --user daemon-reload", "systemctl --user enable --now gen3sync@mine"]
    assert commands[2].startswith("loginctl enable-linger")
    mine.start()  # waits for READY
    assert mine.show("ActiveState") == "active"
    mine.drop("MINE")
    assert mine.landed("MINE")["rows"]["created"] == 1
    mine.mirrored("MINE")
    until(lambda: "last mirror just now, key expires in" in mine.show("StatusText"), what="the status line")
    facts = process_facts(mine)
    assert facts["Uid"].split()[0] == "1000"
    assert (facts["CapEff"], facts["NoNewPrivs"], facts["Seccomp"]) == ("0" * 16, "1", "2")
    assert mine.folder("inbox/DEV/second/study.tsv").stat().st_mode & 0o077 == 0o040  # readable where the folder lets
    assert mine.folder("inbox").stat().st_mode & 0o077 == 0  # and it lets nobody else in
    mine.systemctl("stop")
    assert mine.show("Result") == "success"
