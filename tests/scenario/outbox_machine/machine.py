"""The rules: what people, the machine, the network, the commons and time may do, in any order."""

from __future__ import annotations

import contextlib

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from tests.crash.handle import Died
from tests.scenario.outbox_machine import receipts, verdicts
from tests.scenario.outbox_machine.drawing import NAMES, PLACES, Draft, drafts, seeds
from tests.scenario.outbox_machine.ended import ended
from tests.scenario.outbox_machine.running import LONGEST_REQUEST, Running
from tests.scenario.outbox_machine.town import PROJECTS
from tests.scenario.outbox_machine.troubles import CHANGES, POINTS, TROUBLES, Trouble, change

PROJECT = st.sampled_from((PROJECTS[0], *PROJECTS))
PLACE = st.sampled_from(PLACES)


class Machine(Running):
    """One world. `alive` says whether an engine runs; it may die in any step that asks it something. Rules have no
    preconditions: whether it died may depend on the moment, and Hypothesis wants to choose the same ones again."""

    @invariant()
    def seen_from_outside(self) -> None:
        self.town.look()
        if not self.alive:
            self.town.nothing_lost()

    # --- people

    @initialize(
        seed=st.sampled_from([0, 1, 2, 2]),
        blanks=st.sampled_from(["guard", "guard", "erase", "keep", "refuse"]),
        send=st.sampled_from(["changes", "changes", "all"]),
        on_invalid=st.sampled_from(["split", "split", "reject"]),
    )
    def begin(self, seed: int, blanks: str, send: str, on_invalid: str) -> None:
        self.town.configure(blanks, send, on_invalid)
        for project in PROJECTS:
            for number, draft in enumerate(seeds(seed)):
                self.town.put(project, f"seed{number}", draft)
        self.town.begin()
        self.ask("quiet")

    @rule(project=PROJECT, place=PLACE, draft=drafts())
    def drop(self, project: str, place: str, draft: Draft) -> None:
        self.time_is_up()
        self.town.put(project, place, draft)

    @rule(project=PROJECT, place=PLACE, draft=drafts())
    def drop_and_work(self, project: str, place: str, draft: Draft) -> None:
        """What happens most of the time."""
        self.drop(project, place, draft)
        self.work()

    @rule(place=PLACE, draft=drafts(), other=drafts())
    def drop_for_both(self, place: str, draft: Draft, other: Draft) -> None:
        """Two lanes, the same names."""
        self.drop(PROJECTS[0], place, draft)
        self.drop(PROJECTS[1], place, other)
        self.work()

    @rule(project=PROJECT, place=PLACE, draft=drafts(), again=drafts())
    def drop_and_edit(self, project: str, place: str, draft: Draft, again: Draft) -> None:
        """The second version comes while the first may be on its way."""
        self.drop(project, place, draft)
        if self.alive:
            self.nudge()
        self.drop(project, place, again)
        self.work()

    @rule(which=st.integers(0, 50))
    def drop_the_same_again(self, which: int) -> None:
        if not self.town.puts:
            return
        old = self.town.puts[which % len(self.town.puts)]
        program, code, name = old.path.split("/", 2)
        self.town.lay(f"{program}-{code}", name, old.data)
        self.work()

    @rule(which=st.integers(0, 50), mended=st.booleans())
    def drop_a_paper(self, which: int, *, mended: bool) -> None:
        """An undo file, or a rejects file as it is or corrected."""
        papers = self.town.papers()
        if not papers:
            return
        path = papers[which % len(papers)]
        program, code, *_ = path.relative_to(self.town.folder).parts[1:]
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return  # a restarted engine just puts it in its place once more
        data = data.replace(b"wrong", b"male") if mended else data
        self.town.lay(f"{program}-{code}", path.name, data)
        self.work()

    @rule(project=PROJECT, place=PLACE, draft=drafts(), troubles=st.lists(TROUBLES, min_size=1, max_size=3))
    def drop_into_troubles(self, project: str, place: str, draft: Draft, troubles: list[Trouble]) -> None:
        for trouble in troubles:
            self.make(trouble)
        self.drop(project, place, draft)
        self.go_on()

    @rule(project=PROJECT, draft=drafts(), more=drafts(), trouble=TROUBLES)
    def drop_two_into_trouble(self, project: str, draft: Draft, more: Draft, trouble: Trouble) -> None:
        self.drop(project, "extra", more)
        self.drop_into_troubles(project, "a", draft, [trouble])

    @rule(project=PROJECT, place=PLACE, draft=drafts(), point=POINTS, nth=st.integers(1, 6))
    def drop_and_die(self, project: str, place: str, draft: Draft, point: str, nth: int) -> None:
        """Killed at a point of the way, or a little later, by another file; or already in its first steps."""
        self.drop(project, place, draft)
        if self.alive:
            self.ask("arm", point=point, nth=nth)
            self.work()
        else:
            self.start(point, nth)

    @rule(
        project=PROJECT,
        draft=drafts(),
        point=st.sampled_from(["received", "started", "before_commit", "after_commit"]),
    )
    def die_with_a_request_on_its_way(self, project: str, draft: Draft, point: str) -> None:
        """The next life finds a request that the commons still works on, and perhaps knows nothing of."""
        if self.held:
            return
        if not self.alive:
            self.start()
        self.make(("slow", point))
        self.drop(project, "a", draft)
        if self.alive:
            self.nudge()
        self.town.kill()
        self.start()

    @rule(which=st.integers(0, 50))
    def delete(self, which: int) -> None:
        """The file of a parked drop, of one that is on its way, or of one that is not taken yet."""
        if not self.town.lying:
            return
        path = sorted(self.town.lying)[which % len(self.town.lying)]
        self.town.take_away(path)
        self.work()

    @rule(which=st.integers(0, 50))
    def withdraw(self, which: int) -> None:
        still = [row[0] for row in self.town.rows() if row[3] != "ended"]
        if self.alive and still:
            self.ask("withdraw", target=still[which % len(still)])
            self.go_on_working()

    @rule(erase=st.booleans())
    def retry(self, *, erase: bool) -> None:
        if self.alive:
            with contextlib.suppress(Died):
                self.town.retry(erase=erase)

    @rule(which=st.integers(0, 50))
    def retry_one(self, which: int) -> None:
        """One that has ended is sent again from the archive."""
        rows = self.town.rows()
        if rows and self.alive:
            with contextlib.suppress(Died):
                self.town.retry(erase=False, target=rows[which % len(rows)][0])
            self.go_on_working()

    # --- the engine

    @rule()
    def work(self) -> None:
        self.go_on()

    @rule(restart=st.booleans())
    def kill(self, *, restart: bool) -> None:
        self.town.kill()
        if restart:
            self.start()

    @rule(restart=st.booleans())
    def stop(self, *, restart: bool) -> None:
        if not self.alive:
            return
        with contextlib.suppress(Died):
            self.town.end(0.5 if self.held else 10.0)
        if restart:
            self.start()

    # --- the commons, other people, time

    @rule()
    def the_commons_goes_on(self) -> None:
        self.let_go()

    @rule(project=PROJECT, what=CHANGES)
    def change_the_commons(self, project: str, what: Trouble) -> None:
        change(self.town, project, what)

    @rule(project=PROJECT, name=st.sampled_from(NAMES["subject"]), species=st.sampled_from(["human", "wolf"]))
    def somebody_else_writes(self, project: str, name: str, species: str) -> None:
        found = self.town.sandbox.record(project, "subject", name)
        parent = self.town.sandbox.record(project, "study", f"S{int(name[1:]) % 2}")
        if found is not None:
            record = {"type": "subject", "submitter_id": found["submitter_id"], "species": species}
            self.town.witness.write(project, {**record, "studies": {"id": found["studies"][0]}})
        elif parent is not None:
            record = {"type": "subject", "submitter_id": name, "species": species}
            self.town.witness.write(project, {**record, "studies": {"id": parent["id"]}})

    @rule(project=PROJECT, node=st.sampled_from(["visit", "publication"]), which=st.integers(0, 2))
    def somebody_else_deletes(self, project: str, node: str, which: int) -> None:
        found = self.town.sandbox.records(project, node)
        if found:
            self.town.witness.delete(project, found[which % len(found)]["id"])

    @rule(off=st.sampled_from([-3600.0, 0.0, 3600.0]))
    def clock_is_set(self, off: float) -> None:
        """Also while the commons is at a request, and before a restart: the machine's uptime says how old that is."""
        if self.alive:
            self.ask("set_clock", off=off)

    @rule(seconds=st.sampled_from([5.0, 200.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        now = self.town.clock.seconds()
        if seconds > LONGEST_REQUEST or any(now + seconds - since > LONGEST_REQUEST for _, since in self.held):
            self.let_go()
        with contextlib.suppress(Died):
            self.town.advance(seconds, idle=not self.held)

    def teardown(self) -> None:
        try:
            self.let_go()
            for _ in range(3):
                try:
                    self.town.finish()
                    break
                except Died:
                    continue
            else:
                raise AssertionError("an engine that was armed no more dies all the same")
            self.check()
        finally:
            self._context.__exit__(None, None, None)

    def check(self) -> None:
        receipts.no_collisions(self.town)
        with self.town.truth.ledger() as ledger:
            lost = ledger.requests.unsettled()
            assert not lost, f"drops have ended and nobody knows what became of {lost}"
        drops = ended(self.town)
        for drop in drops:
            receipts.receipt_is_true(self.town, drop)
        verdicts.records_are_right(self.town, drops)
        verdicts.refusals_are_fair(self.town, drops)
