"""What every case of a benchmark is given: the command line, the report, a folder, and which node of which project."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.report import Report
from gen3sync.names import Project

SANDBOX_NODE = "subject"


@dataclass(frozen=True)
class BaseRun:
    """`sandbox_project` is used where the command line names none."""

    sandbox_project: ClassVar[Project]
    args: argparse.Namespace
    report: Report
    folder: Path
    env: Mapping[str, str]

    @property
    def project(self) -> Project:
        return Project.parse(self.args.project) if self.args.project else self.sandbox_project

    @property
    def node(self) -> str:
        return str(self.args.node or SANDBOX_NODE)
