"""`python -m benchmarks.mirror`: what the way in takes, beside `curl` and the official SDK on the same export.

Cases: `export` (a node of each of --sizes, first export; then the same unchanged, then with ten records changed, at
--steady records), `many` (hundreds of unchanged mirrors looked at every ten seconds). Only `export`, with the node as
it is, runs against a commons that is named.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import sdk as sdk_home
from benchmarks.commons import REAL, Commons, sandbox
from benchmarks.house import build, environment, temporary
from benchmarks.mirror_many import many
from benchmarks.report import Report, at_most, mb, plain
from benchmarks.run import BaseRun
from benchmarks.worker import Done, Worker, WorkerError
from gen3sync.names import Project

CASES = ("export", "many")
CHANGED = 10
# A node type of the same project that has no records: with its mirror the project has been looked at.
SANDBOX_OTHER = "visit"
# Exports of so many records are repeated: a disturbance of a tenth of a second shows.
SMALL = 50_000


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
        if not run.args.no_sdk:
            _sdk(run, commons, case)
        rounds = run.args.rounds if size <= SMALL else 1
        curls, dones, unseen = [], [], []
        other = {} if run.args.url else {"other": SANDBOX_OTHER}
        for number in range(rounds):
            curls.append(_curl(run, commons, case))
            if size <= SMALL:
                with _worker(run, commons, f"{size}-{number}-unseen", {"bench": run.node}) as worker:
                    worker.ask("warm")
                    unseen.append(_pull(run, commons, worker, case, "updated").seconds)
            with _worker(run, commons, f"{size}-{number}", {"bench": run.node, **other}) as worker:
                worker.ask("warm", mirrors=[*other])
                dones.append(_pull(run, commons, worker, case, "updated", "bench"))
                if number == rounds - 1 and (size == run.args.steady or run.args.url):
                    _steady(run, commons, worker, case, dones[-1].seconds)
        _report(run, case, curls, dones, unseen)


def _report(run: Run, case: str, curls: Sequence[Curl], dones: Sequence[Done], unseen: Sequence[float]) -> None:
    """Medians, and the median of the ratios within a round."""
    curl = statistics.median(each.seconds for each in curls)
    memory = max(dones, key=lambda each: each.memory.peak).memory
    middle = sorted(dones, key=lambda each: each.seconds)[len(dones) // 2]
    ratios = [done.seconds / one.seconds for done, one in zip(dones, curls, strict=True)]
    run.report.add(
        plain(
            case,
            "curl, JSON to a file",
            f"{curl:.2f} s, {mb(max(each.peak for each in curls)):.0f} MB",
            seconds=[each.seconds for each in curls],
        ),
        plain(
            case,
            "gen3sync, to the published mirror",
            f"{middle.seconds:.2f} s, {mb(memory.peak):.0f} MB",
            seconds=[each.seconds for each in dones],
            cpu=[each.answer["cpu"] for each in dones],
            rows=middle.answer["rows"],
        ),
        at_most(case, "times curl's time", statistics.median(ratios), 1.15, samples=ratios),
        at_most(case, "peak memory", mb(memory.peak), 120, " MB", curve=memory.curve(20)),
    )
    if unseen:
        of = statistics.median(mine / one.seconds for mine, one in zip(unseen, curls, strict=True))
        figure = f"{statistics.median(unseen):.2f} s, {of:.2f}x curl"
        run.report.add(plain(case, "of a project never looked at", figure, seconds=list(unseen)))


@contextmanager
def _worker(run: Run, commons: Commons, name: str, nodes: Mapping[str, str]) -> Iterator[Worker]:
    """gen3sync with a mirror for each of `nodes`, by name."""
    mirrors = "".join(
        f'[[inbox.mirror]]\nname = "{mirror}"\nprojects = ["{run.project}"]\nnodes = ["{node}"]\n'
        f'format = "{run.args.format}"\nevery = "1h"\n'
        for mirror, node in nodes.items()
    )
    house = build(run.folder / f"mirror-{name}", commons, mirrors=mirrors)
    with Worker([sys.executable, "-m", "benchmarks.worker_gen3sync", str(house.config)], run.env) as worker:
        yield worker


@dataclass(frozen=True)
class Curl:
    """What curl took: seconds, and bytes of memory."""

    seconds: float
    peak: int


def _curl(run: Run, commons: Commons, case: str) -> Curl:
    """`curl --compressed` of the JSON export, to a file."""
    token = commons.token()
    out = run.folder / "curl.json"
    address = f"{commons.url}/api/v0/submission/{run.project.program}/{run.project.code}/export"
    command = ["curl", "--silent", "--fail", "--compressed", "--output", str(out), "--header", "@-"]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, f"{address}?node_label={run.node}&format=json"], stdin=subprocess.PIPE, env=dict(run.env)
    )
    assert process.stdin is not None
    # By standard input: an argument would show the token to every user of the machine.
    process.stdin.write(f"Authorization: bearer {token}\n".encode())
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise WorkerError(f"curl ended with {process.returncode}")
    size, peak = out.stat().st_size, usage.ru_maxrss * 1024
    out.unlink()
    run.report.say(f"{case}: curl {seconds:.2f} s, {mb(size):.1f} MB of JSON")
    return Curl(seconds, peak)


def _sdk(run: Run, commons: Commons, case: str) -> None:
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
            f"{done.seconds:.2f} s, {mb(done.memory.peak):.0f} MB",
            seconds=done.seconds,
            peak=done.memory.peak,
        )
    )


def _pull(run: Run, commons: Commons, worker: Worker, case: str, expected: str, *mirrors: str) -> Done:
    """A look at all mirrors, or a refresh of those named."""
    profile = {"profile": str(run.args.profile)} if run.args.profile else {}
    before = len(commons.requests()) if commons.is_sandbox else 0
    start = time.monotonic()
    done = worker.ask("pull", mirrors=mirrors, **profile)
    outcome = {name.rpartition("/")[2].partition(".")[0]: one for name, one in done.answer["outcomes"].items()}
    if outcome.get(run.node, "unchanged") != expected:
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
    parser.add_argument("--rounds", type=int, default=5, help="of curl and gen3sync in turn, for small sizes")
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
