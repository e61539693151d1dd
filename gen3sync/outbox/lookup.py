"""What the commons holds now: records by submitter_id, whether parents are there, what became of a transaction.

Owns the way of asking and the fallbacks where a commons has no GraphQL or the key may not read. The answers are used
by `planning.py` and `send.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import TypeVar

from gen3sync.clock import Clock
from gen3sync.commons import queries
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.journal import Touch
from gen3sync.commons.replies import Broken, Busy, Failure, Forbidden, Refused, Transaction, Unauthorised
from gen3sync.names import Project
from gen3sync.outbox.fresh import Fresh, StaleAnswer
from gen3sync.outbox.glance import Glance, glance, look_at
from gen3sync.outbox.graphql import GraphqlWatch
from gen3sync.outbox.listing import Listings
from gen3sync.outbox.namedids import owned
from gen3sync.outbox.plan import PlanRow
from gen3sync.outbox.sight import Nothing, Sight, Sights
from gen3sync.outbox.spellings import Spellings
from gen3sync.outbox.stock import Record, Stock, key_of, of_ids, together
from gen3sync.outbox.wholenode import whole
from gen3sync.pglower import pg_lower
from gen3sync.records.dictionary import NodeType

_Answer = TypeVar("_Answer")
_AT_ONCE = 500
"""Records asked for by id in one question."""
_MANY = 100
"""Records from which on an export of the whole node is thought of to read them back."""
_WORTH = 12
"""A whole export is taken when the node has at most this many times the records that are wanted."""


class Lookup:
    """Questions about one project. Thread-safe. Each answers data, or what kept it from being had."""

    def __init__(
        self, client: CommonsClient, project: Project, pool: Executor, stock: Stock, clock: Clock, watch: GraphqlWatch
    ) -> None:
        self._client, self._project, self._pool, self._stock = client, project, pool, stock
        self._sights = Sights(client, project, pool, clock, watch)
        self._asks = Fresh(self._sights.asks, project, clock)
        self._listings = Listings(client, self._asks, project, stock.beside(".names"), clock)
        self._spellings = Spellings(self._asks, project, self._listings)
        self.unsearched: Collection[str] = frozenset()
        """Keys that `stored` did not find, and did not look for in every letter case, when it was called last."""
        self.blind = False
        """`stored` could not read anything when it was called last: that nothing was found means nothing."""
        self._counts: dict[str, int] = {}
        self._outdated: set[tuple[str, str]] = set()  # records of the stock that were written since

    @property
    def newest(self) -> int | None:
        """The newest transaction when the project was first seen; None where that was not told."""
        return self._sights.newest

    @property
    def why(self) -> str:
        """Why sight is less than full, for the receipt."""
        return self._sights.why

    @property
    def sure(self) -> bool:
        """It is known how well the project can be seen, and the last question about it was answered."""
        return self._sights.sure

    def sight(self, node: str | None = None) -> Sight | Nothing:
        """How well the project can be seen. `node` is counted in the same question, for `stored` to use."""
        return self._sights.sight(node)

    def shown_only(self) -> bool:
        """Whether GraphQL shows the project to everybody, and the key may not read it: from then on it is not seen."""
        return self._sights.shown_only()

    def forget(self) -> None:
        """Permissions or services may have changed: look anew how well the project can be seen."""
        self._sights.forget()

    def stored(
        self, node: str, wanted: Mapping[str, str], *, of: int = 0, look: Glance | None = None
    ) -> dict[str, Record] | Nothing:
        """Records of `node` by key; `wanted` are submitter_ids by key. `of` says how many will be asked for in all:
        when that is much of the node, it is exported whole, and kept until `clear`. What `look` can tell of them is
        taken from there."""
        self.unsearched, self.blind = frozenset(), False
        found = self._stored(node, wanted, of, look)
        if isinstance(found, StaleAnswer) or (isinstance(found, Refused) and self.sight() is Sight.FULL):
            found = self._from_export(node, wanted, keep=of > len(wanted), names=False)  # it lags, or has no such node
        if isinstance(found, Forbidden) and self.sight() is Sight.FULL and self._sights.shown_only():
            self.blind = True
        return {} if self.blind else found

    def _stored(
        self, node: str, wanted: Mapping[str, str], of: int, look: Glance | None
    ) -> dict[str, Record] | Nothing:
        sight = self.sight()
        if sight is Sight.BLIND:
            self.blind = True
            return {}
        if not isinstance(sight, Sight):
            return sight
        many = max(of, len(wanted))
        whole = sight is Sight.EXPORTS
        if not whole and not self._stock.has(node):
            about = self._counts.get(node) or self._count(node)
            if about == 0 and not self._asks.wary:
                return {}
            whole = about is not None and about <= _WORTH * many
        if whole or self._stock.has(node):
            return self._from_export(node, wanted, keep=many > len(wanted), names=sight is Sight.FULL)
        found = self._by_name(node, wanted, look)
        if many <= len(wanted):
            self._spellings.clear()  # nobody asks for more of these
        return found

    def landed(self, transaction: int, ago: float = 0.0) -> None:
        """A request of ours stored something, seconds ago: GraphQL is not believed before it shows that."""
        self._asks.landed(transaction, ago)

    def grew(self, node: str, keys: Collection[str]) -> None:
        """Records of `node` landed. Counts only serve to choose the cheaper way of asking; zero is asked for anew."""
        if node in self._counts:
            self._counts[node] += len(keys)
        self._listings.grew(node, keys)
        if self._stock.has(node):
            self._outdated.update((node, key) for key in keys)

    def close(self) -> None:
        """Nothing more is asked."""
        self.clear()
        self._listings.close()

    def clear(self) -> None:
        """What was exported is getting old."""
        self._stock.clear()
        self._spellings.clear()
        self._outdated.clear()

    def by_id(self, ids: Sequence[str]) -> dict[str, Record] | Nothing:
        """Records of one node by key of their submitter_id."""
        size = -(-len(ids) // max(1, -(-len(ids) // _AT_ONCE)))  # as few questions as need be, and of one size
        parts = [list(ids[i : i + size]) for i in range(0, len(ids), size or 1)]
        read: dict[str, Record] = {}
        answers = self._map(lambda some: self._client.export_records(self._project, some), parts)
        for answer in answers:
            if not isinstance(answer, tuple):
                return answer
            read.update((pg_lower(str(record.get("submitter_id"))), record) for record in answer)
        return read

    def read_back(self, node: str, ids: Sequence[str]) -> dict[str, Record] | Nothing:
        """As `by_id`, from a fresh export of the whole node where that costs the commons less."""
        if ids and self._worth_all(node, len(ids)):
            found = whole(self._client, self._project, node, partial(of_ids, frozenset(ids)))
            if isinstance(found, dict):
                return found
        return self.by_id(ids)

    def glimpse(self, rows: Sequence[PlanRow], node_type: NodeType, ids: Sequence[str]) -> dict[str, Record]:
        """As `read_back`, but only what a glance can tell of records whose `ids` are known, where that costs less."""
        look = None if self._worth_all(node_type.name, len(ids)) else glance(rows, node_type)
        if look is None or self.sight() is not Sight.FULL:
            return {}
        names = [one.row.submitter_id for one in rows]
        told = look_at(look, self._asks, self._project, self.later, names, ids)
        return told[0] if told is not None else {}

    def _worth_all(self, node: str, wanted: int) -> bool:
        about = self._counts.get(node)
        return about is not None and wanted >= _MANY and max(about, wanted) <= _WORTH * wanted

    def named(self, ids: Sequence[str]) -> dict[str, Record]:
        """Records of any node and project by id, as far as they can be had; see `namedids.py`."""
        sight = self.sight()
        if not ids or sight not in (Sight.FULL, Sight.EXPORTS):
            return {}
        return owned(self._client, self._asks if sight is Sight.FULL else None, self._project, ids)

    def present(self, node: str, submitter_ids: Mapping[str, str]) -> set[str] | Nothing | None:
        """Keys of those `submitter_ids` (by key) that are stored. None without GraphQL: that is left to the commons,
        which checks links itself."""
        if self.seen:
            sight = self.sight()
            if not isinstance(sight, Sight):
                return sight
            if sight is not Sight.FULL:
                return None
        known = queries.find_ids(self._sights.asks, self._project, node, submitter_ids.values())
        if not isinstance(known, dict):
            return None if isinstance(known, Refused) else known  # refused: GraphQL does not know the node type
        return {pg_lower(one.submitter_id) for one in known.values()}

    def odd_spellings(self, node: str, missing: Mapping[str, str], *, but: Collection[str] = ()) -> set[str]:
        """Keys of those that `present` does not find, which are there all the same; `but` are of no interest."""
        return set() if self.sight() is not Sight.FULL else self._spellings.odd(node, missing, but)

    @property
    def seen(self) -> bool:
        """Whether it is known how well the project can be seen."""
        return self._sights.seen

    def later(self, ask: Callable[[], _Answer]) -> Future[_Answer]:
        """Asks on a thread of the readers."""
        return self._pool.submit(ask)

    def transactions(self, ids: Collection[int]) -> dict[int, Transaction] | Nothing:
        """What the log says of these, in one question; those it does not show are left out."""
        return queries.transactions(self._asks, self._project, ids)

    def find(self, document_name: str, since: int | None) -> Transaction | Nothing | None:
        return queries.find_transaction(self._asks, self._project, document_name, since)

    def wrote(self, id: int) -> tuple[Touch, ...] | Nothing | None:
        return queries.wrote(self._asks, self._project, id)

    def wrote_since(
        self, since: int, node: str, wanted: Mapping[str, str | None], own: str
    ) -> dict[str, bool] | Nothing:
        return queries.wrote_since(self._asks, self._project, since, node, wanted, own)

    def newest_transaction(self) -> int | Nothing | None:
        return queries.last_transaction_id(self._asks, self._project)

    def _count(self, node: str) -> int | None:
        """How many records the node has just now; None where that cannot be told."""
        counted = self._sights.counted(node)
        if counted is None:
            asked = queries.count(self._asks, self._project, node)
            counted = asked if isinstance(asked, int) else None
        if counted is not None:
            self._counts[node] = counted
        return counted

    def _from_export(
        self, node: str, wanted: Mapping[str, str], *, keep: bool, names: bool
    ) -> dict[str, Record] | Nothing:
        old = {key: sid for key, sid in wanted.items() if (node, key) in self._outdated}
        if self._stock.has(node) and (names or not old):
            found = self._stock.records(node, {key: sid for key, sid in wanted.items() if key not in old})
            newer = self._by_name(node, old) if old else {}
            return newer if not isinstance(newer, dict) else {**found, **newer}
        kept = keep or self._stock.has(node)
        taken = whole(self._client, self._project, node, partial(self._taken, node, wanted, keep=kept))
        if kept and isinstance(taken, dict):
            self._outdated -= {one for one in self._outdated if one[0] == node}
        return taken

    def _taken(
        self, node: str, wanted: Mapping[str, str], pieces: Iterable[Record], *, keep: bool
    ) -> dict[str, Record]:
        if not keep:
            return together((piece for piece in pieces if key_of(piece) in wanted), wanted)
        self._stock.fill(node, pieces)
        return self._stock.records(node, wanted)

    def _by_name(self, node: str, wanted: Mapping[str, str], look: Glance | None = None) -> dict[str, Record] | Nothing:
        told = look and look_at(look, self._asks, self._project, self.later, list(wanted.values()))
        if not told:
            known = queries.find_spelled(self._asks, self._project, node, wanted.values())
            if not isinstance(known, dict):
                return known
            told = {}, {key: one.id for key, one in known.items()}
        found, ids = told
        if (failure := self._hidden(node, wanted, ids)) is not None:
            return failure
        rest = self.by_id([id for key, id in ids.items() if key in wanted and key not in found])
        return {**found, **rest} if isinstance(rest, dict) else rest

    def _hidden(self, node: str, wanted: Mapping[str, str], ids: dict[str, str]) -> Nothing | None:
        """Adds to `ids` those of `wanted` that are stored in another letter case than was asked for."""
        missing = {key: sid for key, sid in wanted.items() if key not in ids}
        hidden = self._spellings.hidden(node, missing)
        if hidden is None:
            self.unsearched = missing.keys()
        elif isinstance(hidden, dict):
            ids.update({key: known.id for key, known in hidden.items()})
        else:
            return hidden
        return None

    def _map(
        self, ask: Callable[[list[str]], tuple[Record, ...] | Nothing], parts: list[list[str]]
    ) -> list[tuple[Record, ...] | Nothing]:
        # The first on this thread: readers may be busy with a question that was put beside this one.
        others = [self.later(partial(ask, part)) for part in parts[1:]]
        return [*(ask(part) for part in parts[:1]), *(other.result() for other in others)]


def may_pass(failure: Refused | Failure) -> bool:
    """Whether asking again later may help."""
    return isinstance(failure, Broken | Busy | Unauthorised)
