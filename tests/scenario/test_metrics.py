"""What a monitoring system sees of a daemon at work: true figures, alive or not, ready or not."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from gen3sync.daemon import port as port_module
from gen3sync.ledger.rows import Outcome, Verdict
from gen3sync.metrics.pages import PATHS
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import Lab, away, until
from tests.unit.metrics.exposition import Family, read, value

STUDY = "type\tsubmitter_id\tprojects.code\ttitle\nstudy\t{0}\ttest\tabout {0}\n"
BAD = "type\tsubmitter_id\tprojects.code\tis_public\nstudy\tBAD\ttest\tperhaps\n"
DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reference/metrics.md").read_text(encoding="utf-8")
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """One that neither is bound nor is handed out to a client while the test runs, nor to another worker of the run."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 24
    while True:
        port = 20_000 + 500 * worker + random.randrange(500)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


class Watched:
    """A lab whose daemon serves metrics."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        text = lab.config.read_text().replace('"experiment", "case", "sample", "aliquot"', '"study"')
        lab.config.write_text(text)
        self.listen(free_port())

    def listen(self, port: int) -> None:
        """Says so in the configuration."""
        self.port = port
        text = re.sub(r"\[metrics\]\nlisten = .*\n", "", self.lab.config.read_text())
        self.lab.config.write_text(f'{text}[metrics]\nlisten = "{LOOPBACK}:{port}"\n')

    def ask(self, path: str, **headers: str) -> tuple[int, str]:
        connection = HTTPConnection(LOOPBACK, self.port, timeout=60)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def says(self, path: str, status: int, text: str) -> bool:
        code, said = self.ask(path)
        return code == status and text in said

    def figure(self, name: str, **labels: str) -> float | None:
        return value(self.ask("/metrics")[1], name, **labels)

    @property
    def served(self) -> bool:
        try:
            return self.ask("/healthz")[0] > 0
        except OSError:
            return False


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        yield sandbox


@pytest.fixture
def watched(tmp_path: Path, sandbox: Sandbox) -> Watched:
    return Watched(Lab(tmp_path, sandbox))


def table() -> dict[str, tuple[str, str]]:
    """Type and labels of every metric in the documentation."""
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| (counter|gauge|histogram) \| ([^|]*)\|", PAGE, re.MULTILINE)
    return {name: (type_, labels.strip()) for name, type_, labels in rows}


def labels_of(family: Family) -> set[str]:
    return {name for _, labels in family.samples for name, _ in labels} - {"le"}


def test_a_day_in_figures(watched: Watched) -> None:
    lab = watched.lab
    with lab.daemon():
        lab.drop("study.tsv", STUDY.format("HEART"))
        lab.drop("bad.tsv", BAD)
        nowhere = lab.folder / "outbox" / "DEV" / "none"
        nowhere.mkdir()
        (nowhere / "lost.tsv").write_text(STUDY.format("LOST"))
        # A drop is counted a moment after its receipt is there.
        until(lambda: watched.figure("gen3sync_drops_ended_total", verdict="landed") == 1)
        until(lambda: watched.figure("gen3sync_drops_ended_total", verdict="rejected") == 1)
        until(lambda: any(drop.state == "parked" for drop in lab.open))
        mirror = {"mirror": "DEV/test/study.tsv", "project": "DEV/test", "node": "study"}
        until(lambda: watched.figure("gen3sync_mirror_rows", **mirror) == 1)
        until(lambda: watched.figure("gen3sync_drops_open", state="parked") == 1)
        text = watched.ask("/metrics")[1]
        puts = lab.puts()
        size = (lab.inbox / "study.tsv").stat().st_size
        ready = watched.ask("/readyz")

    def is_(name: str, **labels: str) -> float | None:
        return value(text, name, **labels)

    assert is_("gen3sync_drops_arrived_total") == 3
    assert is_("gen3sync_drops_arrived_bytes_total") == len(STUDY.format("HEART") + STUDY.format("LOST") + BAD)
    assert is_("gen3sync_drops_ended_total", verdict="landed") == 1
    assert is_("gen3sync_drops_ended_total", verdict="rejected") == 1
    assert is_("gen3sync_drop_duration_seconds_count") == 2
    assert is_("gen3sync_rows_total", result="created") == 1
    assert is_("gen3sync_rows_total", result="rejected") == 1
    assert is_("gen3sync_chunks_total", outcome="landed") == 1
    assert is_("gen3sync_chunk_rows_sum") == is_("gen3sync_chunk_rows_count") == puts
    submitted = (is_("gen3sync_requests_total", kind="submit", status=each) or 0 for each in ("200", "400"))
    assert sum(submitted) == puts
    assert is_("gen3sync_token_renewals_total", outcome="renewed") == 1
    assert is_("gen3sync_parked_total", what="drop", reason="route") == 1
    assert (is_("gen3sync_oldest_drop_age_seconds", state="parked") or 0) > 0
    assert is_("gen3sync_mirror_size_bytes", **mirror) == size
    assert is_("gen3sync_mirrors_stale") == 0
    assert (is_("gen3sync_refreshes_total", outcome="updated") or 0) >= 1
    assert is_("gen3sync_health", state="degraded") == 1
    assert (is_("gen3sync_key_remaining_seconds") or 0) > 0
    assert ready[0] == 200
    assert ready[1].startswith("ready\nhealth: degraded\n- 1 drop parked")

    # All that can be exposed was: what is documented is there, and what is there is documented.
    families, documented = read(text), table()
    assert set(families) == set(documented)
    for name, family in families.items():
        type_, labels = documented[name]
        assert family.type == type_, name
        if family.samples:
            assert labels_of(family) == set(re.findall(r"`(\w+)`", labels)), name


def test_a_bad_day_in_figures(watched: Watched, sandbox: Sandbox) -> None:
    lab = watched.lab
    lab.config.write_text(lab.config.read_text().replace("[outbox]", 'horizon = "1s"\n[outbox]'))
    with lab.daemon():
        sandbox.faults.answer(503, times=1, method="PUT", headers={"Retry-After": "0"})
        lab.drop("busy.tsv", STUDY.format("BUSY"))
        until(lambda: lab.receipt("busy.tsv"))
        sandbox.faults.lose(times=1, method="PUT")
        lab.drop("lost.tsv", STUDY.format("LOST"))
        until(lambda: watched.figure("gen3sync_drops_ended_total", verdict="landed") == 2, 120)
        lab.drop("blank.tsv", STUDY.format("BUSY").replace("about BUSY", ""))
        until(lambda: any(drop.state == "parked" for drop in lab.open))
        until(lambda: watched.figure("gen3sync_drops_open", state="parked") == 1)
        text = watched.ask("/metrics")[1]
    assert value(text, "gen3sync_retries_total", reason="busy") == 1
    assert value(text, "gen3sync_chunks_total", outcome="lost") == 1
    assert value(text, "gen3sync_retries_total", reason="lost") == 1
    assert value(text, "gen3sync_requests_total", kind="submit", status="503") == 1
    assert value(text, "gen3sync_requests_total", kind="submit", status="reset") == 1
    assert value(text, "gen3sync_parked_total", what="drop", reason="guard") == 1
    assert value(text, "gen3sync_drops_ended_total", verdict="landed") == 2


def test_names_follow_the_conventions() -> None:
    units = {"duration", "age", "remaining", "size", "bytes", "memory", "cpu", "time"}
    for name, (type_, _) in table().items():
        assert re.fullmatch(r"(gen3sync|process)_[a-z0-9]+(_[a-z0-9]+)*", name), name
        assert name.endswith("_total") == (type_ == "counter"), name
        bare = name.removesuffix("_total")
        if units & set(bare.split("_")):
            assert bare.endswith(("_seconds", "_bytes")), name
        assert not re.search(r"_(ms|milliseconds|minutes|hours|days|kb|mb|percent|ratio|count|sum|bucket)$", bare), name


@pytest.mark.parametrize("word", [*(v.value for v in Verdict), *(o.value for o in Outcome), *PATHS])
def test_every_word_of_a_label_is_documented(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_the_rules_speak_of_metrics_there_are() -> None:
    rules = (DOCS / "how-to/prometheus-alerts.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\b((?:gen3sync|process)_\w+)", "\n".join(re.findall(r"expr: (.+)", rules))))
    assert used
    assert used <= set(table())
    for name, labels in re.findall(r"\b(gen3sync_\w+)\{(\w+)[!=]", rules):
        assert f"`{labels}`" in table()[name][1]


def test_a_commons_that_is_down_does_not_keep_files_from_being_taken(watched: Watched, sandbox: Sandbox) -> None:
    away(sandbox)
    with watched.lab.daemon():
        until(lambda: watched.says("/readyz", 200, "health: degraded\n- the commons does not answer"))
        assert watched.ask("/healthz") == (200, "alive\n")
        assert watched.figure("gen3sync_commons_up") == 0
        assert (watched.figure("gen3sync_requests_total", kind="version", status="connect") or 0) >= 1


def test_a_hung_worker_is_seen(watched: Watched) -> None:
    with watched.lab.daemon() as daemon:
        until(lambda: watched.says("/healthz", 200, "alive"))
        daemon._beats.beat("lane DEV/hung", -1.0)
        assert watched.ask("/healthz") == (503, "no sign of life from lane DEV/hung\n")
        assert json.loads(watched.ask("/healthz", Accept="application/json")[1])["silent"] == ["lane DEV/hung"]
        assert watched.says("/readyz", 503, "not ready: no sign of life from lane DEV/hung")
        assert watched.figure("gen3sync_loops_silent") == 1
        daemon._beats.goodbye("lane DEV/hung")
        assert watched.ask("/healthz")[0] == 200


def test_an_outbox_that_is_gone_takes_no_files(watched: Watched) -> None:
    with watched.lab.daemon():
        until(lambda: watched.says("/readyz", 200, "ready"))
        # At once: a daemon that finds it half removed puts its lock there again.
        (watched.lab.folder / "outbox").rename(watched.lab.folder / "aside")
        until(lambda: watched.says("/readyz", 503, "is gone; it is used again when it is back"))
        assert watched.ask("/healthz")[0] == 200
        watched.lab.outbox.mkdir(parents=True)
        until(lambda: watched.says("/readyz", 200, "ready"))


def test_a_daemon_that_stops_says_so_while_it_finishes(watched: Watched, sandbox: Sandbox) -> None:
    with watched.lab.daemon() as daemon, sandbox.faults.hold("received", method="PUT") as held:
        watched.lab.drop("study.tsv", STUDY.format("SLOW"))
        held.wait_reached()
        daemon.stop()
        until(lambda: watched.says("/readyz", 503, "not ready: the daemon is stopping"))
        assert watched.ask("/healthz")[0] == 200
    assert not watched.served


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Somebody else has the port."""
    with socket.create_server((LOOPBACK, port)):
        yield


