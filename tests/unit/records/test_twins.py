"""What is known of the names in a file once it was looked through."""

from __future__ import annotations

from gen3sync.records.rows import Row
from gen3sync.records.twins import Seen, Twins
from tests.unit.records.support import opened


def test_names_are_known_until_they_are_forgotten_and_twins_longer() -> None:
    twins = Twins()
    for number in range(5000):
        twins.add(("case", f"c{number}"), 1, number + 2, number + 1)
    twins.add(("case", "c7"), 2, 9000, 5001)
    twins.release()
    assert all(("case", f"c{number}") in twins for number in range(5000))
    assert not any(key in twins for number in range(5000) for key in (("case", f"d{number}"), ("sample", f"c{number}")))
    twins.forget()
    assert ("case", "c7") not in twins
    assert twins.look(("case", "c7"), 9, 8) == (Seen.TWIN, (9000,))
    assert twins.look(("case", "c8"), 10, 9) == (Seen.ALONE, ())


def test_a_table_knows_which_records_it_may_name() -> None:
    head = "type\tsubmitter_id\tid\texperiments.submitter_id\tdisease_type\tprimary_site\n"
    table = opened(head + "case\tC-Ä\tID-1\tEXP-1\tGlioma\tBrain\ncase\t C-1 \t\tEXP-1\tGlioma\tBrain\n")
    rows = {row.submitter_id: row for row in table if isinstance(row, Row)}
    assert table.may_name("case", "c-ä")
    assert table.may_name("case", "c-1")
    assert table.may_name("case", "other", rows["C-Ä"].named)
    assert not table.may_name("case", "other", "ID-2")
    assert not table.may_name("sample", "c-1")
    table.forget_names()
    assert not table.may_name("case", "c-1", "ID-1")
