"""Hundreds of unchanged mirrors in one daemon: a case of `python -m benchmarks.mirror`."""

from __future__ import annotations

import math
import time
from collections import Counter

from benchmarks.commons import sandbox
from benchmarks.daemon import running, until
from benchmarks.house import House, build
from benchmarks.report import at_most, mb, plain
from benchmarks.run import SANDBOX_NODE, BaseRun
from benchmarks.sampling import Sampler, cpu_seconds
from gen3sync.names import Project

MANY_NODES = ("study", "subject", "visit", "sample", "aliquot", "lab_test", "publication", "sequencing_file")


def many(run: BaseRun) -> None:
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