def test_a_port_that_is_taken_stops_no_work_and_is_tried_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_module, "_AGAIN", 0.0)
    lab = watched.lab
    with ExitStack() as other, lab_with(other, watched):
        until(lambda: f"metrics are not served on {LOOPBACK}:{watched.port}: another program" in lab.problem)
        lab.drop("study.tsv", STUDY.format("HEART"))
        until(lambda: lab.receipt("study.tsv"))
        other.close()
        until(lambda: watched.served)
        until(lambda: lab.problem == "")
        # The figures begin with the daemon, not with the port.
        assert watched.figure("gen3sync_drops_arrived_total") == 1


@contextmanager
def lab_with(other: ExitStack, watched: Watched) -> Iterator[None]:
    """A daemon, and before it another program at its port until `other` is closed."""
    other.enter_context(taken(watched.port))
    with watched.lab.daemon():
        yield


def test_a_reload_moves_the_port_and_keeps_the_counts(watched: Watched) -> None:
    lab, old = watched.lab, watched.port
    with lab.daemon() as daemon:
        lab.drop("study.tsv", STUDY.format("HEART"))
        until(lambda: lab.receipt("study.tsv"))
        watched.listen(free_port())
        daemon.reload()
        until(lambda: watched.served)
        until(lambda: watched.figure("gen3sync_ready") == 1)
        assert watched.figure("gen3sync_drops_arrived_total") == 1
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, old))
        lab.drop("more.tsv", STUDY.format("LUNG"))
        until(lambda: watched.figure("gen3sync_drops_ended_total", verdict="landed") == 2)
        lab.config.write_text(re.sub(r"\[metrics\]\nlisten = .*\n", "", lab.config.read_text()))
        daemon.reload()
        until(lambda: not watched.served)


