"""The bodies of requests."""

from __future__ import annotations

import json

import pytest

from gen3sync.records.codec import desired
from gen3sync.records.wire import tsv_can_say, wire_json, wire_tsv
from tests.unit.records.support import node, rows_of, understood

HEAD = "type\tsubmitter_id\texperiments.submitter_id\tdisease_type\tprimary_site\n"


def test_every_cell_is_quoted_and_the_last_rows_blanks_stay() -> None:
    rows = rows_of(HEAD + 'case\tC-1\tE-1\t"5"" pipe"\tx\ncase\tC-2\tE-1\t\t\n')
    assert wire_tsv(rows[0].columns, rows).decode().splitlines() == [
        '"type"\t"submitter_id"\t"experiments.submitter_id"\t"disease_type"\t"primary_site"',
        '"case"\t"C-1"\t"E-1"\t"5"" pipe"\t"x"',
        '"case"\t"C-2"\t"E-1"\t""\t""',
    ]


def test_rows_of_different_columns_never_share_a_body() -> None:
    rows = rows_of(HEAD + "case\tC-1\tE-1\ncase\tC-2\tE-1\ta\tb\n")
    for columns in (rows[0].columns, rows[1].columns):
        with pytest.raises(ValueError, match="different columns"):
            wire_tsv(columns, rows)


def test_a_header_alone_is_never_made() -> None:
    with pytest.raises(ValueError, match="header alone"):
        wire_tsv(["type"], [])
    with pytest.raises(ValueError, match="empty list"):
        wire_json([])


def test_csv_goes_as_tsv_unless_a_parent_holds_a_comma() -> None:
    first, second = rows_of(
        'type,submitter_id,samples.submitter_id\naliquot,A-1,S-1#S-2\naliquot,A-2,"S,1#S-2"\n', "d.csv"
    )
    assert tsv_can_say(first)
    assert b'"S-1,S-2"' in wire_tsv(first.columns, [first])
    assert not tsv_can_say(second)
    (sent,) = json.loads(wire_json([desired(second, node("aliquot"))]))
    assert sent["samples"] == [{"submitter_id": "S,1"}, {"submitter_id": "S-2"}]


def test_json_says_blanks_as_null_or_not_at_all() -> None:
    wanted = understood(HEAD + "case\tC-1\tE-1\t\t\ncase\tC-2\t\tx\ty\n")
    first, second = json.loads(wire_json(wanted))
    assert first == {
        "type": "case",
        "submitter_id": "C-1",
        "disease_type": None,
        "primary_site": None,
        "experiments": [{"submitter_id": "E-1"}],
    }
    assert second["experiments"] == []  # as the commons reads a blank link cell: nothing is unlinked
    (kept, _) = json.loads(wire_json(wanted, keep=True))
    assert "disease_type" not in kept
    (kept, _) = json.loads(wire_json(wanted, keep={"disease_type"}))
    assert "disease_type" not in kept
    assert kept["primary_site"] is None


def test_json_names_projects_by_code_and_parents_by_id() -> None:
    wanted = understood("type\tsubmitter_id\tprojects.code\nexperiment\tE-1\ttest\n")
    assert json.loads(wire_json(wanted))[0]["projects"] == [{"code": "test"}]
    wanted = understood("type\tid\tsubmitter_id\tsamples.id\naliquot\tu\tA-1\tu1,u2\n")
    assert json.loads(wire_json(wanted))[0] == {
        "type": "aliquot",
        "id": "u",
        "submitter_id": "A-1",
        "samples": [{"id": "u1"}, {"id": "u2"}],
    }


def test_values_go_as_the_commons_would_have_converted_them() -> None:
    wanted = understood("type\tsubmitter_id\tinitial_weight\tis_ffpe\nsample\tS-1\t12.0\tTRUE\n")
    (sent,) = json.loads(wire_json(wanted))
    assert (sent["initial_weight"], sent["is_ffpe"]) == (12, True)
