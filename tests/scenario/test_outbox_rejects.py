"""Rejects: the rows in their own text, ready to be corrected and dropped again, as often as it takes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gen3sync.ledger import Verdict
from gen3sync.records.header import OURS
from gen3sync.sandbox import Sandbox
from tests.scenario.outbox_bench import Bench
from tests.scenario.test_outbox_stories import STUDY

HEAD = ("*type", " submitter_id", "studies.submitter_id", "sex", "species")
ROWS = (
    ("subject", "P1", "S1", "male", "human"),
    ("subject", '" P2 "', "S1", "Femail", '"homo ""sapiens"""'),
    ('" subject "', "P3", "S1", '"Femail"', '"one\r\ntwo  "'),
    ("sub ject", "P4", "S1", "male", "  human "),
)
BAD = 3
"""Of these rows: two that the commons refuses, one that is found before."""
FORMS = ("tsv", "csv", "tsv.gz", "csv.gz")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox)
        bench.drop("study.tsv", STUDY)
        bench.once()
        yield bench


def lines(form: str) -> list[str]:
    comma = "," if form.startswith("csv") else "\t"
    return [comma.join(row) for row in (HEAD, *ROWS)]


def rejects(bench: Bench, name: str, form: str, folder: str = "sent") -> Path:
    return bench.folder / folder / "DEV/test" / f"{name}.rejects.{form.removesuffix('.gz')}"


def drop(bench: Bench, name: str, text: str | bytes) -> dict[str, int]:
    raw = text.encode() if isinstance(text, str) else text
    bench.drop(name, gzip.compress(raw) if name.endswith(".gz") else raw)
    [ended] = bench.once().ended
    return {word: number for word, number in ended.counts.items() if number and word != "read"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("form", FORMS)
def test_the_very_file_is_corrected_and_dropped_until_it_lands(bench: Bench, form: str, bom: str, end: str) -> None:
    name, comma = f"subject.{form}", "," if form.startswith("csv") else "\t"
    head, *rows = lines(form)
    # A line break inside a cell makes CRLF one of two line ends of a file whose lines end in LF.
    mixed = [row.replace("\r\n", "\n") for row in rows] if end == "\n" else rows
    assert drop(bench, name, bom + end.join([head, *mixed]) + end) == {"created": 1, "rejected": BAD}

    first = rejects(bench, name, form).read_bytes().decode()
    assert first.startswith(bom + comma.join(OURS) + comma + head + end)
    assert first.count(end) == first.count("\n")
    assert all(comma + row + end in first for row in mixed[1:])

    # One row is corrected, the others are dropped as they are.
    second_name = f"again.{form.removesuffix('.gz')}"
    once_more = first.replace('"Femail"', '"female"')
    assert drop(bench, second_name, once_more) == {"created": 1, "rejected": BAD - 1}
    second = rejects(bench, second_name, form).read_bytes().decode()
    assert second.count("_line") == second.count("_errors") == 1
    assert second.startswith(bom + comma.join(OURS) + comma + head + end)
    assert all(comma + row + end in second for row in (mixed[1], mixed[3]))

    # And with all corrected, packed as the first one was, nothing is left.
    last = second.replace("Femail", "female").replace("sub ject", "subject")
    assert drop(bench, f"last.{form}", last) == {"created": 2}
    found = {one["submitter_id"]: one for one in bench.sandbox.records("DEV-test", "subject")}
    assert found.keys() == {"P1", "P2", "P3", "P4"}
    assert found["P2"]["species"] == 'homo "sapiens"'
    assert found["P3"]["species"] == "one\ntwo"


def record(name: str, sex: str, **more: Any) -> str:
    parent = {"studies": {"submitter_id": "S1"}}
    return json.dumps({"type": "subject", "submitter_id": name, "sex": sex, **parent, **more})


@pytest.mark.parametrize("form", ["json", "jsonl", "json.gz"])
def test_the_same_with_records(bench: Bench, form: str) -> None:
    name = f"subject.{form}"
    odd = record("P2", "Femail").replace("{", "{ ", 1).replace(": ", " :  ")
    texts = [record("P1", "male"), odd, record("P3", "Femail", species="h\u00e9"), record("P4", "male", kind=3)]

    def file(of: list[str]) -> str:
        return "\n".join(of) + "\n" if form == "jsonl" else "[\n " + ",\n ".join(of) + "\n]\n"

    assert drop(bench, name, file(texts)) == {"created": 1, "rejected": BAD}
    first = rejects(bench, name, form).read_text()
    assert all(text[1:] in first for text in texts[1:])
    listed = [json.loads(line) for line in first.splitlines()] if form == "jsonl" else json.loads(first)
    assert [list(one)[:3] for one in listed] == [list(OURS)] * BAD

    corrected = first.replace('"submitter_id": "P3", "sex": "Femail"', '"submitter_id": "P3", "sex": "female"')
    plain = form.removesuffix(".gz")
    assert drop(bench, f"again.{plain}", corrected) == {"created": 1, "rejected": BAD - 1}
    second = rejects(bench, f"again.{plain}", form).read_text()
    assert second.count('"_line"') == second.count('"_errors"') == BAD - 1
    assert all(text[1:] in second for text in (texts[1], texts[3]))

    last = second.replace("Femail", "female").replace(', "kind": 3', "")
    assert drop(bench, f"last.{plain}", last) == {"created": 2}
    assert bench.sandbox.count("DEV-test", "subject") == len(texts)


def test_equal_errors_are_told_together(bench: Bench) -> None:
    head, good, bad, *_ = lines("tsv")
    rows = [bad.replace("P2", f"B{number}") for number in range(1, 413)]
    goods = [good.replace("P1", f"G{number}") for number in range(1, 500)]
    wrong = lines("tsv")[4]
    assert drop(bench, "subject.tsv", "\n".join([head, *goods, *rows, wrong])) == {"created": 499, "rejected": 413}
    receipt = bench.receipt("subject.tsv")
    assert [(group["rows"], group["column"]) for group in receipt["rejects"]] == [(412, "sex"), (1, "type")]
    assert "412 rows: `sex` must be one of" in receipt["reason"]
    assert receipt["verdict"] == Verdict.PARTLY.value
