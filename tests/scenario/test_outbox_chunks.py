"""How large requests become: by bytes on the wire, by what they cost, and after one that was too much."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gen3sync.commons.client import CommonsClient
from gen3sync.commons.replies import Broken, BrokenCause, SubmitReply
from gen3sync.ledger import Drop, Verdict
from gen3sync.names import Project
from gen3sync.records.rows import Form
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.submission_faults.kit import HORIZON, PUT, Story, names, persons, subjects

LIMIT = 4_000
TEST = Project("DEV", "test")
TEXTS = {
    "plain": "Mus musculus domesticus" * 3,
    "quotes in the middle": 'a 5" rule of 3" and 7"' * 3,
    "nothing but quotes": "x" + '"' * 70,
    "four bytes a character": "\N{DNA DOUBLE HELIX}" * 60,
    "many short cells": "x",
}


QUICK = 'parallel = 1\ntarget = "10s"'
"""One request at a time, and about so long."""


def bodies(story: Story) -> list[tuple[int, int]]:
    """Rows and bytes of each upload, as the sandbox met them."""
    return [(request.rows, len(request.body or b"")) for request in story.puts()]


def written(form: Form, text: str, rows: int) -> str:
    """A file of that many subjects with `text` in a column."""
    many = [{"type": "subject", "submitter_id": f"P{i}", "species": text, "sex": "male"} for i in range(rows)]
    if form is Form.JSON:
        return json.dumps([one | {"studies": {"submitter_id": "S1"}} for one in many], ensure_ascii=False)
    head = "type\tsubmitter_id\tspecies\tsex\tstudies.submitter_id\n"
    return head + "".join("\t".join((*one.values(), "S1")) + "\n" for one in many)


@pytest.mark.parametrize("form", [Form.TSV, Form.JSON])
@pytest.mark.parametrize("text", TEXTS)
def test_no_request_is_larger_than_it_may_be(tmp_path: Path, sandbox: Sandbox, form: Form, text: str) -> None:
    """Measured where it arrives, whatever quoting and UTF-8 make of the text; and not much smaller either."""
    story = Story(tmp_path, sandbox, options=f"chunk_bytes = {LIMIT}")
    [drop] = sent(story, (f"subject.{form.value}", written(form, TEXTS[text], 300)))
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 300)
    sizes = bodies(story)
    assert max(size for _, size in sizes) <= LIMIT
    assert text == "many short cells" or max(size for _, size in sizes) > LIMIT * 0.8
    story.whole(*names(300))
    stored = sandbox.record("DEV-test", "subject", "P7")
    assert stored is not None
    assert stored["species"] == TEXTS[text]


def test_files_that_share_a_request_stay_within_its_bytes(tmp_path: Path, sandbox: Sandbox) -> None:
    story = Story(tmp_path, sandbox, options=f"chunk_bytes = {LIMIT}")
    paths = [tmp_path / f"s{i}.tsv" for i in range(40)]
    for i, path in enumerate(paths):
        path.write_text(subjects(f"P{i} S1 male {'x' * 500}"))
    with sandbox.faults.hold(Point.RECEIVED, **PUT) as hold, story.running() as days:
        days.outbox.push(paths, TEST)
        hold.release()
        assert {drop.verdict for drop in days.ended(40, pace=0)} == {Verdict.LANDED}
    sizes = bodies(story)
    assert max(size for _, size in sizes) <= LIMIT
    assert max(rows for rows, _ in sizes) > 3
    story.whole(*names(40))


@pytest.mark.parametrize("form", [Form.TSV, Form.JSON])
def test_a_row_that_is_larger_alone_goes_alone(tmp_path: Path, sandbox: Sandbox, form: Form) -> None:
    """The limit is a guess at what proxies let pass: whether the row is too large, the commons has to say."""
    story = Story(tmp_path, sandbox, options=f"chunk_bytes = {LIMIT}")
    story.drop(f"a.{form.value}", written(form, "y" * (2 * LIMIT), 3))
    story.drop("b.tsv", subjects("P3 S1 male human", "P4 S1 male human"))
    assert {drop.verdict for drop in story.goes(2)} == {Verdict.LANDED}
    large = [rows for rows, size in bodies(story) if size > LIMIT]
    assert large == [1, 1, 1]
    story.whole(*names(5))


def test_by_itself_no_request_is_larger_than_900_kb(tmp_path: Path, sandbox: Sandbox) -> None:
    """A proxy that kept its own limit of 1 MB lets everything pass."""
    sandbox.faults.set(max_body=1_000_000)
    story = Story(tmp_path, sandbox)
    sent(story, ("subject.tsv", written(Form.TSV, '"'.join(["z" * 40] * 60), 1200)))
    assert {request.status for request in story.puts()} == {200}
    assert 600_000 < max(size for _, size in bodies(story)) <= 900_000
    story.whole(*names(1200))


class Priced:
    """A commons whose uploads take time by the story's clock: nobody waits."""

    def __init__(self, story: Story, monkeypatch: pytest.MonkeyPatch, price: Callable[[str, int], float]) -> None:
        self.rows: list[tuple[str, int]] = []
        """Node and rows of each upload that was answered."""
        self.instead: list[SubmitReply] = []
        """What comes in place of the next answers; nothing is done then."""
        honest = CommonsClient.submit

        def submit(client: CommonsClient, project: Any, body: bytes, **more: Any) -> SubmitReply:
            lines = body.decode().splitlines()
            node, rows = lines[1].split("\t")[0].strip('"'), len(lines) - 1
            self.rows.append((node, rows))
            story.time.advance(0.08 + price(node, rows))
            return self.instead.pop(0) if self.instead else honest(client, project, body, **more)

        monkeypatch.setattr(CommonsClient, "submit", submit)

    def of(self, node: str) -> list[int]:
        return [rows for one, rows in self.rows if one == node]


