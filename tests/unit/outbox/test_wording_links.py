"""The commons' reasons about links in words for people: they name the columns of the file, or what JSON has instead."""

from __future__ import annotations

import pytest

from gen3sync.outbox.model import Reason
from gen3sync.outbox.wording import told
from tests.unit.outbox.test_wording import DICTIONARY, UUID, words


@pytest.mark.parametrize(("node", "link", "several"), [("aliquot", "samples", True), ("sample", "cases", False)])
def test_a_parent_of_a_table_that_may_be_several(node: str, link: str, *, several: bool) -> None:
    said = f"No link destination found for {link}, unique_keys='[{{'project_id': 'A-b', 'submitter_id': 'E1;E2'}}]'"
    of_json = told(Reason("INVALID_LINK", said, link), DICTIONARY.nodes[node])
    of_table = told(Reason("INVALID_LINK", said, link), DICTIONARY.nodes[node], [f"{link}.submitter_id"])
    advice = "If 'E1;E2' names several parents: they stand with commas between them, in CSV with '#'."
    assert str(of_table) == (f"{of_json} {advice}" if several else str(of_json))
    assert advice not in str(of_json)


def test_the_columns_of_the_file_are_named() -> None:
    said = "'cases' is a required property"
    assert words("sample", "cases", said, ("type", "cases.id")).startswith("`cases.id` names no parent")
    assert words("sample", "cases", said, ("type", "cases.submitter_id")).endswith(
        "Write the submitter_id of its case there."
    )
    for link in ("cases", "diagnoses"):  # of a JSON record
        in_json = words("sample", "cases", said, ("type", link))
        assert in_json.endswith('Write the submitter_id of its case, as "cases": {"submitter_id": "…"}.')
    assert "Fill it in." in words("sample", "sample_type", "'sample_type' is a required property", ("sample_type",))


def test_a_parent_of_another_project_is_told_with_its_column() -> None:
    said = f"Relationship to case {UUID} in project A-b not allowed"
    other = f"The parent case belongs to another project, A-b: {UUID}. Name a parent of this project."
    assert words("sample", None, said, ("type", "cases.id")) == f"cases.id: {other}"
    assert words("sample", None, said) == f"cases.submitter_id: {other}"
    assert words("sample", None, said.replace("case", "portion")).startswith("The parent portion belongs")
