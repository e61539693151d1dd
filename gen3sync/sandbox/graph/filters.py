"""Which records a node query means: filters, order, and pages, as the service applies them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from gen3sync.sandbox.dictionary import NodeType
from gen3sync.sandbox.store import Record, Store, Table, pg_lower

DEFAULT_LIMIT = 10
_TIMES = {
    "created_after": ("created_datetime", True),
    "created_before": ("created_datetime", False),
    "updated_after": ("updated_datetime", True),
    "updated_before": ("updated_datetime", False),
}
_PAGING = frozenset({"first", "offset", "order_by_asc", "order_by_desc", "project_id"})


class ResolveError(Exception):
    """One field cannot be answered: null, and the message in `errors`."""


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(text).strip().replace("Z", "+00:00"))
    except ValueError:
        raise ResolveError(f"Unknown string format: {text}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    """As PostgreSQL shows a JSON value as text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _tests(store: Store, node: NodeType, args: dict[str, Any]) -> list[Callable[[Record], bool]]:
    tests: list[Callable[[Record], bool]] = []
    for key, value in args.items():
        if value is None or key in _PAGING:
            continue
        if key in _TIMES:
            prop, after = _TIMES[key]
            limit = _moment(value)
            tests.append(_time_test(prop, limit, after=after))
        elif key in ("id", "ids"):
            ids = set(_as_list(value))
            tests.append(lambda record, ids=ids: record.id in ids)  # type: ignore[misc]
        elif key == "quick_search":
            wanted = str(value).lower()
            tests.append(
                lambda record, wanted=wanted: wanted in record.id or wanted in str(record.submitter_id).lower()  # type: ignore[misc]
            )
        elif key in ("with_links", "with_links_any", "without_links"):
            tests.append(_link_test(store, node, key, [str(item) for item in _as_list(value)]))
        elif key == "not":
            for name, banned in ((n, b) for item in _as_list(value) for n, b in item.items()):
                texts = {_text(item) for item in _as_list(banned)}
                tests.append(lambda record, name=name, texts=texts: _text(record.props.get(name)) not in texts)  # type: ignore[misc]
        elif node.property_types.get(key) is list:
            needed = set(_as_list(value))
            tests.append(lambda record, key=key, needed=needed: needed <= set(record.props.get(key) or ()))  # type: ignore[misc]
        elif key in node.property_types:
            texts = {_text(item) for item in _as_list(value)}
            tests.append(
                lambda record, key=key, texts=texts: (  # type: ignore[misc]
                    record.props.get(key) is not None and _text(record.props[key]) in texts
                )
            )
    return tests


def _time_test(prop: str, limit: datetime, *, after: bool) -> Callable[[Record], bool]:
    def test(record: Record) -> bool:
        stored = record.props.get(prop)
        if stored is None:
            return False
        moment = datetime.fromisoformat(stored)
        return moment > limit if after else moment < limit

    return test


def _link_test(store: Store, node: NodeType, key: str, names: list[str]) -> Callable[[Record], bool]:
    backrefs = store.dictionary.backrefs[node.name]
    for name in names:
        if name not in node.links and name not in backrefs:
            raise ResolveError(f"Invalid link name '{name}'")

    def has(record: Record, name: str) -> bool:
        if name in node.links:
            return bool(record.links.get(name))
        return any(True for _ in children(store, record, name))

    if key == "with_links_any":
        return lambda record: any(has(record, name) for name in names)
    wanted = key == "with_links"
    return lambda record: all(has(record, name) is wanted for name in names)


def children(store: Store, record: Record, backref: str) -> Iterator[Record]:
    """The records that link to this one by the link behind `backref`."""
    node, link = store.dictionary.backrefs[record.node][backref]
    for child_id in list(store.children.get(record.id, ())):
        child = store.by_id(child_id)
        if child is not None and child.node == node and record.id in child.links.get(link, ()):
            yield child


