"""`python -m benchmarks.submit`: what the way out takes, beside the official SDK on the same commons in the same run.

Cases: `new` (rows that are not there), `edited` (the same file with a few changed rows), `huge` (one file of a million
rows: memory), `latency` (from a file at rest to the first request), `lying` (100,000 files in the outbox at start),
`idle` (the daemon without work, and `gen3sync status`). Only `new` and `edited` run against a commons that is named.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks import sdk as sdk_home
from benchmarks.commons import REAL, Commons, Request, sandbox
from benchmarks.house import House, build, environment, temporary
from benchmarks.report import Report, at_least, mb, plain
from benchmarks.rows import Sheet
from benchmarks.submit_daemon import Run, gen3sync_worker, huge, idle, landed, latency, lying, sdk_worker
from benchmarks.worker import Done, WorkerError

CASES = ("new", "edited", "huge", "latency", "lying", "idle")


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
            landed(worker.ask("submit", file=str(path), project=str(run.project)), 1)
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
            landed(done, run.args.rows if case == "new" else run.args.edited)
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
