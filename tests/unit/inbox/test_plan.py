"""Which mirrors a configuration asks for."""

from __future__ import annotations

import pytest

from gen3sync.inbox.plan import Format, Mirror, NodeKind, Wanted, left_out, resolve, select
from gen3sync.names import Project

DEV_A, DEV_B, OPEN = Project("DEV", "a"), Project("DEV", "b-c"), Project("OPEN", "x")
NODES = (
    NodeKind("program", "administrative", submittable=False),
    NodeKind("project", "administrative", submittable=False),
    NodeKind("experiment", "administrative", submittable=True),
    NodeKind("case", "administrative", submittable=True),
    NodeKind("diagnosis", "clinical", submittable=True),
    NodeKind("exposure", "clinical", submittable=True),
    NodeKind("data_release", "internal", submittable=False),
)


def names(wanted: Wanted, *projects: Project) -> list[str]:
    return [mirror.name for mirror in resolve([wanted], projects or (DEV_A, DEV_B, OPEN), NODES).mirrors]


def wanted(projects: list[str], nodes: list[str], **more: object) -> Wanted:
    return Wanted("m", tuple(projects), tuple(nodes), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("DEV-a", ["DEV/a"]),
        ("DEV/a", ["DEV/a"]),
        ("DEV-*", ["DEV/a", "DEV/b-c"]),
        ("DEV/*", ["DEV/a", "DEV/b-c"]),
        ("*", ["DEV/a", "DEV/b-c", "OPEN/x"]),
        ("*-?", ["DEV/a", "DEV/b-c", "OPEN/x"]),
        ("dev-a", []),
    ],
)
def test_projects_are_named_or_globbed_in_both_spellings(pattern: str, expected: list[str]) -> None:
    assert names(wanted([pattern], ["case"])) == [f"{each}/case.tsv" for each in expected]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("case", ["case"]),
        ("*", ["experiment", "case", "diagnosis", "exposure"]),
        ("@clinical", ["diagnosis", "exposure"]),
        ("@*", ["experiment", "case", "diagnosis", "exposure"]),
        ("ex*", ["experiment", "exposure"]),
        ("p*", []),
        ("project", []),
    ],
)
def test_star_means_what_can_be_submitted_parents_first(pattern: str, expected: list[str]) -> None:
    assert names(wanted(["DEV-a"], [pattern]), DEV_A) == [f"DEV/a/{each}.tsv" for each in expected]


def test_what_matches_nothing_is_told_and_the_rest_goes_on() -> None:
    found = resolve([wanted(["DEV-a", "DEV-z", "NO*"], ["case", "diagnoses", "@none"])], (DEV_A,), NODES)
    assert [mirror.name for mirror in found.mirrors] == ["DEV/a/case.tsv"]
    told = "\n".join(found.problems)
    assert "the name 'DEV-z' is no project this key may read. It may read DEV/a." in told
    assert "the pattern 'NO*' is no project" in told
    assert "'diagnoses' is no node type of this dictionary. Did you mean diagnosis?" in told
    assert "'@none' is no category of this dictionary, which has @administrative, @clinical, @internal" in told


def test_two_mirrors_with_one_path_are_told_and_the_first_keeps_it() -> None:
    first = Wanted("first", ("DEV-*",), ("case",), filename="{node}.{format}")
    found = resolve([first], (DEV_A, DEV_B), NODES)
    assert [mirror.project for mirror in found.mirrors] == [DEV_A]
    assert "already writes with DEV/a/case; the first keeps it" in found.problems[0]


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("{program}/{project}/{node}.{format}", "DEV/a/%63hanges.jsonl"),
        ("{project}/.gen3sync.json", "a/%2Egen3sync.json"),
        ("{project}/{node}/changes.jsonl.{format}", "a/changes/changes.jsonl.jsonl"),
    ],
)
def test_no_mirror_takes_the_place_of_what_stands_beside_it(filename: str, expected: str) -> None:
    nodes = (NodeKind("changes", "administrative", submittable=True),)
    asked = wanted(["DEV-a"], ["*"], format=Format.JSONL, filename=filename)
    assert [mirror.name for mirror in resolve([asked], (DEV_A,), nodes).mirrors] == [expected]


def test_projects_that_no_folder_can_be_named_after_are_told_where_they_are_asked_for() -> None:
    odd = (Project("DEV", ".."), Project("DEV", "x\ty"))
    assert left_out([wanted(["DEV-a", "OPEN-*"], ["*"])], odd) == ()
    told = left_out([wanted(["DEV-*"], ["*"])], odd)
    assert [each.split(":")[0] for each in told] == [
        "Project DEV/.. is not mirrored",
        "Project DEV/x\\x09y is not mirrored",
    ]


def test_names_from_the_server_never_lead_out_of_the_inbox() -> None:
    evil = (Project("..", ".."), Project("a\\b", ".hidden"), Project("x y", "\x1b[31m"))
    nodes = (NodeKind("../../etc/passwd", "clinical", submittable=True), NodeKind("..", "", submittable=True))
    for mirror in resolve([wanted(["*"], ["*"])], evil, nodes).mirrors:
        parts = mirror.name.split("/")
        assert len(parts) == 3
        assert not any(part in ("", ".", "..") or part.startswith(".") for part in parts)
        assert mirror.name.isprintable()


def test_a_project_that_can_no_longer_be_read_is_not_forgotten() -> None:
    before = resolve([wanted(["DEV-*"], ["case"])], (DEV_A, DEV_B), NODES).mirrors
    found = resolve([wanted(["DEV-*"], ["case"])], (DEV_A,), NODES, before)
    assert [mirror.project for mirror in found.mirrors] == [DEV_A]
    assert [mirror.project for mirror in found.vanished] == [DEV_B]
    assert not resolve([wanted(["OPEN-*"], ["case"])], (OPEN,), NODES, before).vanished


def test_mirrors_answer_to_file_group_project_and_node() -> None:
    tsv = Mirror("DEV/a/case.tsv", DEV_A, "case", Format.TSV, "clinic")
    json = Mirror("OPEN/x/case.json", OPEN, "case", Format.JSON, "other")
    for name in ("DEV/a/case.tsv", "clinic", "DEV/a", "DEV-a", "DEV/a/case", "DEV-a/case", "a/case", "DEV/*"):
        assert select([tsv, json], [name]) == ((tsv,), ()), name
    assert select([tsv, json], ["nothing", "*"]) == ((tsv, json), ("nothing",))
    assert select([tsv, json], ["case"]) == ((tsv, json), ())