def test_nobody_pays_for_metrics_that_are_not_served() -> None:
    code = "import sys, gen3sync.daemon.loop, gen3sync.cli.run; print(*sys.modules)"
    known = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "gen3sync.daemon.port" in known
    assert not any(name.startswith(("prometheus_client", "gen3sync.metrics")) for name in known)


def test_check_looks_at_the_port(watched: Watched, sandbox: Sandbox) -> None:
    lab, listen = watched.lab, f"{LOOPBACK}:{watched.port}"
    assert f"Metrics: {listen} is free for the daemon" in checked(lab)
    with taken(watched.port):
        assert f"Metrics: {listen} cannot be had: Address already in use." in checked(lab)
    with lab.daemon() as daemon:
        assert f"Metrics: Served at {listen}" in checked(lab)
        daemon._beats.beat("lane DEV/hung", -1.0)
        assert "and a loop of the daemon shows no life" in checked(lab)
        elsewhere = free_port()
        text = lab.config.read_text()
        lab.config.write_text(text.replace(str(watched.port), str(elsewhere)))
        assert f"{LOOPBACK}:{elsewhere} does not answer, though a daemon runs." in checked(lab)
        lab.config.write_text(text.replace(str(watched.port), sandbox.url.rpartition(":")[2]))
        assert "is no gen3sync." in checked(lab)
    lab.config.write_text(re.sub(r"\[metrics\]\nlisten = .*\n", "", text))
    assert "Metrics: No port is opened" in checked(lab)


def checked(lab: Lab) -> str:
    """What `check` says, in one line."""
    return " ".join(lab.call("check").out.split())
