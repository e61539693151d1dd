"""The receipt says what docs/reference/receipt.md says it does."""

from __future__ import annotations

import re
from pathlib import Path

from gen3sync.ledger import Verdict
from gen3sync.sandbox import Sandbox
from tests.scenario.outbox_bench import Bench
from tests.scenario.test_outbox_stories import STUDY, TEN, subjects

PAGE = Path(__file__).parent.parent.parent / "docs/reference/receipt.md"


def test_every_field_of_a_receipt_is_documented(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    words = set(re.findall(r"`([a-z_0-9]+)`", text))
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox)
        bench.drop("study.tsv", STUDY)
        bench.drop("subject.tsv", b"\xef\xbb\xbf" + subjects(*TEN[:8], "P8 S1 wrong human").encode())
        bench.once()
        bench.drop("subject.tsv", subjects("p1 S1 female dog"))
        bench.once()
        missing = set()
        for name in ("subject.tsv", "subject-2.tsv"):
            receipt = bench.receipt(name)
            missing |= set(receipt) - words
            missing |= set(receipt["verification"]) - words
            for part in ("rejects", "mends", "chunks", "renamed"):
                missing |= {key for entry in receipt[part] for key in entry} - words
            missing |= set(receipt["rows"]) - words
        assert not missing
        assert receipt["renamed"] == [{"from": "P1", "to": "p1"}]
    assert {verdict.value for verdict in Verdict} <= words
