"""The steps of the demo: what is done, what is shown, and what must be true then, asked of the sandbox itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from gen3sync.cli.demo import files
from gen3sync.cli.demo.stage import PROJECT, NotTrueError, Stage
from gen3sync.status import DaemonState

_NODES = ("study", "subject", "sample", "aliquot")


def tell(stage: Stage) -> bool:
    """Plays all steps, says how each went, and whether all were true."""
    steps: list[tuple[str, Callable[[Stage], None]]] = [
        ("A commons and a daemon start", start),
        ("Files arrive in the wrong order, one of them only by half", wrong_order),
        ("The copy is finished: parents first, children after them", finished),
        ("Three rows were wrong and came back with reasons", rejects),
        ("The rejects file is corrected and dropped again", corrected),
        ("The inbox shows what the commons holds", mirrors),
        ("Two cells are edited in a copy of a mirror: two rows are sent", edited),
        ("An unchanged mirror is dropped: nothing is sent", unchanged),
        ("The daemon stops when asked", stopped),
    ]
    begun = time.monotonic()
    done: list[tuple[str, str]] = []
    for title, step in steps:
        stage.title(title)
        try:
            step(stage)
        except (NotTrueError, AssertionError) as error:
            done.append((title, str(error) or "not true"))
            stage.say(click.style(f"   ✗ {done[-1][1]}", fg="red"))
            break
        done.append((title, ""))
        stage.say(click.style("   ✓ true", fg="green"))
    true = len(done) == len(steps) and not any(problem for _, problem in done)
    summary(stage, done, [title for title, _ in steps[len(done) :]], time.monotonic() - begun, true=true)
    return true


def must(condition: object, what: str) -> None:
    """What this step promises."""
    if not condition:
        raise NotTrueError(what)


def counts(stage: Stage) -> dict[str, int]:
    """What the commons really holds."""
    return {node: stage.sandbox.count(PROJECT, node) for node in _NODES}


def start(stage: Stage) -> None:
    stage.say(f"   commons: {stage.sandbox.url} (a sandbox in this process)")
    stage.say(f"   folder:  {stage.folder}")
    stage.start_daemon()

    def running() -> bool:
        known = stage.status()
        return known is not None and known.daemon.state is DaemonState.RUNNING

    stage.until("the daemon runs", running)
    stage.show_status(only=("gen3sync", "Commons"))


def wrong_order(stage: Stage) -> None:
    half = files.studies()[:70]
    stage.say("   aliquot.tsv, then sample.tsv, then subject.tsv with three bad rows, then half of study.tsv")
    stage.drop("aliquot.tsv", files.aliquots())
    stage.drop("sample.tsv", files.samples())
    stage.drop("subject.tsv", files.subjects())
    stage.drop("study.tsv", half)

    def seen() -> bool:
        # However slow this machine is: a copy of which nothing more comes would be taken as it is after ten seconds.
        if time.time() - (stage.outbox / "study.tsv").stat().st_mtime > 5:
            (stage.outbox / "study.tsv").touch()
        known = stage.status()
        if known is None:
            return False
        taken = {drop.path.rsplit("/")[-1]: drop for drop in known.outbox.open}
        return {"aliquot.tsv", "sample.tsv", "subject.tsv"} <= set(taken) and known.outbox.settling > 0

    stage.until("three files are taken, the half one is left alone", seen)
    stage.show_status(only=("Outbox",))
    must(not any(counts(stage).values()), f"something was sent before its parents: {counts(stage)}")
    must((stage.outbox / "study.tsv").read_text() == half, "the half copied file was touched")


def finished(stage: Stage) -> None:
    stage.drop("study.tsv", files.studies())
    for name in ("study.tsv", "sample.tsv", "aliquot.tsv"):
        receipt = stage.receipt(name)
        must(receipt["verdict"] == "landed", f"{name}: {receipt['verdict']}, {receipt['reason']}")
        must(receipt["verification"]["verified"], f"{name} was not proven: {receipt['verification']}")
    wanted = {
        "study": files.STUDIES,
        "subject": files.SUBJECTS,
        "sample": files.SAMPLES,
        "aliquot": files.ALIQUOTS,
    }
    must(counts(stage) == wanted, f"the commons holds {counts(stage)}, not {wanted}")
    must(not stage.sandbox.colliding(), "two requests in flight wrote one record")
    stage.say("   a receipt, shortened (sent/DEV/test/sample.tsv.receipt.json):")
    stage.show_lines(brief(stage.receipt("sample.tsv")), most=12)


def brief(receipt: dict[str, Any]) -> list[str]:
    """The lines of a receipt that matter most."""
    rows = ", ".join(f"{number} {name}" for name, number in receipt["rows"].items() if number)
    proof = receipt["verification"]
    values = proof["values"] + proof["values_unchanged"]
    chunks = [
        f"chunk {chunk['number']}       {chunk['rows']} rows, "
        f"transaction {chunk['transaction_id']} {chunk['transaction_state']}"
        for chunk in receipt["chunks"]
    ]
    return [
        f"verdict       {receipt['verdict']}",
        f"rows          {rows}",
        *chunks,
        f"verification  {proof['method']}: {proof['rows_proven']} rows and {values} values proven",
    ]


def rejects(stage: Stage) -> None:
    receipt = stage.receipt("subject.tsv")
    must(receipt["verdict"] == "partly", f"subject.tsv: {receipt['verdict']}, {receipt['reason']}")
    must(receipt["rows"]["rejected"] == files.BAD_SUBJECTS, f"{receipt['rows']['rejected']} rejects")
    lines = rejects_text(stage).splitlines()
    stage.show_lines(lines)
    must(len(lines) == 1 + files.BAD_SUBJECTS, "the rejects file has not three rows")


def rejects_text(stage: Stage) -> str:
    (path,) = stage.sent.glob("subject.tsv.rejects.tsv")
    return path.read_text(encoding="utf-8")


def corrected(stage: Stage) -> None:
    text = rejects_text(stage)
    for wrong, right in files.CORRECTIONS:
        must(wrong in text, f"{wrong!r} is not in the rejects file")
        text = text.replace(wrong, right)
    stage.drop("subject-corrected.tsv", text)
    receipt = stage.receipt("subject-corrected.tsv")
    must(receipt["verdict"] == "landed", f"{receipt['verdict']}: {receipt['reason']}")
    everybody = files.SUBJECTS + files.BAD_SUBJECTS
    must(counts(stage)["subject"] == everybody, f"the commons holds {counts(stage)['subject']} subjects")
    stage.show_lines(brief(receipt))


def mirrors(stage: Stage) -> None:
    def rows(node: str) -> int:
        path = stage.inbox / f"{node}.tsv"
        return len(path.read_text(encoding="utf-8").splitlines()) - 1 if path.exists() else 0

    def same() -> bool:
        return all(rows(node) == number for node, number in counts(stage).items())

    stage.until("the mirrors show what the commons holds", same)
    stage.say("   inbox/DEV/test/subject.tsv:")
    stage.show_lines((stage.inbox / "subject.tsv").read_text(encoding="utf-8").splitlines(), most=4)

    def told() -> bool:
        known = stage.status()
        return known is not None and sum(mirror.rows or 0 for mirror in known.inbox.mirrors) == sum(
            counts(stage).values()
        )

    stage.until("status tells of them", told)
    stage.show_status(only=("Inbox",))


def edited(stage: Stage) -> None:
    puts = stage.puts()
    text = (stage.inbox / "subject.tsv").read_text(encoding="utf-8")
    for old, new in (("1952", "1962"), ("1957", "1967")):
        must(text.count(old) == 1, f"{old} is not once in the mirror")
        text = text.replace(old, new)
    stage.drop("subject-edited.tsv", text)
    receipt = stage.receipt("subject-edited.tsv")
    stage.show_lines(brief(receipt))
    must(receipt["rows"]["updated"] == 2, f"{receipt['rows']['updated']} rows were updated, not 2")
    must(sum(chunk["rows"] for chunk in receipt["chunks"]) == 2, "more than the changed rows were sent")
    must(stage.puts() == puts + 1, "more than one submission was made")
    born = [stage.sandbox.record(PROJECT, "subject", sid) for sid in ("S-02", "S-07")]
    must([record and record["year_of_birth"] for record in born] == [1962, 1967], "the commons holds other values")


def unchanged(stage: Stage) -> None:
    puts = stage.puts()
    stage.drop("sample-again.tsv", (stage.inbox / "sample.tsv").read_text(encoding="utf-8"))
    receipt = stage.receipt("sample-again.tsv")
    stage.show_lines(brief(receipt))
    must(receipt["verdict"] == "landed", f"{receipt['verdict']}: {receipt['reason']}")
    must(receipt["rows"]["unchanged"] == files.SAMPLES, f"{receipt['rows']} is not all unchanged")
    must(stage.puts() == puts, "something was sent")


def stopped(stage: Stage) -> None:
    code = stage.stop_daemon()
    must(code == 0, f"it ended with {code}\n{stage.log()[-2000:]}")
    left = [path.name for path in stage.outbox.iterdir()]
    must(not left, f"the outbox still holds {left}")


def summary(stage: Stage, done: list[tuple[str, str]], missed: list[str], seconds: float, *, true: bool) -> None:
    """What was true, and how to go on."""
    stage.say(f"\n{click.style('Summary', bold=True)}, after {seconds:.0f} s")
    for title, problem in done:
        mark = click.style("✗", fg="red") if problem else click.style("✓", fg="green")
        stage.say(f"  {mark} {title}{': ' + problem.splitlines()[0] if problem else ''}")
    for title in missed:
        stage.say(f"  – {title}: not reached")
    if not true:
        stage.say("\nThe daemon's log:")
        stage.show_lines(stage.log().splitlines()[-20:], most=20)
        return
    stage.say(f"""
Go on with a real commons: make an API key on its profile page, save it as ~/.gen3/credentials.json (chmod 600), then
  {click.style("gen3sync init", bold=True)}     asks the commons what the key may do, makes folders and configuration
  {click.style("gen3sync check", bold=True)}    says what is wrong, and how to mend it
  {click.style("gen3sync run", bold=True)}      the daemon; docs/how-to/run-as-a-service.md for a server
or stay here with `gen3sync sandbox` and docs/tutorial/first-day.md.""")
