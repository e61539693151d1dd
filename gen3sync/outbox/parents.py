"""Whether the parents that rows name are there: asked in as few questions as need be, and remembered for a while.

Owns the order of looking: what is known, what GraphQL shows, what is on its way in this lane, odd spellings, exports.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from gen3sync.commons import queries
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.lookup import Lookup
from gen3sync.outbox.model import Parent
from gen3sync.outbox.plan import ParentState, PlanRow, needed_parents, parent_key
from gen3sync.outbox.sight import Nothing, Sight
from gen3sync.records.dictionary import NodeType

_FEW_PARENTS = 200
_REMEMBERED = 20_000
"""Parents known to be there, per lane; forgotten all at once when there are more."""


@dataclass
class Parents:
    """Of the rows of one lane. One thread."""

    index: RowIndex
    lookup: Lookup
    _there: dict[str, set[str]] = field(default_factory=dict)

    def forget(self) -> None:
        """Somebody may have deleted what was there."""
        self._there.clear()

    def remember(self, found: Mapping[str, Collection[str]]) -> None:
        """Parents that are there."""
        for node, keys in found.items():
            self._remember(node, keys)

    def ask_early(self, rows: list[PlanRow], node_type: NodeType) -> Callable[[], dict[str, set[str]]]:
        """Asks whether parents are there beside the question for the rows themselves: for those of new records, which
        are asked for in any case. Answers what was found by node, once it is called."""
        if self.lookup.seen and not (self.lookup.sure and self.lookup.sight() is Sight.FULL):
            return dict
        by_node: dict[str, dict[str, str]] = {}
        for one in rows:
            for parent in needed_parents(one.desired, None, node_type):
                node, key = parent_key(parent)
                if key not in self._there.get(node, ()):
                    by_node.setdefault(node, {})[key] = parent.submitter_id or ""
        # Of many parents most may belong to rows that turn out to be unchanged.
        few = {node: keys for node, keys in by_node.items() if len(keys) <= _FEW_PARENTS}
        asked = {node: self.lookup.later(partial(self.lookup.present, node, keys)) for node, keys in few.items()}

        def found() -> dict[str, set[str]]:
            answers = {node: answer.result() for node, answer in asked.items()}
            known = {node: keys for node, keys in answers.items() if isinstance(keys, set)}
            self.remember(known)
            # Of many that are missing, which of them are needed is to be known first.
            return {node: keys for node, keys in known.items() if _all_looked_for(few[node], keys)}

        return found

    def states(
        self, wanted: set[Parent], known: Mapping[str, set[str]], doubtful: Collection[Parent]
    ) -> dict[tuple[str, str], ParentState] | Nothing:
        """Of `wanted`, by node and key. `known` is what was asked for early; `doubtful` are parents for whose want the
        commons refused a row before."""
        states: dict[tuple[str, str], ParentState] = {}
        by_node: dict[str, dict[str, str]] = {}
        for parent in wanted:
            node, key = parent_key(parent)
            by_node.setdefault(node, {})[key] = parent.submitter_id or ""
        for node, keys in by_node.items():
            there = self._there.get(node, set())
            asked = {key: sid for key, sid in keys.items() if key not in there}
            found: set[str] | Nothing | None = known[node] & asked.keys() if node in known else set()
            if asked and node not in known:
                found = self.lookup.present(node, asked)
            # Where nothing can be seen, any parent that is not on its way here is left to the commons to check, once.
            blind, again = found is None, set[str]()
            if found is None:
                if self.lookup.sight() is Sight.EXPORTS:
                    again = {parent_key(parent)[1] for parent in doubtful if parent.node == node} & asked.keys()
                found = self._exported(node, {key: asked[key] for key in again})
            if not isinstance(found, set):
                return found
            missing = {key: sid for key, sid in asked.items() if key not in found}
            coming = self.index.coming(node, missing) if missing else {}
            if not blind:
                found = found | self.lookup.odd_spellings(node, missing, but=coming)
            self._remember(node, found)
            for key in keys:
                if key in there or key in found:
                    states[node, key] = ParentState.STORED
                elif key in coming:
                    states[node, key] = ParentState.COMING
                else:
                    states[node, key] = ParentState.UNSEEN if blind and key not in again else ParentState.MISSING
        return states

    def _exported(self, node: str, wanted: Mapping[str, str]) -> set[str] | Nothing:
        """Which of `wanted` an export of `node` holds: dear, so only for parents that were missed already."""
        if not wanted:
            return set()
        stored = self.lookup.stored(node, wanted)
        return set(stored) if isinstance(stored, dict) else stored

    def _remember(self, node: str, keys: Collection[str]) -> None:
        if sum(map(len, self._there.values())) > _REMEMBERED:
            self._there.clear()
        self._there.setdefault(node, set()).update(keys)


def _all_looked_for(wanted: Mapping[str, str], found: Collection[str]) -> bool:
    return queries.few(sid for key, sid in wanted.items() if key not in found)
