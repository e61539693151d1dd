"""Cases of `submit.py` that measure the daemon as a whole, on a sandbox without costs; what all cases are given."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from benchmarks import rows as made_up
from benchmarks import sdk as sdk_home
from benchmarks.commons import FREE, Commons, sandbox
from benchmarks.daemon import cpu_of_python, cpu_of_verb, running, until
from benchmarks.house import House, build
from benchmarks.report import at_most, mb, plain
from benchmarks.rows import Sheet
from benchmarks.run import BaseRun
from benchmarks.sampling import Sampler, cpu_seconds
from benchmarks.worker import Done, Worker, WorkerError
from gen3sync.catalog import Catalog
from gen3sync.clock import SystemClock
from gen3sync.commons.connect import open_commons
from gen3sync.names import Project


class Run(BaseRun):
    """What every case is given."""

    sandbox_project = Project("BENCH", "submit")

    def sheets(self, house: House, prefix: str) -> list[Sheet]:
        """Made-up sheets for the commons' own dictionary, parents first."""
        settings = house.settings
        settings.state.path.mkdir(exist_ok=True)
        clock = SystemClock()
        client = open_commons(settings.commons, {}, clock)
        try:
            dictionary = Catalog(client, clock, settings.state.path).dictionary()
        finally:
            client.close()
        return made_up.sheets(dictionary, self.node, self.project, prefix)


def gen3sync_worker(run: Run, house: House) -> Worker:
    """gen3sync's rooms in a process, imports done."""
    return Worker([sys.executable, "-m", "benchmarks.worker_gen3sync", str(house.config)], run.env, 300)


def sdk_worker(run: Run, commons: Commons) -> Worker:
    """The SDK in a process, imports done."""
    python = sdk_home.python_of(run.args.sdk_env)
    script = Path(__file__).with_name("worker_sdk.py")
    return Worker([str(python), str(script), str(commons.credentials)], run.env)


def landed(done: Done, sent: int) -> None:
    counts = done.answer["counts"]
    if done.answer["verdict"] != "landed" or counts.get("created", 0) + counts.get("updated", 0) != sent:
        raise WorkerError(
            f"gen3sync: {done.answer['verdict'] or done.answer['state']}: {done.answer['reason']} {counts}"
        )


# -- huge ---------------------------------------------------------------------------------------------------------


def huge(run: Run) -> None:
    """One file through the daemon, from the outbox to the receipt."""
    count = run.args.huge_rows
    with sandbox(run.folder, [run.project], FREE) as commons:
        house = build(run.folder / "huge", commons, 'settle = "500ms"')
        *parents, sheet = run.sheets(house, "bench-huge")
        with running(house, run.env, stop=60) as daemon:
            for parent in parents:
                _drop(house, run, parent, 1, f"{parent.prefix}.tsv", 60)
            with Sampler(daemon.pid, 0.5) as sampler:
                start, cpu = time.monotonic(), cpu_seconds(daemon.pid)
                _drop(house, run, sheet, count, "huge.tsv", run.args.patience)
                seconds, cpu = time.monotonic() - start, cpu_seconds(daemon.pid) - cpu
    memory = sampler.memory
    run.report.say(f"huge: {count:,} rows in {seconds:.0f} s; RSS curve {[round(mb(s)) for s in memory.curve()]} MB")
    run.report.add(
        plain("huge", f"{count:,} rows, whole way", f"{seconds:.0f} s, {cpu:.0f} s of processor", rows=count),
        at_most("huge", "peak memory", mb(memory.peak), 150, " MB", curve=memory.curve(20)),
        at_most("huge", "last third over middle third", memory.flatness, 1.1),
    )


def _drop(house: House, run: Run, sheet: Sheet, rows: int, name: str, patience: float) -> None:
    """Puts a file into the outbox in one step and waits for its receipt."""
    spool = sheet.write(house.folder / f"spool-{name}", rows)
    spool.rename(house.outbox(run.project) / name)
    sent, rejected = house.sent(run.project), house.folder / "rejected"

    def receipt() -> bool:
        return any(sent.glob(f"{name}*receipt*")) or any(rejected.rglob("*receipt*"))

    if not until(receipt, patience, 0.2):
        raise TimeoutError(f"no receipt for {name} after {patience:.0f} s")
    if any(rejected.rglob("*receipt*")):
        raise WorkerError(f"{name} was rejected")


