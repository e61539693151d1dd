"""What is printed: a table of figures beside their targets, the machine they were taken on, and the same as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One line of the table. `met` is None where nothing is promised."""

    case: str
    what: str
    value: str
    target: str = ""
    met: bool | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def at_least(case: str, what: str, number: float, bound: float, unit: str = "x", **facts: Any) -> Figure:
    """A figure that should not be smaller."""
    text = f"{number:.2f}{unit}"
    return Figure(case, what, text, f">= {bound:g}{unit}", number >= bound, {"number": number, "bound": bound, **facts})


def at_most(case: str, what: str, number: float, bound: float, unit: str = "x", **facts: Any) -> Figure:
    """A figure that should not be greater."""
    shown = f"{number:.3g}" if abs(number) < 1 else f"{number:,.2f}" if abs(number) < 100 else f"{number:,.0f}"
    text, limit = f"{shown}{unit}", f"<= {bound:g}{unit}"
    return Figure(case, what, text, limit, number <= bound, {"number": number, "bound": bound, **facts})


def plain(case: str, what: str, value: str, **facts: Any) -> Figure:
    """A figure without a promise."""
    return Figure(case, what, value, facts=facts)


@dataclass
class Report:
    """What a run found. Figures are told as they come and shown together at the end."""

    title: str
    as_json: bool
    figures: list[Figure] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, *figures: Figure) -> None:
        self.figures.extend(figures)

    def say(self, text: str) -> None:
        """Progress, on standard error so that the JSON twin stays clean."""
        print(text, file=sys.stderr, flush=True)

    def show(self) -> None:
        """Prints the table, or its JSON twin."""
        machine = machine_facts()
        if self.as_json:
            whole = {"title": self.title, "machine": machine, "facts": self.facts}
            print(json.dumps({**whole, "figures": [asdict(one) for one in self.figures]}, indent=1))
            return
        print(f"\n{self.title}")
        print("  " + ", ".join(f"{name} {value}" for name, value in machine.items()))
        for name, value in self.facts.items():
            print(f"  {name}: {value}")
        print()
        head = ("case", "figure", "value", "target", "")
        marks = {True: "met", False: "MISSED", None: ""}
        rows = [head, *((one.case, one.what, one.value, one.target, marks[one.met]) for one in self.figures)]
        for line in _columns(rows):
            print(line)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def machine_facts() -> dict[str, Any]:
    """What the figures were taken on."""
    try:
        ours = version("gen3sync")
    except PackageNotFoundError:
        ours = "from source"
    return {
        "gen3sync": ours,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": os.cpu_count(),
        "model": _first("/proc/cpuinfo", "model name"),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "load": f"{os.getloadavg()[0]:.2f}",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _first(path: str, key: str) -> str:
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(key):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return "unknown"


def mb(size: float) -> float:
    """Bytes as megabytes."""
    return size / 1e6
