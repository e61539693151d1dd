"""`python -m benchmarks.mirror`: what the way in takes, beside `curl` and the official SDK on the same export.

Cases: `export` (a node of each of --sizes, first export; then the same unchanged, then with ten records changed, at
--steady records), `many` (hundreds of unchanged mirrors looked at every ten seconds). Only `export`, with the node as
it is, runs against a commons that is named.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import sdk as sdk_home
from benchmarks.commons import REAL, Commons, sandbox
from benchmarks.daemon import running, until
from benchmarks.house import House, build, environment, temporary
from benchmarks.report import Report, at_most, mb, plain
from benchmarks.run import SANDBOX_NODE, BaseRun
from benchmarks.sampling import Sampler, cpu_seconds
from benchmarks.worker import Done, Worker, WorkerError
from gen3sync.names import Project

CASES = ("export", "many")
MANY_NODES = ("study", "subject", "visit", "sample", "aliquot", "lab_test", "publication", "sequencing_file")
CHANGED = 10


class Run(BaseRun):
    """What every case is given."""

    sandbox_project = Project("BENCH", "mirror")

    @contextmanager
    def commons(self, size: int) -> Iterator[Commons]:
        """The commons named, or a sandbox whose node has `size` records."""
        if self.args.url:
            yield Commons(self.args.url, self.args.credentials)
        else:
            with sandbox(self.folder, [self.project], REAL, [(self.project, self.node, size)]) as made:
                yield made


# -- export -------------------------------------------------------------------------------------------------------


def export(run: Run, size: int) -> None:
    """The same export by curl, the SDK and gen3sync."""
    case = f"{size:,} records" if not run.args.url else f"{run.project} {run.node}"
    with run.commons(size) as commons:
        curl = _curl(run, commons, case)
        if not run.args.no_sdk:
            _sdk(run, commons, case, curl)
        mirrors = (
            f'[[inbox.mirror]]\nname = "bench"\nprojects = ["{run.project}"]\nnodes = ["{run.node}"]\n'
            f'format = "{run.args.format}"\nevery = "1h"\n'
        )
        house = build(run.folder / f"mirror-{size}", commons, mirrors=mirrors)
        with Worker([sys.executable, "-m", "benchmarks.worker_gen3sync", str(house.config)], run.env) as worker:
            worker.ask("warm")
            done = _pull(run, commons, worker, case, "updated")
            run.report.add(
                plain(
                    case,
                    "gen3sync, to the published mirror",
                    f"{done.seconds:.2f} s, {mb(done.memory.peak):.0f} MB",
                    seconds=done.seconds,
                    cpu=done.answer["cpu"],
                    rows=done.answer["rows"],
                ),
                at_most(case, "times curl's time", done.seconds / curl, 1.15),
                at_most(case, "peak memory", mb(done.memory.peak), 120, " MB", curve=done.memory.curve(20)),
            )
            if size == run.args.steady or run.args.url:
                _steady(run, commons, worker, case, done.seconds)


def _curl(run: Run, commons: Commons, case: str) -> float:
    """Seconds of `curl --compressed` of the JSON export, to a file."""
    out = run.folder / "curl.json"
    address = f"{commons.url}/api/v0/submission/{run.project.program}/{run.project.code}/export"
    command = ["curl", "--silent", "--fail", "--compressed", "--output", str(out), "--header", "@-"]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, f"{address}?node_label={run.node}&format=json"], stdin=subprocess.PIPE, env=dict(run.env)
    )
    assert process.stdin is not None
    # By standard input: an argument would show the token to every user of the machine.
    process.stdin.write(f"Authorization: bearer {commons.token()}\n".encode())
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise WorkerError(f"curl ended with {process.returncode}")
    size, peak = out.stat().st_size, usage.ru_maxrss * 1024
    out.unlink()
    run.report.say(f"{case}: curl {seconds:.2f} s, {mb(size):.1f} MB of JSON")
    run.report.add(plain(case, "curl, JSON to a file", f"{seconds:.2f} s, {mb(peak):.0f} MB", seconds=seconds))
    return seconds


def _sdk(run: Run, commons: Commons, case: str, curl: float) -> None:
    python = sdk_home.python_of(run.args.sdk_env)
    script = Path(__file__).with_name("worker_sdk.py")
    out = run.folder / "sdk.txt"
    with Worker([str(python), str(script), str(commons.credentials)], run.env) as worker:
        done = worker.ask("export", project=run.project.id, node=run.node, format=run.args.sdk_format, file=str(out))
    out.unlink()
    run.report.say(f"{case}: SDK {done.seconds:.2f} s, {mb(done.memory.peak):.0f} MB")
    run.report.add(
        plain(
            case,
            f"SDK, export_node as {run.args.sdk_format}",
            f"{done.seconds:.2f} s, {mb(done.memory.peak):.0f} MB, {done.seconds / curl:.2f}x curl",
            seconds=done.seconds,
            peak=done.memory.peak,
        )
    )


def _pull(run: Run, commons: Commons, worker: Worker, case: str, expected: str) -> Done:
    profile = {"profile": str(run.args.profile)} if run.args.profile else {}
    before = len(commons.requests()) if commons.is_sandbox else 0
    start = time.monotonic()
    done = worker.ask("pull", **profile)
    if list(done.answer["outcomes"]) not in ([expected], []) or (expected == "updated" and not done.answer["outcomes"]):
        raise WorkerError(f"gen3sync: {done.answer['outcomes']} {done.answer['reasons']}")
    run.report.say(
        f"{case}: gen3sync {expected} {done.seconds:.3f} s, {mb(done.memory.peak):.0f} MB, "
        f"{done.answer['cpu']:.2f} s of processor; {done.answer['reasons']}"
    )
    for one in commons.requests()[before:] if run.args.trace and commons.is_sandbox else ():
        run.report.say(f"  {one.told(start)}")
    return done


def _steady(run: Run, commons: Commons, worker: Worker, case: str, first: float) -> None:
    """Refreshes after the first export: nothing changed, then ten records."""
    again = statistics.median(_pull(run, commons, worker, case, "unchanged").seconds for _ in range(5))
    run.report.add(
        at_most(case, "unchanged refresh, share of an export", again / first * 100, 1, " %", seconds=again),
    )
    if not commons.is_sandbox:
        return
    _change(run, commons)
    start = len(commons.requests())
    done = _pull(run, commons, worker, case, "updated")
    asked = commons.requests()[start:]
    share = done.seconds / first * 100
    run.report.add(
        at_most(
            case,
            f"{CHANGED} changed, share of an export",
            share,
            3,
            " %",
            seconds=done.seconds,
            requests=[f"{one.method} {one.path}" for one in asked],
        ),
    )


def _change(run: Run, commons: Commons) -> None:
    """Another person changes ten records, spread over the node."""
    size, unchanged = run.args.steady, {"type": run.node, "studies": {"submitter_id": "SYN-parent"}}
    records = [
        {**unchanged, "submitter_id": f"SYN-{number:07d}", "species": f"changed {number}"}
        for number in range(0, size, max(1, size // CHANGED))
    ][:CHANGED]
    commons.write(run.project, records)


# -- many ---------------------------------------------------------------------------------------------------------


def many(run: Run) -> None:
    """Hundreds of mirrors of unchanged nodes, looked at every ten seconds by one daemon."""
    count = math.ceil(run.args.mirrors / len(MANY_NODES))
    projects = [Project("BENCH", f"p{number:03d}") for number in range(count)]
    mirrors = count * len(MANY_NODES)
    names = ", ".join(f'"{node}"' for node in MANY_NODES)
    table = f'[[inbox.mirror]]\nname = "many"\nprojects = ["BENCH-*"]\nnodes = [{names}]\nevery = "10s"\n'
    with sandbox(run.folder, projects, {}, [(projects[0], SANDBOX_NODE, 10)]) as commons:
        house = build(run.folder / "many", commons, mirrors=table)
        with running(house, run.env) as daemon:
            if not until(lambda: _published(house) >= mirrors, 300, 0.5):
                raise TimeoutError(f"only {_published(house)} of {mirrors} mirrors after 300 s")
            time.sleep(15)
            before, asked = len(commons.requests()), cpu_seconds(daemon.pid)
            server = cpu_seconds(commons.pid or 0)
            start = time.monotonic()
            with Sampler(daemon.pid, 1.0) as sampler:
                time.sleep(run.args.many_seconds)
            seconds = time.monotonic() - start
            share = (cpu_seconds(daemon.pid) - asked) / seconds * 100
            server_share = (cpu_seconds(commons.pid or 0) - server) / seconds * 100
            requests = commons.requests()[before:]
    kinds = Counter("query" if one.is_query else one.path.rsplit("/", 1)[-1] for one in requests)
    queries = kinds["query"] / (seconds / 10) / count
    case = f"{mirrors} mirrors, {count} projects"
    run.report.say(f"{case}: {dict(kinds)} in {seconds:.0f} s")
    run.report.add(
        at_most(case, "daemon, share of a core", share, 5, " %", seconds=seconds),
        at_most(case, "queries a project in 10 s", queries, 1.1, ""),
        plain(case, "requests that are no query", str(len(requests) - kinds["query"]), kinds=dict(kinds)),
        plain(case, "server", f"{len(requests) / seconds:.1f} requests/s, {server_share:.0f} % of a core (sandbox)"),
        plain(case, "daemon, memory", f"{mb(sampler.memory.peak):.0f} MB"),
    )


def _published(house: House) -> int:
    return sum(1 for _ in (house.folder / "inbox").glob("*/*/*.tsv"))


# -- the command --------------------------------------------------------------------------------------------------


def main() -> int:
    """Runs the cases asked for; 0 whatever the figures are, for they are no test."""
    args = _arguments()
    report = Report("gen3sync: the way in", args.json)
    with temporary(args.keep) as folder:
        run = Run(args, report, folder, environment(folder))
        if "export" in args.cases and not args.no_sdk:
            report.facts["SDK"] = f"gen3 {sdk_home.version_of(sdk_home.python_of(args.sdk_env))}"
        report.facts["commons"] = args.url or f"sandbox, {dict(REAL)}; many at no cost"
        if "export" in args.cases:
            for size in args.sizes if not args.url else [0]:
                export(run, size)
        if "many" in args.cases:
            report.say("many …")
            many(run)
        report.show()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mirror", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)} (export)")
    parser.add_argument("--url", help="a commons instead of the sandbox; it is only read")
    parser.add_argument("--credentials", type=Path, help="its API key file")
    parser.add_argument("--project", help="its project, as PROGRAM/PROJECT")
    parser.add_argument("--node", help="a node type that has records there")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 200_000, 2_000_000])
    parser.add_argument("--steady", type=int, default=200_000, help="the size at which refreshes are measured")
    parser.add_argument("--format", choices=("tsv", "json"), default="tsv", help="of gen3sync's mirror")
    parser.add_argument("--sdk-format", choices=("tsv", "json"), default="tsv", help="of the SDK's export_node")
    parser.add_argument("--mirrors", type=int, default=500)
    parser.add_argument("--many-seconds", type=int, default=60)
    parser.add_argument("--sdk-env", type=Path, default=sdk_home.default_folder())
    parser.add_argument("--no-sdk", action="store_true")
    parser.add_argument("--trace", action="store_true", help="also list every request of gen3sync")
    parser.add_argument("--profile", type=Path, help="write gen3sync's cProfile of its last refresh there")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.cases = args.cases or ["export"]
    if unknown := set(args.cases) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if args.url and not (args.credentials and args.project and args.node):
        parser.error("--url needs --credentials, --project and --node")
    if args.url and "many" in args.cases:
        parser.error("many runs against the sandbox only")
    return args


if __name__ == "__main__":
    sys.exit(main())
