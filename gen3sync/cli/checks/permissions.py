"""May the key read and write the projects that the configuration and the outbox folders name?"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from gen3sync.cli.ask import expect
from gen3sync.cli.checks import Finding, Site, fail, ok, warn
from gen3sync.errors import ExitCode
from gen3sync.names import Project

TITLE = "Permissions"
NEEDS = ("configuration", "credentials", "commons")
_ASK = "Ask the commons' administrators for it, for the user of this key."


def look(site: Site) -> Iterator[Finding]:
    may = expect(site.client.permissions(), "what the key may do")
    if not may.known:
        yield warn(
            "The commons does not say what the key may do.", "Its authorisation service may be down; look again."
        )
        return
    known = set(site.projects)
    writable = [project for project in site.projects if may.may_submit(project)]
    readable = [project for project in site.projects if may.may_read(project)]
    if writable:
        yield ok(f"The key may write {_listed(writable)} and read {_listed(readable)}")
    else:
        yield warn(
            f"The key may read {_listed(readable)} and write no project: nothing can be sent with it.",
            f"For mirrors alone that is enough. To submit, create and update are needed. {_ASK}",
        )
    for project in sorted(_routes(site)):
        if project not in known:
            yield fail(
                f"The outbox has a folder or a route for {project}, which this commons does not have.",
                "Rename the folder to PROGRAM/PROJECT as the commons writes them (upper and lower case differ).",
                ExitCode.NO_INPUT,
            )
        elif not may.may_submit(project):
            yield fail(
                f"The key may not write to {project} (it needs create and update).", _ASK, ExitCode.NO_PERMISSION
            )
        elif not may.may_read(project):
            yield warn(f"The key may not read {project}, so receipts there stay unverified.", _ASK)
    for mirror in site.settings.inbox.mirror:
        for pattern in mirror.projects:
            if not any(_named(pattern, project) for project in readable):
                yield fail(
                    f"The mirror of {pattern!r} matches no project that the key may read.", _ASK, ExitCode.NO_PERMISSION
                )


def _routes(site: Site) -> set[Project]:
    outbox = site.settings.outbox
    found = {Project(route.program, route.project) for route in outbox.route}
    if outbox.path.is_dir():
        found |= {
            Project(folder.parent.name, folder.name)
            for folder in outbox.path.glob("*/*")
            if folder.is_dir() and not folder.name.startswith(".") and not folder.parent.name.startswith(".")
        }
    return found


def _named(pattern: str, project: Project) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in (project.id, str(project)))


def _listed(projects: list[Project]) -> str:
    if not projects:
        return "no project"
    shown = ", ".join(str(project) for project in projects[:5])
    return shown + (f" and {len(projects) - 5} more" if len(projects) > 5 else "")