def _order(node: NodeType, args: dict[str, Any]) -> tuple[str, bool] | None:
    for name in ("order_by_asc", "order_by_desc"):
        key = args.get(name)
        if key is None or key == "type":
            continue
        if key != "id" and key not in node.property_types:
            raise ResolveError(f"Cannot order by {key} on {node.name}")
        return str(key), name == "order_by_desc"
    return None


def _sort_key(key: str) -> Callable[[Record], tuple[int, str, float]]:
    def made(record: Record) -> tuple[int, str, float]:
        value = record.id if key == "id" else record.props.get(key)
        if value is None:
            return (0, "", 0.0)  # JSON null is a value and sorts before all others
        if isinstance(value, bool | int | float):
            return (2, "", float(value))
        return (1, str(value), 0.0)

    return made


def select(store: Store, node: NodeType, tables: list[Table], args: dict[str, Any]) -> Iterable[Record]:
    """The records of these tables, filtered and ordered, without pages. Raises ResolveError."""
    tests = _tests(store, node, args)
    order = _order(node, args)
    rows = _candidates(tables, args)
    if tests:
        rows = (record for record in rows if all(test(record) for test in tests))
    if order is None:
        return rows
    key, descending = order
    first = args.get("first")
    wanted = DEFAULT_LIMIT if first is None else int(first)
    if wanted > 0:
        wanted += int(args.get("offset") or 0)
        cut = _few(tables, key, descending=descending, wanted=wanted) if not tests else None
        if cut is not None:
            return cut
        pick = heapq.nlargest if descending else heapq.nsmallest
        return pick(wanted, rows, key=_sort_key(key))
    return sorted(rows, key=_sort_key(key), reverse=descending)


def _candidates(tables: list[Table], args: dict[str, Any]) -> Iterable[Record]:
    """By index where there is one: ids and submitter_ids are asked for by the thousand."""
    names = args.get("submitter_id")
    if names is not None:
        # Spellings of one submitter_id find one record; the exact comparison is among the tests.
        keys = dict.fromkeys(pg_lower(str(name)) for name in _as_list(names))
        found = [table.find(key) for table in tables for key in keys]
        return [record for record in found if record is not None]
    ids = args.get("ids") or args.get("id")
    if ids is not None:
        by_id = [table.get(str(item)) for table in tables for item in dict.fromkeys(_as_list(ids))]
        return [record for record in by_id if record is not None]
    if args.get("quick_search") is not None:
        return itertools.chain.from_iterable(table.like(str(args["quick_search"]).lower()) for table in tables)
    return itertools.chain.from_iterable(tables)


def _few(tables: list[Table], key: str, *, descending: bool, wanted: int) -> list[Record] | None:
    """The first few of whole tables, kept until the table changes: mirrors ask for the newest all the time."""
    if len(tables) != 1:
        return None
    table = tables[0]
    name = f"{key} {descending} {wanted}"
    cached = table.cache.get(name)
    if cached is not None and cached[0] == table.version:
        return list(cached[1])
    version = table.version
    rows: Iterable[Record] = table
    if table.base is not None and (key.endswith("_datetime") or (key == "id" and not descending and not table.rows)):
        # Made-up records all have one time and come in the order of ids: a few stand for all.
        rows = [*list(table.rows.values()), *itertools.islice(iter(table), wanted)]
    pick = heapq.nlargest if descending else heapq.nsmallest
    found = pick(wanted, {record.id: record for record in rows}.values(), key=_sort_key(key))
    table.cache[name] = (version, found)
    return list(found)


def page(rows: Iterable[Record], args: dict[str, Any]) -> list[Record]:
    """`first` is 10 unless told, 0 is all."""
    first = args.get("first")
    limit = DEFAULT_LIMIT if first is None else int(first)
    offset = max(0, int(args.get("offset") or 0))
    return list(itertools.islice(rows, offset, offset + limit if limit > 0 else None))
