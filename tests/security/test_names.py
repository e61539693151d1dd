"""Names from the server or a folder: never a path outside the folders they belong to, never raw on a terminal."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen3sync.catalog import Catalog
from gen3sync.cli.invocation import Invocation
from gen3sync.commons.addresses import project_path, segment
from gen3sync.errors import UsageError
from gen3sync.files import safe_name
from gen3sync.inbox.history import place_of
from gen3sync.inbox.plan import Format, file_name
from gen3sync.names import Project, printable
from tests.scenario.inbox_house import house
from tests.unit.commons.support import House, Reply, Seen, as_json

EVIL = ("..", ".", "../../x", "/etc", "a/b", "\x1b[2J", "a\nb", "~", "-rf", "con\x00", "%2e%2e%2f", "x" * 300)


@given(program=st.text(min_size=1), code=st.text(min_size=1), node=st.text(min_size=1))
def test_no_name_makes_a_way_out_of_the_inbox(program: str, code: str, node: str) -> None:
    for pattern in ("{program}/{project}/{node}.{format}", "{project}-{node}.{format}", "{node}/{program}.{format}"):
        path = PurePosixPath(file_name(pattern, Project(program, code), node, Format.TSV))
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert len(path.parts) <= pattern.count("/") + 1
        assert str(path).isprintable()
    root = Path("/srv/state/mirrors")
    assert place_of(root, Project(program, code)).parts[:-2] == root.parts


@pytest.mark.parametrize("name", EVIL)
def test_no_name_makes_another_address(name: str) -> None:
    assert segment(name) not in ("", ".", "..")
    assert "/" not in segment(name)
    assert project_path(Project(name, name)).count("/") == 5
    assert "/" not in safe_name(name)
    assert safe_name(name) not in ("", ".", "..")


def test_projects_with_names_that_cannot_be_used_are_left_out_and_told(
    home: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["good", "..", "%2e%2e%2fx", "a\x1b[2J"]

    def answer(seen: Seen) -> Reply:
        if seen.path.rstrip("/") == "/api/v0/submission":
            return as_json({"links": [f"/v0/submission/{name}" for name in names]})
        if seen.path.startswith("/api/v0/submission/") and "_" not in seen.path:
            return as_json({"links": [f"{seen.path.removeprefix('/api')}/{name}" for name in names]})
        return as_json({})

    home.serve(answer)
    assert Catalog(home.client, home.clock, tmp_path).projects() == (Project("good", "good"),)
    assert "cannot be used" in caplog.text
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize("code", ["..", ".hidden", "a b%", "-rf"])
def test_what_the_inbox_makes_of_odd_projects_stays_in_it(tmp_path: Path, code: str) -> None:
    if code == "..":
        with pytest.raises(UsageError):
            Project.parse(f"DEV/{code}")
        return
    with house(
        tmp_path, projects=(f"DEV-{code}",), mirror=[{"projects": ["*"], "nodes": ["study"], "every": "1h"}]
    ) as h:
        h.look()
        (name,) = h.files()
        assert name == f"DEV/{safe_name(code)}/study.tsv"
    assert {path.name for path in tmp_path.iterdir()} <= {"inbox", "outbox", "state", "key.json", "config.toml"}


@given(st.text())
def test_what_is_shown_is_printable(text: str) -> None:
    assert printable(text).isprintable()


def test_json_on_a_terminal_is_printable(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON writes C0 as escapes by itself; terminals obey C1 (U+009B begins a command as ESC [ does) as well."""
    import sys

    evil = {"name": "a\x9b2J\u202eb", "lines": "one\ntwo"}
    Invocation().emit(evil)
    assert json.loads(capsys.readouterr().out) == evil
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    Invocation().emit(evil)
    shown = capsys.readouterr().out
    assert json.loads(shown) == evil
    assert all(line.isprintable() for line in shown.splitlines())


def test_formulas_are_mirrored_as_they_are(tmp_path: Path) -> None:
    """A mirror that changed them would not be what the commons holds; docs/security.md says what to do."""
    formula = "=HYPERLINK(1)"
    with house(tmp_path, mirror=[{"projects": ["DEV-test"], "nodes": ["study"], "every": "1h"}]) as h:
        h.sandbox.write(
            "DEV-test", [{"type": "study", "submitter_id": "S", "projects": {"code": "test"}, "title": formula}]
        )
        h.look()
        assert formula in h.text("DEV/test/study.tsv").splitlines()[1].split("\t")