def sent(story: Story, *files: tuple[str, str]) -> list[Drop]:
    """Files go, one after the other, while no other time passes than what requests are said to take."""
    with story.running() as days:
        for number, (name, text) in enumerate(files):
            path = story.folder / name
            path.write_text(text)
            days.outbox.push([path], TEST)
            days.ended(number + 1, pace=0)
        return days.ended(len(files), pace=0)


def test_requests_grow_and_shrink_towards_the_target(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(tmp_path, sandbox, options=QUICK)
    cost = {"row": 0.01}
    priced = Priced(story, monkeypatch, lambda _, rows: cost["row"] * rows)

    with story.running() as days:

        def goes(first: int, count: int, seconds: float) -> list[int]:
            cost["row"], before, ended = seconds, len(priced.rows), len(days.ledger.drops.recent(10))
            path = tmp_path / f"{first}.tsv"
            path.write_text(subjects(*persons(count, first=first)))
            days.outbox.push([path], TEST)
            days.ended(ended + 1, pace=0)
            return priced.of("subject")[before:]

        quick = goes(0, 3000, 0.01)
        assert quick[0] == 10, "it begins small"
        assert all(600 <= rows <= 1000 for rows in quick[2:-1]), quick
        slow = goes(3000, 1500, 0.1)
        assert all(rows <= 125 for rows in slow[5:]), slow
        assert all(rows >= 60 for rows in slow[5:-1]), slow
        again = goes(4500, 3500, 0.01)
        assert max(again) > 600, again
        assert again == sorted(again[:-1]) + again[-1:], "it grows step by step"


def test_each_node_type_has_its_own_size(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(tmp_path, sandbox, options=QUICK)
    priced = Priced(story, monkeypatch, lambda node, rows: rows * {"subject": 0.01, "sample": 0.5}[node])
    columns = "type\tsubmitter_id\tsubjects.submitter_id\tsample_type\n"
    samples = columns + "".join(f"sample\tA{i}\tP{i}\tBlood\n" for i in range(100))
    sent(
        story,
        ("subject.tsv", subjects(*persons(1500))),
        ("sample.tsv", samples),
        ("more.tsv", subjects(*persons(900, first=1500))),
    )
    assert max(priced.of("sample")) <= 25
    assert priced.of("sample")[2:-1] == [rows for rows in priced.of("sample")[2:-1] if rows >= 15]
    assert priced.of("subject")[-1] == 900, "what samples cost says nothing about subjects"


TOO_MUCH = {
    "504": Broken("The commons answered 504.", BrokenCause.STATUS, 504, may_have_landed=True),
    "timeout": Broken("no answer in time", BrokenCause.TIMEOUT, may_have_landed=True),
}


@pytest.mark.parametrize("fault", TOO_MUCH)
def test_after_a_request_that_took_too_long_they_are_halved_and_grow_again(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    story = Story(tmp_path, sandbox, options=f"{QUICK}\nchunk_rows = 400")
    priced = Priced(story, monkeypatch, lambda _, rows: rows * 0.001)
    with story.running() as days:
        for number, count in enumerate((1000, 400, 2400)):
            path = tmp_path / f"{number}.tsv"
            path.write_text(subjects(*persons(count, first=10_000 * number)))
            if number == 1:
                before = len(priced.rows)
                priced.instead.append(TOO_MUCH[fault])
            days.outbox.push([path], TEST)
            if number == 1:
                days.hears("not known whether a request with 400 rows landed", pace=0)
                days.passes(2 * HORIZON)
            days.ended(number + 1, pace=0)
    sizes = priced.of("subject")[before:]
    assert sizes[0] == 400
    assert sizes[1] == 200, "half of what was too much"
    most = sizes.index(max(sizes[1:]))
    assert sizes[most] > 300, "in small steps it comes back"
    assert sizes[1:most] == sorted(sizes[1:most])
