"""Projects as people write them, and text that cannot harm a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen3sync.errors import UsageError
from gen3sync.names import Project, printable


def test_a_project_has_an_id_and_a_path() -> None:
    project = Project.parse(" /DEV/test/ ")
    assert (project.program, project.code, project.id, str(project)) == ("DEV", "test", "DEV-test", "DEV/test")


@pytest.mark.parametrize("text", ["", "DEV", "DEV-test", "DEV/", "/test", "DEV/a/b", "../x", "DEV/..", "a/b\x1b[2J"])
def test_what_is_no_project_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="PROGRAM/PROJECT") as caught:
        Project.parse(text)
    assert str(caught.value).isprintable()


@given(st.text(st.characters()))
def test_printable_text_is_printable_and_bounded(text: str) -> None:
    shown = printable(text, 100)
    assert shown.isprintable()
    assert len(shown) <= 101


def test_printable_text_stays_and_control_characters_are_written_out() -> None:
    assert printable("Größe 1 µm") == "Größe 1 µm"
    assert printable("a\x1b[2Jb\u202ec\n\U000e0001") == r"a\x1b[2Jb\u202ec\x0a\U000e0001"
    assert printable("x" * 600) == "x" * 500 + "…"