# -- latency ------------------------------------------------------------------------------------------------------


def latency(run: Run) -> None:
    """From a file put into the outbox to the first request about it, less the settle time."""
    for archived in (0, run.args.archived):
        with sandbox(run.folder, [run.project], FREE) as commons:
            house = build(run.folder / f"latency-{archived}", commons, f'settle = "{run.args.settle}s"')
            for number in range(archived):
                (house.sent(run.project) / f"old-{number:05d}.tsv").touch()
            *parents, sheet = run.sheets(house, "bench-late")
            waits: list[float] = []
            with running(house, run.env) as daemon:
                for parent in parents:
                    _drop(house, run, parent, 1, f"{parent.prefix}.tsv", 60)
                for number in range(run.args.drops):
                    before = len(commons.requests())
                    moment = time.monotonic()
                    _drop(house, run, sheet, 1 + number % 2, f"drop-{number}.tsv", 60)
                    asked = [one for one in commons.requests()[before:] if one.is_about_records]
                    first = min((one.started_at for one in asked), default=time.monotonic())
                    waits.append((first - moment - run.args.settle) * 1000)
                ready = daemon.ready_after
        case = "latency" if not archived else f"latency, {archived:,} archived"
        run.report.say(f"{case}: {[round(wait) for wait in waits]} ms over the settle time; ready after {ready:.2f} s")
        run.report.add(
            at_most(case, "median over the settle time", statistics.median(waits), 100, " ms", waits=waits),
        )


# -- lying --------------------------------------------------------------------------------------------------------


def lying(run: Run) -> None:
    """A daemon that starts with many files in its outbox."""
    count = run.args.lying_files
    with sandbox(run.folder, [run.project], FREE) as commons:
        house = build(run.folder / "lying", commons)
        *parents, sheet = run.sheets(house, "bench-lying")
        with gen3sync_worker(run, house) as worker:
            for parent in parents:
                path = parent.write(run.folder / f"{parent.prefix}.tsv", 1)
                landed(worker.ask("submit", file=str(path), project=str(run.project)), 1)
        folder = house.outbox(run.project)
        head = next(sheet.lines(0))
        for number in range(count):
            (folder / f"f-{number:06d}.tsv").write_text(head + "\t".join(sheet.cells(number)) + "\n")
        with running(house, run.env, patience=300, stop=20) as daemon, Sampler(daemon.pid, 0.5) as sampler:
            time.sleep(run.args.lying_seconds)
            left = sum(1 for _ in folder.iterdir())
            puts = sum(one.is_put for one in commons.requests())
    memory = sampler.memory
    case = f"lying, {count:,} files"
    run.report.say(f"{case}: ready after {daemon.ready_after:.2f} s; RSS {[round(mb(s)) for s in memory.curve()]} MB")
    run.report.add(
        at_most(case, "ready after", daemon.ready_after, 5, " s"),
        at_most(
            case, f"peak memory in {run.args.lying_seconds} s", mb(memory.peak), 200, " MB", curve=memory.curve(20)
        ),
        plain(case, f"files done in {run.args.lying_seconds} s", f"{count - left:,} ({puts:,} requests)", left=left),
    )


# -- idle ---------------------------------------------------------------------------------------------------------


def idle(run: Run) -> None:
    """The daemon without work; the status verb from cold."""
    with sandbox(run.folder, [run.project], FREE) as commons:
        house = build(run.folder / "idle", commons)
        with running(house, run.env) as daemon:
            time.sleep(10)
            start, before, asked = time.monotonic(), cpu_seconds(daemon.pid), len(commons.requests())
            with Sampler(daemon.pid, 1.0) as sampler:
                time.sleep(run.args.idle_seconds)
            share = (cpu_seconds(daemon.pid) - before) / (time.monotonic() - start) * 100
            asked = len(commons.requests()) - asked
            verbs = [cpu_of_verb(house, run.env, "status") * 1000 for _ in range(7)]
        floor = statistics.median(cpu_of_python(run.env) * 1000 for _ in range(7))
    run.report.add(
        at_most("idle", "share of a core", share, 0.2, " %", seconds=run.args.idle_seconds, requests=asked),
        at_most("idle", "memory", mb(sampler.memory.peak), 100, " MB"),
        at_most("status", "processor time, cold, median", statistics.median(verbs), 250, " ms", runs=verbs),
        plain("status", "an interpreter that does nothing", f"{floor:.0f} ms"),
    )
