"""Plans the rows of a lane against the commons, a batch at a time, and notes in the index what each needs.

Owns the order of questions: who else holds the record, what is stored, are the parents there. The decision itself is
`plan.py`'s.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from gen3sync.commons.replies import Failure, Refused
from gen3sync.outbox.before import values_before
from gen3sync.outbox.earlier import note_done
from gen3sync.outbox.failpoint import FailPoint
from gen3sync.outbox.glance import glance
from gen3sync.outbox.index import Noted, RowIndex
from gen3sync.outbox.journal import Refusal
from gen3sync.outbox.lookup import Lookup
from gen3sync.outbox.meanings import Meanings
from gen3sync.outbox.missing import ADVICE, SAID, UNSEEN, WAITING, in_doubt
from gen3sync.outbox.model import Action, IndexedRow, Json, Parent, Reason, RowPlan, RowState
from gen3sync.outbox.overwritten import Planned, as_overwritten, overwritten
from gen3sync.outbox.parents import Parents
from gen3sync.outbox.plan import PlanRow, Rules, ids_to_ask, needed_parents, parent_key, plan_rows
from gen3sync.outbox.reading import detail_of, reasons_in
from gen3sync.outbox.refusedparents import RefusedParents
from gen3sync.outbox.rules import reason_of
from gen3sync.outbox.side import side_by_side
from gen3sync.outbox.sight import Nothing
from gen3sync.outbox.stock import Record
from gen3sync.outbox.work import Work
from gen3sync.records.compare import compare
from gen3sync.records.dictionary import Dictionary, NodeType
from gen3sync.records.rowchecks import unknown_type
from gen3sync.records.table import Table

BATCH = 1000
MOST_LOST = 3
"""Requests with one row alone whose answers were lost while others landed, before that row is refused."""
MOST_FAILED = 6
"""The same where the commons said that it failed, whatever became of others: an hour, at a horizon of ten minutes."""
BEHIND = "behind"
"""In the detail of a row that stands behind another drop's: that drop."""
SAME_ID = "same id"
"""In the detail of a row that stands behind another drop's: the id that both name, where that is why."""
_ENDED = (RowState.DONE, RowState.UNCHANGED)


