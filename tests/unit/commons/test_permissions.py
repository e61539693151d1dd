"""Rights by resource path: a path grants what is below it, `*` grants any method or service."""

from __future__ import annotations

import pytest

from gen3sync.commons.permissions import PEREGRINE, Permissions
from gen3sync.names import Project

P = Project("DEV", "test")


def _grant(path: str, *methods: str, service: str = "*") -> Permissions:
    return Permissions.from_json({path: [{"service": service, "method": method} for method in methods]})


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/programs/DEV/projects/test", True),
        ("/programs/DEV/projects", True),
        ("/programs/DEV", True),
        ("/programs/DEV/", True),
        ("/programs", True),
        ("/", True),
        ("/programs/DEV/projects/test/deeper", False),
        ("/programs/DEV/projects/tes", False),
        ("/programs/DEV/projects/test2", False),
        ("/programs/DE", False),
        ("/programs/dev", False),
        ("/open", False),
    ],
)
def test_paths(path: str, allowed: bool) -> None:
    assert _grant(path, "read").allows("read", P) is allowed


def test_methods_and_services() -> None:
    assert _grant("/programs/DEV", "*").allows("anything", P)
    assert not _grant("/programs/DEV", "read").allows("create", P)
    assert _grant("/programs/DEV", "read", service="sheepdog").may_read(P)
    assert not _grant("/programs/DEV", "read", service="sheepdog").may_query(P)
    assert _grant("/programs/DEV", "read", service="peregrine").allows("read", P, PEREGRINE)
    assert not _grant("/programs/DEV", "read", service="fence").may_read(P)


def test_submitting_needs_two_rights_which_may_stand_on_two_levels() -> None:
    assert not _grant("/programs/DEV", "create").may_submit(P)
    both = Permissions.from_json(
        {
            "/programs/DEV": [{"service": "*", "method": "create"}],
            "/programs/DEV/projects/test": [{"service": "*", "method": "update"}],
        }
    )
    assert both.may_submit(P)
    assert not both.may_submit(Project("DEV", "other"))
    assert both.named_projects() == (P,)
    assert Permissions.from_json(both.to_json()) == both


@pytest.mark.parametrize("raw", [None, [], {}, "x", {"/programs": None}, {"/programs": [None, {}, {"service": "*"}]}])
def test_other_shapes_grant_nothing(raw: object) -> None:
    assert not Permissions.from_json(raw).allows("read", P)


def test_an_empty_map_is_not_known() -> None:
    assert not Permissions.from_json({}).known
    assert _grant("/programs", "read").known
