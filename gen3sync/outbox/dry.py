"""What sending a file would do, without sending it: the plan for `push --dry-run` and `gen3sync plan`."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from gen3sync.commons.replies import Failure, Refused
from gen3sync.commons.rights import error_of
from gen3sync.errors import Gen3SyncError
from gen3sync.files import folder_error
from gen3sync.names import Project, printable
from gen3sync.outbox.glance import glance
from gen3sync.outbox.graphql import GraphqlWatch
from gen3sync.outbox.lookup import Lookup
from gen3sync.outbox.model import Action, IndexedRow, Parent, RowPlan, RowState
from gen3sync.outbox.plan import ParentState, PlanRow, Rules, ids_to_ask, needed_parents, parent_key, plan_rows
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.rules import reason_of
from gen3sync.outbox.sight import Sight
from gen3sync.outbox.stock import Stock
from gen3sync.pglower import pg_lower
from gen3sync.records.codec import desired
from gen3sync.records.compare import compare
from gen3sync.records.dictionary import Dictionary
from gen3sync.records.problems import Mend
from gen3sync.records.rows import BadRow, Row
from gen3sync.records.table import Table, open_table
from gen3sync.records.twins import Twins

_BATCH = 1000
_Fail = Callable[[Refused | Failure, str], Gen3SyncError]
EachRow = Callable[[RowPlan], None]
"""Is told a row as it was planned."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file asks of a project. `rows` in the order of the file: all, or as many as were asked for of those that
    are not unchanged, or none where each was told as it was planned; `counts` covers all. `sight` other than full: what
    could not be seen, and so not compared."""

    path: Path
    project: Project
    counts: dict[Action, int]
    rows: tuple[RowPlan, ...]
    mends: tuple[Mend, ...] = ()
    sight: Sight = Sight.FULL
    erases: dict[str, int] = field(default_factory=dict)
    links_not_removed: dict[str, int] = field(default_factory=dict)
    """Rows that no longer name a stored parent, by column: a PUT cannot unlink."""


@dataclass
class _Own:
    """Records of the file itself, by node type and key. Those that would not go now are no parents for others."""

    number: Counter[str] = field(default_factory=Counter)
    """By node type."""
    _keys: Twins = field(default_factory=Twins)
    _held: Twins = field(default_factory=Twins)

    def add(self, node: str, key: str) -> None:
        self.number[node] += 1
        self._keys.add((node, key), 0, 0, 0)

    def hold(self, node: str, key: str) -> None:
        self._held.add((node, key), 0, 0, 0)

    def coming(self, key: tuple[str, str]) -> bool:
        return key in self._keys and key not in self._held


def plan_file(
    rooms: Rooms, path: Path, project: Project, *, limit: int | None = None, each: EachRow | None = None
) -> Plan:
    """Plans a file. `each` is told every row instead of having them returned: by node type, parents first, of one type
    in the order of the file, below those that cannot be used. Raises TableError (an InputError) for a file that cannot
    be used, FolderError, and the errors of a commons that does not answer."""
    with tempfile.TemporaryDirectory(prefix="gen3sync-plan-") as scratch:
        return _plan_file(rooms, path, project, Stock(Path(scratch) / "stock"), limit, each)


def _plan_file(
    rooms: Rooms, path: Path, project: Project, stock: Stock, limit: int | None, each: EachRow | None
) -> Plan:
    watch = GraphqlWatch(rooms.clock)
    watch.at_once()  # somebody sits before the screen
    lookup = Lookup(rooms.client, project, rooms.readers, stock, rooms.clock, watch)
    sight = lookup.sight()
    if isinstance(sight, Refused | Failure):
        raise error_of(rooms.client, project, sight, f"looking at {project}")
    if sight is Sight.FULL and lookup.shown_only():
        sight = Sight.BLIND
    table, dictionary, own = _looked_through(rooms, path, project)
    settings = rooms.settings.outbox
    rules = Rules(settings.blanks, settings.send)
    counts: Counter[Action] = Counter()
    erases: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    shown: list[RowPlan] = []
    fail = partial(error_of, rooms.client, project)
    try:
        for plans in _plans(table, dictionary, lookup, rules, own, fail):
            rows: list[RowPlan] = []
            for plan in plans:
                counts[plan.action] += 1
                erases.update(change.column for change in plan.erased)
                kept.update(plan.links_not_removed)
                if each is not None:
                    each(plan)
                elif limit is None or (plan.action is not Action.UNCHANGED and len(rows) < limit):
                    rows.append(plan)
            shown = sorted([*shown, *rows], key=lambda plan: plan.line)[:limit]
    finally:
        lookup.close()
    mends = table.mends
    return Plan(path, project, dict(counts), tuple(shown), mends, sight, dict(erases), dict(kept))


def _looked_through(rooms: Rooms, path: Path, project: Project) -> tuple[Table, Dictionary, _Own]:
    """The file, the dictionary it is read by, and the records it names. What this does not have, the commons' may have
    since it was last read; then the file is read by that."""
    while True:
        dictionary = rooms.catalog.dictionary()
        try:
            table = open_table(path, name=path.name, dictionary=dictionary, project=project)
        except OSError as error:
            raise folder_error(f"{printable(path)} cannot be read", error) from error
        own, unknown = _Own(), False
        for row in table:
            if isinstance(row, Row):
                own.add(row.node, pg_lower(row.submitter_id))
            else:
                unknown = unknown or row.unknown
        if not ((unknown or table.left_out_unknown) and rooms.catalog.dictionary_changed(dictionary)):
            return table, dictionary, own


def _plans(
    table: Iterable[Row | BadRow],
    dictionary: Dictionary,
    lookup: Lookup,
    rules: Rules,
    own: _Own,
    fail: _Fail,
) -> Iterator[Iterator[RowPlan]]:
    """Plans by node type, parents before children, each in the order of the file: whether a row can go may hang on the
    fate of another. Rows that cannot be used come first."""
    nodes = sorted(own.number, key=dictionary.place)
    yield (_refused(bad) for bad in table if isinstance(bad, BadRow))
    for node in nodes:
        rows = (row for row in table if isinstance(row, Row) and row.node == node)
        yield itertools.chain.from_iterable(
            _planned(batch, dictionary, lookup, rules, own, fail) for batch in _batches(rows)
        )


def _refused(bad: BadRow) -> RowPlan:
    reasons = tuple(reason_of(problem) for problem in bad.problems)
    sid = bad.submitter_id or ""
    return RowPlan(bad.line, bad.node or "", pg_lower(sid), sid, Action.REJECT, problems=reasons)


def _planned(
    rows: Sequence[Row], dictionary: Dictionary, lookup: Lookup, rules: Rules, own: _Own, fail: _Fail
) -> Iterator[RowPlan]:
    node_type = dictionary.nodes[rows[0].node]
    wished = {pg_lower(row.submitter_id): row.submitter_id for row in rows}
    read = [PlanRow(_indexed(row), desired(row, node_type)) for row in rows]
    stored = lookup.stored(node_type.name, wished, of=own.number[node_type.name], look=glance(read, node_type))
    blind = lookup.blind
    if isinstance(stored, Refused | Failure):
        raise fail(stored, f"reading {node_type.name}")
    wanted: dict[str, dict[str, str]] = {}
    for one in read:
        record = stored.get(one.row.key)
        found = None if record is None else compare(one.desired, record, node_type)
        for parent in needed_parents(one.desired, found, node_type):
            node, key = parent_key(parent)
            wanted.setdefault(node, {})[key] = parent.submitter_id or ""
    there: set[tuple[str, str]] = set()
    for node, keys in wanted.items():
        present = lookup.present(node, keys)
        if isinstance(present, Refused | Failure):
            raise fail(present, f"looking for {node}")
        shown = set(keys) if present is None else present
        missing = {key: sid for key, sid in keys.items() if key not in shown}
        odd = lookup.odd_spellings(node, missing, but={key for key in missing if own.coming((node, key))})
        there.update((node, key) for key in shown | odd)

    def state(parent: Parent) -> ParentState:
        key = parent_key(parent)
        return ParentState.STORED if key in there or own.coming(key) else ParentState.MISSING

    rules = replace(rules, blind=blind)
    for plan in plan_rows(read, stored, state, node_type, rules, lookup.named(ids_to_ask(read, stored))):
        if plan.action in (Action.REJECT, Action.WAIT):
            own.hold(plan.node, plan.key)
        yield plan


def _indexed(row: Row) -> IndexedRow:
    key = pg_lower(row.submitter_id)
    return IndexedRow(0, 0, row.line, row.end_line, row.node, key, row.submitter_id, 0, row.record, RowState.NEW)


def _batches(rows: Iterator[Row]) -> Iterator[tuple[Row, ...]]:
    while some := tuple(itertools.islice(rows, _BATCH)):
        yield some