@dataclass
class Planner:
    """Plans for one lane. `locked` are the locks (`IndexedRow.locks`) of requests whose answers were lost."""

    index: RowIndex
    lookup: Lookup
    failpoint: FailPoint
    locked: dict[str, int] = field(default_factory=dict)
    proven: Counter[str] = field(default_factory=Counter)
    """Records that landed in this life, by node."""
    meanings: Meanings = field(default_factory=Meanings)
    unread: dict[int, Table] = field(default_factory=dict)
    """By drop: large files that are still being read. What they name is known, though not all of it is in the index."""

    def __post_init__(self) -> None:
        self.parents = Parents(self.index, self.lookup)
        self.refused_parents = RefusedParents(self.index)

    def next_node(self, work: Work) -> str | None:
        """The node type of the next batch."""
        rows = self.index.batch(work.id, RowState.NEW, 1)
        return rows[0].node if rows else None

    def refuse_gone(self, work: Work, dictionary: Dictionary) -> bool:
        """Refuses rows about to be planned or sent whose node type the dictionary does not have any more: it may change
        while a drop waits. True if there were such."""
        counts = self.index.counts(work.id)
        first = self.index.batch(work.id, RowState.NEW, 1) if counts[RowState.NEW] else []
        first += self.index.sendable(work.id, 1) if counts[RowState.READY] else []
        gone = next((row for row in first if dictionary.submittable(row.node) is None), None)
        if gone is None:
            return False
        rows = [row for row in self.index.batch(work.id, gone.state, BATCH) if row.node == gone.node] or [gone]
        reasons = (reason_of(unknown_type(gone.node, dictionary, gone.line)),)
        work.journal.refused([(row.line, reasons) for row in rows])
        self.index.move(rows, RowState.REJECTED, detail=detail_of(reasons))
        return True

    def plan_some(
        self, works: Sequence[Work], dictionary: Dictionary, rules: Callable[[Work], Rules]
    ) -> Counter[Action] | Nothing:
        """Plans the next batch of NEW rows of the first drop, and with it those of the others that ask about the same
        node type. Answers what was planned, or what kept it from asking."""
        taken = self._batch(works)
        if not taken:
            return Counter()
        by_drop = {work.id: work for work, _ in taken}
        rows = [row for _, some in taken for row in some]
        node_type = dictionary.nodes[rows[0].node]
        plan_input = [PlanRow(row, self.meanings.of(by_drop[row.drop_id], row, node_type)[1]) for row in rows]
        wished = {row.key: row.submitter_id for row in rows}
        many = sum(self.index.counts(work.id)[RowState.NEW] for work, _ in taken if work.first_pass)
        early = self.parents.ask_early(plan_input, node_type)
        stored = self.lookup.stored(node_type.name, wished, of=many, look=glance(plan_input, node_type))
        unsearched, blind = self.lookup.unsearched, self.lookup.blind
        known = early()
        if isinstance(stored, Refused | Failure):
            return stored
        wanted: set[Parent] = set()
        doubtful: set[Parent] = set()
        for one in plan_input:
            record = stored.get(one.row.key)
            found = None if record is None else compare(one.desired, record, node_type)
            needed = needed_parents(one.desired, found, node_type)
            wanted.update(needed)
            if in_doubt(one.row.detail):
                doubtful.update(needed)
        states = self.parents.states(wanted, known, doubtful)
        if isinstance(states, Refused | Failure):
            return states
        named = self.lookup.named(ids_to_ask(plan_input, stored))
        done: Counter[Action] = Counter()
        noted: list[Noted] = []
        refused: dict[int, list[Refusal]] = {}
        inputs = iter(plan_input)
        planned: list[Planned] = []
        for work, some in taken:
            own = list(itertools.islice(inputs, len(some)))
            by = replace(rules(work), blind=blind)
            plans = plan_rows(own, stored, lambda p: states[parent_key(p)], node_type, by, named)
            planned += [Planned(work, row, plan) for row, plan in zip(some, plans, strict=True)]
        over = overwritten(self.lookup, planned)
        if isinstance(over, Refused | Failure):
            return over
        for each in planned:
            work, row, plan = each.work, each.row, each.plan
            if row.id in over:
                noted.append(as_overwritten(work, row, plan))
                continue
            done[plan.action] += 1
            work.unsearched += plan.action is Action.CREATE and row.key in unsearched
            note = self._note(work, row, plan, stored.get(plan.key), node_type)
            noted.append(replace(note, links_kept=plan.links_not_removed) if plan.links_not_removed else note)
            if note.state is RowState.REJECTED:
                refused.setdefault(work.id, []).append((row.line, reasons_in(note.detail)))
        side_by_side(partial(by_drop[drop].journal.refused, some) for drop, some in refused.items())
        self.index.note(noted)
        for work, _ in taken:
            ended = [one for one in noted if one.row.drop_id == work.id and one.state in _ENDED]
            compared = sum(one.state is RowState.DONE for one in ended)
            others = sum(one.row.id in over for one in ended)
            note_done(self.index, work, [one.row for one in ended], compared=compared, overwritten=others)
        for work, _ in taken:
            work.first_pass = work.first_pass and self.index.counts(work.id)[RowState.NEW] > 0
        if not any(work.first_pass and self.index.counts(work.id)[RowState.NEW] for work in works):
            self.lookup.clear()  # for a large drop that is not planned to its end, it is kept
        self.failpoint("plan: batch")
        return done

    def _batch(self, works: Sequence[Work]) -> list[tuple[Work, list[IndexedRow]]]:
        """Rows of one node type, by drop, in the order of the drops, that nobody else holds."""
        taken: list[tuple[Work, list[IndexedRow]]] = []
        node, room = None, BATCH
        for work in works:
            rows = self.index.batch(work.id, RowState.NEW, room)
            if rows and node in (None, rows[0].node):
                node, room = rows[0].node, room - len(rows)
                if free := self._free(work, rows):
                    taken.append((work, free))
            if room < 1:
                break
        return taken

    def landed(self, node: str, keys: Collection[str]) -> int:
        """Records are there now; rows that waited for them are planned again. Returns how many."""
        self.parents.remember({node: keys})
        self.refused_parents.landed(node, keys)
        self.proven[node] += len(keys)
        self.lookup.grew(node, keys)
        return self.index.release(node, keys)

    def _kills(self, work: Work, row: IndexedRow) -> bool:
        """Whether it is this row that makes the commons break off: it did each time, while other requests landed."""
        lost = work.lost_alone.get(row.line)
        if lost is None:
            return False
        return lost.failed >= MOST_FAILED or (lost.times >= MOST_LOST and self.proven[row.node] > lost.proven)

    def _free(self, work: Work, rows: list[IndexedRow]) -> list[IndexedRow]:
        """Without those whose record an earlier drop or a lost request holds."""
        if not rows:
            return rows
        node = rows[0].node
        holders = self.index.holders(work.id, node, [row.key for row in rows])
        of_ids = self.index.id_holders(work.id, [row.named for row in rows if row.named is not None])
        free: list[IndexedRow] = []
        for row in rows:
            holder = holders.get(row.key, of_ids.get(row.named or "", self._unread_holder(work, row)))
            lost = next((self.locked[lock] for lock in row.locks if lock in self.locked), None)
            if holder is None and lost is None:
                free.append(row)
            else:
                words: dict[str, Json] = {"locked": lost} if holder is None else {BEHIND: holder}
                if holder is not None and row.key not in holders:
                    words[SAME_ID] = row.named
                self.index.move([row], RowState.BEHIND, detail=words)
        return free

    def _unread_holder(self, work: Work, row: IndexedRow) -> int | None:
        """An earlier drop that is not read to its end and names the row's record, or its id."""
        names = (drop for drop, table in self.unread.items() if table.may_name(row.node, row.key, row.named))
        return next((drop for drop in names if drop < work.id), None)

    def early(self, work: Work, dictionary: Dictionary) -> Callable[[], dict[str, set[str]]]:
        """Asks for the parents of the next batch before anything else is known; see `Parents.remember`."""
        rows = self.index.batch(work.id, RowState.NEW, BATCH)
        if not rows:
            return dict
        node_type = dictionary.nodes[rows[0].node]
        read = [PlanRow(row, self.meanings.of(work, row, node_type)[1]) for row in rows]
        return self.parents.ask_early(read, node_type)

    def _note(self, work: Work, row: IndexedRow, plan: RowPlan, record: Record | None, node_type: NodeType) -> Noted:
        detail: dict[str, Json] = {SAID: row.detail[SAID]} if SAID in row.detail else {}
        if plan.erased:
            detail["erased"] = [change.column for change in plan.erased]
        match plan.action:
            case Action.REJECT:
                return Noted(row, RowState.REJECTED, plan.action, detail_of(plan.problems))
            case Action.UNCHANGED if row.sent is not None:
                # An earlier life, or a request whose answer was lost, wrote it; the comparison just proved it.
                work.compared += 1
                return Noted(row, RowState.DONE, row.sent, row.detail, plan.record_id, values=plan.equal)
            case Action.UNCHANGED:
                return Noted(row, RowState.UNCHANGED, plan.action, {}, plan.record_id, values=plan.equal)
            case Action.ERASE:
                return Noted(row, RowState.GUARDED, plan.action, detail)
            case Action.WAIT:
                parents = tuple(parent_key(parent) for parent in plan.waiting_for)
                detail[WAITING] = [[parent.node, parent.submitter_id] for parent in plan.waiting_for]
                if plan.problems:
                    detail[ADVICE] = plan.problems[0].message
                return Noted(row, RowState.WAITING, plan.action, detail, None, parents)
            case Action.CREATE | Action.UPDATE | Action.WRITE if self._kills(work, row):
                said = f"The commons broke off {work.lost_alone[row.line].times} times when this row was sent alone."
                reason = Reason("NO_ANSWER", said, None, "Ask the commons' operators why; drop the row again later.")
                return Noted(row, RowState.REJECTED, plan.action, detail_of((reason,)))
            case Action.CREATE | Action.UPDATE | Action.WRITE:
                if record is not None:
                    columns = work.columns(row.shape)
                    detail["before"] = values_before(record, node_type, columns, row, plan, work.undo_tables)
                if plan.unseen:
                    detail[UNSEEN] = [[parent.node, parent.submitter_id] for parent in plan.unseen]
                return Noted(row, RowState.READY, plan.action, detail, plan.record_id)
