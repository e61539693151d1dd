"""`gen3sync check`: the doctor. The checks themselves are in checks/, one file each."""

from __future__ import annotations

import click

from gen3sync.cli.checks import ORDER, Level, Report, Site, examine
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.errors import ExitCode

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
        invocation.paragraph(f"{report.title}: {first}", mark=click.style(word.center(5), fg=colour), indent=6)
        for line in more:
            invocation.paragraph(line.strip(), indent=8)
        if finding.remedy:
            invocation.paragraph(finding.remedy, mark="      " + click.style("try:", fg="green"), indent=11)


def _plain(report: Report) -> dict[str, object]:
    return {
        "check": report.check,
        "title": report.title,
        "skipped": report.skipped or None,
        "findings": [{"level": str(f.level), "what": f.what, "remedy": f.remedy or None} for f in report.findings],
    }
