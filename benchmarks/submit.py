"""`python -m benchmarks.submit`: what the way out takes, beside the official SDK on the same commons in the same run.

Cases: `new` (rows that are not there), `edited` (the same file with a few changed rows), `huge` (one file of a million
rows: memory), `latency` (from a file at rest to the first request), `lying` (100,000 files in the outbox at start),
`idle` (the daemon without work, and `gen3sync status`). Only `new` and `edited` run against a commons that is named.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import rows as made_up
from benchmarks import sdk as sdk_home
from benchmarks.commons import FREE, REAL, Commons, Request, sandbox
from benchmarks.daemon import cpu_of_python, cpu_of_verb, running, until
from benchmarks.house import House, build, environment, temporary
from benchmarks.report import Report, at_least, at_most, mb, plain
from benchmarks.rows import Sheet
from benchmarks.sampling import Sampler, cpu_seconds
from benchmarks.worker import Done, Worker, WorkerError
from gen3sync.catalog import Catalog
from gen3sync.clock import SystemClock
from gen3sync.commons.connect import open_commons
from gen3sync.names import Project

CASES = ("new", "edited", "huge", "latency", "lying", "idle")
SANDBOX_PROJECT = Project("BENCH", "submit")
SANDBOX_NODE = "subject"


@dataclass(frozen=True)
class Run:
    """What every case is given."""

    args: argparse.Namespace
    report: Report
    folder: Path
    env: Mapping[str, str]

    @property
    def project(self) -> Project:
        return Project.parse(self.args.project) if self.args.project else SANDBOX_PROJECT

    @property
    def node(self) -> str:
        return str(self.args.node or SANDBOX_NODE)

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


# -- new and edited -----------------------------------------------------------------------------------------------


def new_and_edited(run: Run) -> None:
    """The same rows by both, each under names of its own."""
    with ExitStack() as stack:
        if run.args.url:
            commons = Commons(run.args.url, run.args.credentials)
        else:
            beside = [(run.project, run.node, run.args.beside)] if run.args.beside else []
            commons = stack.enter_context(sandbox(run.folder, [run.project], REAL, beside))
        # The parents go first, at no cost to either.
        house = build(run.folder / "new", commons, f"chunk_rows = {run.args.chunk_rows}" if run.args.chunk_rows else "")
        mark = secrets.token_hex(3)
        timed: dict[str, dict[str, float]] = {}
        if not run.args.no_sdk:
            sheet = _prepare(run, house, f"bench-sdk-{mark}")
            timed["sdk"] = _by_sdk(run, commons, sheet)
        sheet = _prepare(run, house, f"bench-gen3sync-{mark}")
        timed["gen3sync"] = _by_gen3sync(run, house, commons, sheet)
        _compare(run, timed)


def _prepare(run: Run, house: House, prefix: str) -> Sheet:
    *parents, sheet = run.sheets(house, prefix)
    with gen3sync_worker(run, house) as worker:
        for parent in parents:
            path = parent.write(run.folder / f"{parent.prefix}.tsv", 1)
            _landed(worker.ask("submit", file=str(path), project=str(run.project)), 1)
    sheet.write(_file(run, sheet, "new"), run.args.rows)
    step = max(1, run.args.rows // max(1, run.args.edited))
    sheet.write(_file(run, sheet, "edited"), run.args.rows, frozenset(range(0, run.args.rows, step)[: run.args.edited]))
    return sheet


def _file(run: Run, sheet: Sheet, case: str) -> Path:
    return run.folder / f"{sheet.prefix}-{case}.tsv"


def _by_sdk(run: Run, commons: Commons, sheet: Sheet) -> dict[str, float]:
    seconds: dict[str, float] = {}
    with sdk_worker(run, commons) as worker:
        for case in _wanted(run):
            done = worker.ask("submit", file=str(_file(run, sheet, case)), project=run.project.id)
            if done.answer["landed"] != run.args.rows:
                raise WorkerError(f"the SDK landed {done.answer['landed']} of {run.args.rows} rows")
            seconds[case] = done.seconds
            run.report.say(f"{case}: SDK {done.seconds:.2f} s, {done.answer['requests']} requests")
            run.report.add(
                plain(
                    case,
                    "SDK, submit_file",
                    f"{done.seconds:.2f} s, {mb(done.memory.peak):.0f} MB",
                    seconds=done.seconds,
                    peak=done.memory.peak,
                )
            )
    return seconds


def _by_gen3sync(run: Run, house: House, commons: Commons, sheet: Sheet) -> dict[str, float]:
    seconds: dict[str, float] = {}
    with gen3sync_worker(run, house) as worker:
        for case in _wanted(run):
            before = len(commons.requests()) if commons.is_sandbox else 0
            start = time.monotonic()
            done = worker.ask("submit", file=str(_file(run, sheet, case)), project=str(run.project))
            _landed(done, run.args.rows if case == "new" else run.args.edited)
            seconds[case] = done.seconds
            run.report.say(f"{case}: gen3sync {done.seconds:.2f} s, {done.answer['counts']}")
            run.report.add(
                plain(
                    case,
                    "gen3sync, to the proven receipt",
                    f"{done.seconds:.2f} s, {mb(done.memory.peak):.0f} MB",
                    seconds=done.seconds,
                    peak=done.memory.peak,
                    cpu=done.answer["cpu"],
                )
            )
            if commons.is_sandbox:
                asked = commons.requests()[before:]
                if run.args.trace:
                    _trace(run, asked, start)
                if case == "new":
                    _share_of_workers(run, done, asked)
    return seconds


def _wanted(run: Run) -> list[str]:
    return ["new", "edited"] if "edited" in run.args.cases else ["new"]


def _landed(done: Done, sent: int) -> None:
    counts = done.answer["counts"]
    if done.answer["verdict"] != "landed" or counts.get("created", 0) + counts.get("updated", 0) != sent:
        raise WorkerError(
            f"gen3sync: {done.answer['verdict'] or done.answer['state']}: {done.answer['reason']} {counts}"
        )


def _share_of_workers(run: Run, done: Done, asked: list[Request]) -> None:
    """What the workers could do at best: the rows written and read back once, both workers busy all the time."""
    workers, rows = float(REAL["workers"] or 1), run.args.rows
    writing = rows * float(REAL["row"] or 0) / workers
    proving = rows * float(REAL["read"] or 0) / workers
    overhead = float(REAL["request"] or 0)
    run.report.add(
        at_least("new", "of what the workers can give", (writing + proving + overhead) / done.seconds, 0.9),
        plain(
            "new",
            "  of which counting writing alone",
            f"{writing / done.seconds:.2f}x",
            puts=sum(one.is_put for one in asked),
            requests=len(asked),
        ),
    )


def _trace(run: Run, asked: list[Request], start: float) -> None:
    for one in asked:
        run.report.say(f"  {one.told(start)}")


def _compare(run: Run, timed: dict[str, dict[str, float]]) -> None:
    bounds = {"new": 1.9, "edited": 20.0}
    for case in _wanted(run):
        if "sdk" in timed:
            ratio = timed["sdk"][case] / timed["gen3sync"][case]
            run.report.add(at_least(case, "times as fast as the SDK", ratio, bounds[case]))


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
                _landed(worker.ask("submit", file=str(path), project=str(run.project)), 1)
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


# -- the command --------------------------------------------------------------------------------------------------


def main() -> int:
    """Runs the cases asked for; 0 whatever the figures are, for they are no test."""
    args = _arguments()
    report = Report("gen3sync: the way out", args.json)
    with temporary(args.keep) as folder:
        run = Run(args, report, folder, environment(folder))
        if args.no_sdk:
            report.facts["SDK"] = "left out"
        elif {"new", "edited"} & set(args.cases):
            report.facts["SDK"] = f"gen3 {sdk_home.version_of(sdk_home.python_of(args.sdk_env))}, chunks of 30"
        report.facts["commons"] = args.url or f"sandbox, {dict(REAL)}; huge, latency, lying, idle at no cost"
        if {"new", "edited"} & set(args.cases):
            new_and_edited(run)
        for case, measure in (("huge", huge), ("latency", latency), ("lying", lying), ("idle", idle)):
            if case in args.cases:
                report.say(f"{case} …")
                measure(run)
        report.show()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.submit", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)} (new and edited)")
    parser.add_argument("--url", help="a commons instead of the sandbox; rows are written there and stay")
    parser.add_argument("--credentials", type=Path, help="its API key file")
    parser.add_argument("--project", help="its project, as PROGRAM/PROJECT")
    parser.add_argument("--node", help="a node type that is no file node")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--edited", type=int, default=5, help="rows changed in the edited file")
    parser.add_argument("--beside", type=int, default=0, help="other records of the node in the sandbox's project")
    parser.add_argument("--chunk-rows", type=int, help="gen3sync's chunk_rows instead of its default")
    parser.add_argument("--huge-rows", type=int, default=1_000_000)
    parser.add_argument("--patience", type=float, default=3600, help="seconds to wait for the huge file")
    parser.add_argument("--archived", type=int, default=10_000, help="archived files beside the outbox")
    parser.add_argument("--drops", type=int, default=15, help="drops whose latency is taken")
    parser.add_argument("--settle", type=float, default=0.5, help="settle time in the latency case, seconds")
    parser.add_argument("--lying-files", type=int, default=100_000)
    parser.add_argument("--lying-seconds", type=int, default=60, help="how long to watch after READY")
    parser.add_argument("--idle-seconds", type=int, default=60)
    parser.add_argument("--sdk-env", type=Path, default=sdk_home.default_folder())
    parser.add_argument("--no-sdk", action="store_true")
    parser.add_argument("--trace", action="store_true", help="also list every request of gen3sync")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.cases = args.cases or ["new", "edited"]
    if unknown := set(args.cases) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if args.url and not (args.credentials and args.project and args.node):
        parser.error("--url needs --credentials, --project and --node")
    if args.url and set(args.cases) - {"new", "edited"}:
        parser.error("only new and edited run against a commons that is named")
    return args


if __name__ == "__main__":
    sys.exit(main())
