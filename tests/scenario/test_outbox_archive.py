"""What lies in sent/ stays as it is, whatever is dropped after it."""

from __future__ import annotations

from pathlib import Path

from gen3sync.ledger import Verdict
from gen3sync.sandbox import Sandbox
from tests.scenario.outbox_bench import Bench
from tests.scenario.test_outbox_stories import STUDY, TEN, subjects


def test_a_rejects_file_that_was_dropped_again_is_not_overwritten_by_papers(tmp_path: Path) -> None:
    """It is archived under a name like that of a paper, and the papers of the next file leave it alone."""
    sent = tmp_path / "sent/DEV/test"
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox)
        bench.drop("study.tsv", STUDY)
        bench.drop("subject.tsv", subjects(*TEN[:8], "P8 S1 wrong human"))
        bench.once()
        bench.drop("subject.tsv", subjects(*TEN[:8], "P8 S1 wrong dog").replace("human", "cat"))
        bench.once()
        for paper in ("rejects", "undo"):
            text = (sent / f"subject-2.tsv.{paper}.tsv").read_text().replace("wrong", "male")
            bench.drop(f"subject.tsv.{paper}.tsv", text)
            [drop] = bench.once().ended
            assert drop.verdict is Verdict.LANDED
        kept = {path: path.read_bytes() for path in sent.iterdir()}
        bench.drop("subject.tsv", subjects(*TEN[:8], "P8 S1 wrong human").replace("human", "pig"))
        [drop] = bench.once().ended
    assert drop.verdict is Verdict.PARTLY
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(list(sent.iterdir())) == len(kept) + 4  # the file, its receipt, rejects and undo
