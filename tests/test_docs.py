"""Fails when a verb, an option, an exit code or a status field lacks its documentation, or a link leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import click
import pytest

from gen3sync.cli import VERBS, gen3sync
from gen3sync.cli.checks import ORDER
from gen3sync.errors import ExitCode
from gen3sync.status import (
    CommonsStatus,
    DaemonStatus,
    DropStatus,
    EndedStatus,
    EventStatus,
    InboxStatus,
    KeyStatus,
    MirrorStatus,
    NotifyStatus,
    OutboxStatus,
    ParkedStatus,
    PauseStatus,
    RefusalStatus,
    Status,
)

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, click.Command]]:
    with click.Context(gen3sync) as context:
        for name in VERBS:
            command = gen3sync.get_command(context, name)
            assert command is not None
            yield name, command
            if isinstance(command, click.Group):
                yield from ((f"{name} {sub}", each) for sub, each in command.commands.items())


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_its_section(name: str) -> None:
    assert f"\n## {name}\n" in text("reference/verbs.md")


def test_every_option_is_documented_in_its_section() -> None:
    sections = dict(re.findall(r"\n## (\w+)\n(.*?)(?=\n## |\Z)", text("reference/verbs.md"), re.DOTALL))
    missing = []
    for name, command in commands():
        section = sections[name.split()[0]]
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                # --config, --debug and --help belong to all verbs and stand at the top.
                missing += [f"{name} {each}" for each in option.opts if each not in section and each not in SHARED]
    assert missing == []


SHARED = {"-c", "--config", "--debug", "-h", "--help", "-V", "--version"}


def test_every_exit_code_is_documented() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (\w+) \|", text("reference/exit-codes.md"), re.MULTILINE))
    assert rows == {str(int(code)): code.name for code in ExitCode}


PARTS = {
    Status: "",
    DaemonStatus: "daemon.",
    CommonsStatus: "commons.",
    KeyStatus: "key.",
    OutboxStatus: "outbox.",
    DropStatus: "outbox.open[].",
    EndedStatus: "outbox.ended[].",
    RefusalStatus: "outbox.ended[].refusals[].",
    ParkedStatus: "outbox.parked_projects[].",
    PauseStatus: "outbox.pause.",
    InboxStatus: "inbox.",
    MirrorStatus: "inbox.mirrors[].",
    NotifyStatus: "notify.",
    EventStatus: "events[].",
}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_status_field_is_documented(part: type) -> None:
    assert is_dataclass(part)
    prefix, page = PARTS[part], text("reference/status.md")
    lines = [line for line in page.splitlines() if line.startswith(f"| `{prefix}")]
    missing = [
        field.name
        for field in fields(part)
        if not any(f"`{prefix}{field.name}`" in line or f"`.{field.name}`" in line for line in lines)
    ]
    assert missing == []


def test_no_status_field_is_documented_that_does_not_exist() -> None:
    known = {f"{prefix}{field.name}" for part, prefix in PARTS.items() for field in fields(part)}
    page = text("reference/status.md").partition("## status.json")[2]
    shown = set()
    for cell in re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", cell)
        prefix = first.rpartition(".")[0]
        shown |= {first, *(f"{prefix}{name}" if name.startswith(".") else name for name in others)}
    assert shown - {"field"} == known


def test_every_check_has_its_module() -> None:
    modules = {path.stem for path in (ROOT / "gen3sync/cli/checks").glob("*.py")} - {"__init__"}
    assert modules == set(ORDER)


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_every_page_can_be_reached(page: Path) -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        here = todo.pop()
        seen.add(here)
        for target in re.findall(r"\]\(([^)\s#]+\.md)[^)]*\)", here.read_text(encoding="utf-8")):
            there = (here.parent / target).resolve()
            if there.exists() and there not in seen:
                todo.append(there)
    assert page in seen
