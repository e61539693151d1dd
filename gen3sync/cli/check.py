"""`gen3sync check`: the doctor. The checks themselves are in checks/, one file each."""

from __future__ import annotations

import shutil
import sys
import textwrap

import click

from gen3sync.cli.checks import ORDER, Level, Report, Site, examine
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.errors import ExitCode
from gen3sync.names import printable

_MARK = {Level.OK: ("ok", "green"), Level.WARN: ("warn", "yellow"), Level.FAIL: ("FAIL", "red")}


@verb("check", short_help="Find what is wrong with this installation, and how to mend it.")
@json_option
def check(invocation: Invocation) -> int:
    """Look at everything gen3sync needs and say how to mend what is wrong.

    Exit code: 0 when nothing fails (warnings included), else that of the first failure.
    """
    site = Site(invocation)
    reports = []
    try:
        for report in examine(site, ORDER):
            reports.append(report)
            if not invocation.json:
                _say(invocation, report)
    finally:
        site.close()
    if invocation.json:
        invocation.emit([_plain(report) for report in reports])
    failures = [f for report in reports for f in report.findings if f.level is Level.FAIL]
    warnings = sum(f.level is Level.WARN for report in reports for f in report.findings)
    if not invocation.json:
        said = f"{len(failures)} to mend" if failures else "nothing to mend"
        invocation.say(f"\n{said}" + (f", {warnings} to know of" if warnings else ""))
    return failures[0].exit_code if failures else ExitCode.OK


def _say(invocation: Invocation, report: Report) -> None:
    if report.skipped:
        invocation.say(f"{click.style('  –  ', dim=True)} {report.title}: {report.skipped}")
    for finding in report.findings:
        word, colour = _MARK[finding.level]
        first, *more = finding.what.splitlines() or [""]
        paragraph(invocation, f"{report.title}: {first}", mark=click.style(word.center(5), fg=colour), indent=6)
        for line in more:
            paragraph(invocation, line.strip(), indent=8)
        if finding.remedy:
            paragraph(invocation, finding.remedy, mark="      " + click.style("try:", fg="green"), indent=11)


def paragraph(invocation: Invocation, text: str, *, indent: int, mark: str = "") -> None:
    """`text` after its mark, broken between words at the terminal's width; in one line where none is looked at."""
    said = printable(text, 1000)
    if sys.stdout.isatty():
        columns = max(40, shutil.get_terminal_size().columns)
        lines = textwrap.wrap(said, columns - indent, break_long_words=False, break_on_hyphens=False) or [""]
    else:
        lines = [said]
    invocation.say(f"{mark} {lines[0]}" if mark else " " * indent + lines[0])
    for line in lines[1:]:
        invocation.say(" " * indent + line)


def _plain(report: Report) -> dict[str, object]:
    return {
        "check": report.check,
        "title": report.title,
        "skipped": report.skipped or None,
        "findings": [{"level": str(f.level), "what": f.what, "remedy": f.remedy or None} for f in report.findings],
    }
