"""Exports: the records of a node or a list of ids as TSV, CSV or JSON, with the service's joins and their oddities.

Text leaves in blocks; nothing holds a whole export. How fast and how far it gets is server.py's and faults.py's.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Iterator
from typing import Any

from gen3sync.sandbox.dictionary import Dictionary
from gen3sync.sandbox.store import Record, Store, Table

_DELIMITERS = {"tsv": "\t", "csv": ","}
_SUB_DELIMITERS = {"tsv": ",", "csv": "#"}

Rows = Iterator[tuple[Record, dict[str, list[dict[str, Any]]]]]


def _targets(store: Store, ids: tuple[str, ...], aliases: list[str]) -> list[dict[str, Any]]:
    found = []
    for target_id, props in store.linked(ids):
        entry: dict[str, Any] = {}
        for alias in aliases:
            value = target_id if alias == "id" else props.get(alias)
            if value is not None:
                entry["node_id" if alias == "id" else alias] = value
        found.append(entry)
    return found


def _aliases(link_titles: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for title in link_titles:
        name, _, alias = title.partition(".")
        found.setdefault(name, []).append(alias)
    return found


def joined(store: Store, table: Table, link_titles: list[str]) -> Rows:
    """Records with their links, as the real query yields them.

    One link type: in the order of ids. Several: the rows of a join, each with one parent of each type, ordered by
    the last link only; a record whose rows come apart is exported more than once, each time with part of its links.
    """
    aliases = _aliases(link_titles)
    if len(aliases) <= 1:
        yield from _simple(store, table, aliases)
        return
    last = list(aliases)[-1]
    rows: list[tuple[bool, int, Record, dict[str, dict[str, Any]]]] = []
    for record in table:
        combinations: list[dict[str, dict[str, Any]]] = [{}]
        for name, wanted in aliases.items():
            found = _targets(store, record.links.get(name, ()), wanted)
            if found:
                combinations = [{**row, name: target} for row in combinations for target in found]
        scattered = int(record.id[:2], 16) % 4 == 0
        for position, row in enumerate(combinations):
            order = zlib.crc32(f"{record.id}{position if scattered else ''}".encode())
            rows.append((last not in row, order, record, row))
    rows.sort(key=lambda row: (row[0], row[2].id if not row[0] else "", row[1]))
    current: Record | None = None
    links: dict[str, list[dict[str, Any]]] = {}
    for _, _, record, row in rows:
        if current is not None and record.id != current.id:
            yield current, links
            links = {}
        current = record
        for name, target in row.items():
            links.setdefault(name, []).append(target)
    if current is not None:
        yield current, links


def _simple(store: Store, table: Table, aliases: dict[str, list[str]]) -> Rows:
    with store.changed:
        written = sorted(table.rows.values(), key=lambda record: record.id)
        base = table.base
        hidden = frozenset(table.hidden)
    cache: dict[tuple[str, ...], list[dict[str, Any]]] = {}

    def links(record: Record) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for name, wanted in aliases.items():
            ids = record.links.get(name, ())
            if ids:
                if ids not in cache:
                    if len(cache) > 10_000:
                        cache.clear()
                    cache[ids] = _targets(store, ids, wanted)
                found[name] = cache[ids]
        return found

    position = 0
    total = len(base) if base is not None else 0
    for record in [*written, None]:
        while base is not None and position < total and (record is None or base.id_at(position) < record.id):
            if not hidden or base.id_at(position) not in hidden:
                made = table.make(position)
                yield made, links(made)
            position += 1
        if record is not None:
            yield record, links(record)


def export_node(store: Store, node: str, project_id: str, file_format: str, *, without_id: bool) -> Iterator[str]:
    """One text for the head, one a record, one for JSON's end. A format that is none ends after the head."""
    titles, link_titles = store.dictionary.titles(node, exclude_id=without_id)
    table = store.table(project_id, node)
    if file_format == "json":
        yield '{ "data": ['
        separator = ""
        for record, links in joined(store, table, link_titles):
            yield separator + _json_record(record, titles, links)
            separator = ","
        yield "]}"
        return
    yield "\t".join([*titles, *link_titles]) + "\n"  # also of a CSV
    delimiter = _DELIMITERS.get(file_format)
    if delimiter is None:
        return  # the real generator dies here, after the head was sent
    for record, links in joined(store, table, link_titles):
        yield delimiter.join(_cells(record, titles, link_titles, links, _SUB_DELIMITERS[file_format])) + "\n"


def _value(record: Record, title: str) -> Any:
    if title == "id":
        return record.id
    if title == "type":
        return record.node
    return record.props.get(title)


def _json_record(record: Record, titles: list[str], links: dict[str, list[dict[str, Any]]]) -> str:
    made = {t: v for t in titles if t not in ("id", "type") and (v := record.props.get(t)) is not None}
    made.update(links)
    if "id" in titles:
        made["id"] = record.id
    made["type"] = record.node
    return json.dumps(made)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value)


def _cells(
    record: Record,
    titles: list[str],
    link_titles: list[str],
    links: dict[str, list[dict[str, Any]]],
    sub: str,
) -> list[str]:
    """No quoting at all: a tab or a newline in a value breaks the line, as in the real export."""
    cells = [_text(_value(record, title)) for title in titles]
    for title in link_titles:
        name, _, alias = title.partition(".")
        key = "node_id" if alias == "id" else alias
        cells.append(sub.join(str(entry[key]) for entry in links.get(name, ()) if key in entry))
    return cells


def export_ids(store: Store, records: list[Record], file_format: str, *, without_id: bool) -> str:
    """The other export, by ids: JSON as an indented bare list with nulls, TSV by the csv module with Python's words."""
    titles, link_titles = store.dictionary.titles(records[0].node, exclude_id=without_id)
    aliases = _aliases(link_titles)
    if file_format == "json":
        made = []
        for record in records:
            entry: dict[str, Any] = {"id": record.id}
            for name, wanted in aliases.items():
                entry[name] = _full(store, record.links.get(name, ()), wanted)
            entry.update({title: _value(record, title) for title in titles})
            made.append(entry)
        return json.dumps(made, indent=2, separators=(", ", ": "), ensure_ascii=False)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=_DELIMITERS[file_format])
    writer.writerow([*titles, *link_titles])
    for record in records:
        row = [str(_value(record, title)) for title in titles]
        for title in link_titles:
            name, _, alias = title.partition(".")
            targets = _full(store, record.links.get(name, ()), [alias])
            row.append(",".join(str(value) for entry in targets for value in entry.values() if value != ""))
        writer.writerow(row)
    return buffer.getvalue()


def _full(store: Store, ids: tuple[str, ...], aliases: list[str]) -> list[dict[str, Any]]:
    return [
        {("node_id" if a == "id" else a): (target_id if a == "id" else props.get(a)) for a in aliases}
        for target_id, props in store.linked(ids)
    ]


def template_text(dictionary: Dictionary, node: str, file_format: str) -> bytes:
    """A template as file: the head and one row that names the type."""
    columns = dictionary.template(node)
    if file_format == "json":
        schema = dictionary.nodes[node]
        made: dict[str, Any] = {}
        for column in columns:
            name, _, key = column.partition(".")
            if key:
                made.setdefault(name, {})[key] = None
            else:
                made[name] = schema.name if name.lstrip("*") == "type" else None
        return json.dumps(made, indent=2, separators=(", ", ": "), ensure_ascii=False).encode()
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=_DELIMITERS[file_format])
    writer.writerow(columns)
    writer.writerow([node] + [""] * (len(columns) - 1))
    return buffer.getvalue().encode()
