"""The daemon's life as a user meets it: files, mirrors, verbs beside it, reload, signals, two at once."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import TSVS, Lab, real_dictionary, stop, until

ROWS = {"experiment": 2, "case": 30, "sample": 60, "aliquot": 2}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Sandbox(dictionary=real_dictionary(), projects=["DEV-test"]) as sandbox:
        yield Lab(tmp_path, sandbox)


ORDERS = [
    pytest.param(order, id="-".join(name[0] for name in order))
    for order in itertools.islice(itertools.permutations(TSVS), 0, None, 5)
]


@pytest.mark.parametrize("order", ORDERS)
def test_real_files_in_any_order_arrive_are_mirrored_and_stay_unchanged(lab: Lab, order: tuple[str, ...]) -> None:
    with lab.daemon():
        for name in order:
            lab.drop(f"{name}.tsv")
        for name in order:
            receipt = until(lambda name=name: lab.receipt(f"{name}.tsv"))  # type: ignore[misc]
            assert (receipt["verdict"], receipt["rows"]["created"]) == ("landed", ROWS[name])
            assert receipt["verification"]["verified"]
        assert {name: lab.sandbox.count("DEV-test", name) for name in TSVS} == ROWS
        until(lambda: all(mirrored(lab, name) == ROWS[name] for name in TSVS))
        before = lab.puts()
        for name in order:
            lab.drop(f"again-{name}.tsv", (lab.inbox / f"{name}.tsv").read_bytes())
        for name in order:
            receipt = until(lambda name=name: lab.receipt(f"again-{name}.tsv"))  # type: ignore[misc]
            assert (receipt["verdict"], receipt["rows"]["unchanged"]) == ("landed", ROWS[name]), receipt
        assert lab.puts() == before
    assert not list(lab.outbox.iterdir())
    assert not lab.sandbox.colliding()


def mirrored(lab: Lab, node: str) -> int:
    """Rows of a mirror; -1 where it is not there yet."""
    try:
        return len((lab.inbox / f"{node}.tsv").read_text().splitlines()) - 1
    except FileNotFoundError:
        return -1


def test_verbs_beside_a_daemon_go_through_it(lab: Lab, tmp_path: Path) -> None:
    mine = tmp_path / "mine.tsv"
    mine.write_bytes((Path(__file__).parent.parent / "data/tsv/experiment.tsv").read_bytes())
    with lab.daemon():
        pushed = lab.call("push", mine, "--to", "DEV/test", "--json")
        assert pushed.code == 0, pushed.err
        assert pushed.json[0]["verdict"] == "landed"
        assert mine.exists()
        until(lambda: mirrored(lab, "experiment") == 2)
        pulled = lab.call("pull", "DEV/test/experiment.tsv", "--json")
        assert pulled.code == 0, pulled.err
        assert [each["node"] for each in pulled.json] == ["experiment"]
        assert lab.call("pull", "nothing-of-the-kind").code == 66
        assert lab.call("retry").out == "Nothing was waiting.\n"
        assert lab.call("plan", mine, "--json").json[0]["counts"] == {"unchanged": 2}
        refused = lab.call("once")
        assert refused.code == 75
        assert "A daemon serves these folders" in refused.err
        told = lab.call("status", "--json")
        assert (told.code, told.json["health"]) == (0, "well"), told.json["reasons"]
        story = lab.call("history", "mine.tsv")
        assert "landed" in story.out
        assert "transaction" in story.out
    assert lab.call("status").code == 2


def test_the_same_verbs_without_a_daemon(lab: Lab) -> None:
    data = Path(__file__).parent.parent / "data/tsv"
    assert lab.call("status").code == 2  # nothing has run here
    pushed = lab.call("push", data / "experiment.tsv", data / "case.tsv")
    assert pushed.code == 0, pushed.err
    assert "receipt:" in pushed.out
    lab.drop("sample.tsv")
    lab.drop("aliquot.tsv")
    passed = lab.call("once", "--json")
    assert passed.code == 0, passed.err
    assert {drop["path"]: drop["verdict"] for drop in passed.json["drops"]} == {
        "DEV/test/sample.tsv": "landed",
        "DEV/test/aliquot.tsv": "landed",
    }
    assert mirrored(lab, "sample") == 60
    assert lab.call("pull").code == 0
    assert lab.call("retry").code == 0
    told = lab.call("status")
    assert told.code == 0
    assert told.out.startswith("gen3sync  well: no daemon runs here; last pass ")
    assert "reachable" in told.out
    assert "DEV/test/sample.tsv" in told.out


def test_a_second_daemon_is_refused_and_names_the_first(lab: Lab) -> None:
    with lab.daemon():
        second = lab.call("run")
    assert second.code == 75
    assert "Another gen3sync (process" in second.err


def test_a_bad_configuration_changes_nothing_and_says_so(lab: Lab) -> None:
    good = lab.config.read_text()
    with lab.daemon() as daemon:
        lab.config.write_text(good.replace('every = "1s"', 'every = "often"'))
        daemon.reload()
        reason = until(lambda: lab.problem)
        assert "every" in reason
        assert "the old one stays in effect" in reason
        lab.drop("experiment.tsv")
        assert until(lambda: lab.receipt("experiment.tsv"))["verdict"] == "landed"
        lab.config.write_text(good)
        daemon.reload()
        until(lambda: not lab.problem)
    assert "read again" in lab.call("history").out


def test_new_folders_take_effect_at_reload(lab: Lab) -> None:
    with lab.daemon() as daemon:
        lab.config.write_text(lab.config.read_text().replace('path = "outbox"', 'path = "other"'))
        daemon.reload()
        until(lambda: (s := lab.status()) and s.outbox.path.endswith("/other"))
        there = lab.folder / "other/DEV/test"
        there.mkdir(parents=True)
        (there / "experiment.tsv").write_bytes((Path(__file__).parent.parent / "data/tsv/experiment.tsv").read_bytes())
        assert until(lambda: lab.receipt("experiment.tsv"))["verdict"] == "landed"
    assert not (lab.folder / "outbox/.gen3sync.lock").read_text()


def test_a_reload_that_cannot_start_goes_back(lab: Lab) -> None:
    (lab.folder / "file").write_text("not a folder")
    good = lab.config.read_text()
    with lab.daemon() as daemon:
        lab.config.write_text(good.replace('path = "inbox"', 'path = "file/inbox"'))
        daemon.reload()
        assert "file/inbox" in until(lambda: lab.problem)
        lab.drop("experiment.tsv")
        assert until(lambda: lab.receipt("experiment.tsv"))["verdict"] == "landed"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it_cleanly(lab: Lab, number: int) -> None:
    with lab.process() as process:
        lab.drop("experiment.tsv")
        until(lambda: lab.receipt("experiment.tsv"), process=process)
        assert stop(process, number) == 0
    assert lab.log.rstrip().endswith("stopped")
    told = lab.call("status", "--json").json
    assert told["reasons"][0] == "the daemon was stopped"


def test_hangup_reloads_a_process(lab: Lab) -> None:
    with lab.process() as process:
        lab.config.write_text(lab.config.read_text().replace("1s", "2s"))
        process.send_signal(signal.SIGHUP)
        until(lambda: "reloaded" in lab.log, process=process)
        assert stop(process) == 0


def test_stopping_with_work_in_flight_loses_nothing(lab: Lab) -> None:
    with lab.sandbox.faults.hold("after_commit", method="PUT") as hold:
        with lab.process() as process:
            lab.drop("experiment.tsv")
            hold.wait_reached()
            process.send_signal(signal.SIGTERM)
            until(lambda: " stopping\n" in lab.log, process=process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 128 + signal.SIGTERM
        hold.release()
    lab.config.write_text(lab.config.read_text().replace("[outbox]", 'horizon = "1s"\n[outbox]'))
    with lab.daemon():
        receipt = until(lambda: lab.receipt("experiment.tsv"))
    assert receipt["verdict"] == "landed"
    assert lab.sandbox.count("DEV-test", "experiment") == 2


def test_status_draws_what_the_daemon_wrote(lab: Lab) -> None:
    with lab.daemon():
        lab.drop("experiment.tsv")
        until(lambda: lab.receipt("experiment.tsv"))
        until(lambda: (s := lab.status()) and s.outbox.ended and s.key.user)
        screen = lab.call("status").out
    assert "depositor@example.org" in screen
    assert "DEV/test/experiment.tsv" in screen
    assert json.loads((lab.folder / "state/status.json").read_bytes())["schema"] == 1
