"""Exports by node and by ids, and records by id; pacing, cuts and stalls of exports."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from gen3sync.sandbox.commons import Call
from gen3sync.sandbox.export import export_ids, export_node
from gen3sync.sandbox.faults import Kind, Point
from gen3sync.sandbox.message import Response, failure, json_response
from gen3sync.sandbox.parse import parse_json
from gen3sync.sandbox.server_errors import BrokenStream, gunicorn_error
from gen3sync.sandbox.store import Record

_BLOCK = 65_536
_PACED_ROWS = 500


def export(call: Call, program: str, code: str) -> Response:
    """`GET` or `POST …/export`. Whether the project exists is never asked: an unknown one is empty."""
    call.require(program, code, "read")
    options = _options(call)
    without_id = str(options.get("without_id", "false")).lower() == "true"
    file_format = str(options.get("format") or "tsv")
    json_export = file_format.lower() == "json"
    kind = "application/json" if json_export else "application/octet-stream"
    ids = options.get("ids")
    node = options.get("node_label")
    if ids:
        return _by_ids(call, program, code, ids, file_format, kind, without_id=bool(options.get("without_id")))
    if not node:
        raise failure(400, "expected either `ids` or `node_label` parameter")
    known = call.commons.dictionary.get(node)
    if known is None:
        raise failure(400, f"dictionary does not have node with type {node}")
    if known.category == "internal":
        raise failure(400, "cannot export node with category `internal`")
    if not known.submittable:
        return gunicorn_error() if call.direct else call.crash()
    call.reach(Point.STARTED)
    headers = {"Content-Disposition": f"attachment; filename={node}.{file_format}"}
    rows = export_node(call.commons.store, node, f"{program}-{code}", file_format, without_id=without_id)
    dies = file_format not in ("tsv", "csv", "json") and call.direct
    return Response(200, _blocks(call, rows, dies=dies), kind, headers, gzip=json_export)


def _options(call: Call) -> dict[str, Any]:
    if call.request.method == "GET":
        return dict(call.request.args)
    options = parse_json(call.request.body)
    if not isinstance(options, dict):
        raise failure(400, "JSON parsed from request is an invalid type: list")
    if not isinstance(options.get("without_id", "false"), str):
        from gen3sync.sandbox.message import HTTPFailure

        raise HTTPFailure(call.crash())
    return options


def _parse_ids(ids: Any) -> list[str]:
    if isinstance(ids, str):
        return ids.split(",")
    if not isinstance(ids, list):
        raise failure(400, f"Invalid list of ids: {ids}")
    if not all(isinstance(item, str) for item in ids):
        raise failure(400, f"Ids must be strings: {ids}")
    return ids


def _by_ids(
    call: Call, program: str, code: str, ids: Any, file_format: str, kind: str, *, without_id: bool
) -> Response:
    wanted = _parse_ids(ids)
    call.reach(Point.STARTED)
    records = _read(call, wanted, f"{program}-{code}")
    if not records:
        raise failure(404, f"Unable to find {', '.join(wanted)}")
    nodes = {record.node for record in records}
    if len(nodes) > 1 or file_format not in ("tsv", "csv", "json"):
        return call.crash()
    text = export_ids(call.commons.store, records, file_format, without_id=without_id)
    headers = {"Content-Disposition": f"attachment; filename={nodes.pop()}.{file_format}"}
    blocks = _blocks(call, iter([text]))
    return Response(200, blocks, kind, headers, gzip=file_format == "json")


def _read(call: Call, ids: list[str], project_id: str | None) -> list[Record]:
    with call.commons.changed:
        found = call.commons.store.by_ids(ids)
    if project_id is not None:
        found = [record for record in found if record.project_id == project_id]
    found.sort(key=lambda record: (record.props.get("created_datetime") or "", record.props.get("submitter_id") or ""))
    call.logged.rows = len(found)
    call.commons.faults.pause(call.commons.faults.settings.read * len(found))
    return found


def entities(call: Call, program: str, code: str, ids: str) -> Response:
    """`GET …/entities/{ids}`: of any project, and one missing id fails all."""
    if program not in call.commons.store.programs:
        raise failure(404, f"program {program} not found")
    call.require(program, code, "read")
    wanted = ids.split(",")
    records = _read(call, wanted, None)
    missing = set(wanted) - {record.id for record in records}
    if missing:
        raise failure(400, f"Not found: {', '.join(sorted(missing))}")
    store = call.commons.store
    made = []
    for record in records:
        props = {**record.props, "id": record.id, "type": record.node}
        for name, parents in record.links.items():
            linked = [{"id": i, "submitter_id": p.get("submitter_id")} for i, p in store.linked(parents)]
            if linked:
                props[name] = linked
        owner, _, own_code = record.project_id.partition("-")
        made.append({"program": owner, "project": own_code, "properties": props})
    return json_response({"entities": made})


def _blocks(call: Call, texts: Iterator[str], *, dies: bool = False) -> Iterator[bytes]:
    """Texts as blocks of bytes, at the pace and up to the point that the faults say."""
    faults = call.commons.faults
    method = call.request.method
    cut = faults.take(method, call.target, Kind.CUT)
    stall = faults.take(method, call.target, Kind.STALL)
    if cut or stall:
        call.logged.fault = (cut or stall).kind.value  # type: ignore[union-attr]
    max_rows = cut.options.get("rows") if cut else None
    max_bytes = cut.options.get("bytes") if cut else None
    rate = faults.settings.export_rows
    started = time.monotonic()
    block: list[bytes] = []
    size = sent = rows = 0
    first = True
    for number, text in enumerate(texts):
        rows = number - (text == "]}")  # the head is number 0, the end is no row
        if stall and not stall.released and rows > stall.options["rows"]:
            if block:
                yield b"".join(block)
                block, size = [], 0
            faults.wait_released(stall)
        if max_rows is not None and number > max_rows:
            rows = max_rows
            break
        piece = text.encode()
        if max_bytes is not None and sent + len(piece) > max_bytes:
            block.append(piece[: max(0, max_bytes - sent)])
            break
        block.append(piece)
        size += len(piece)
        sent += len(piece)
        paced = rate and rows and rows % _PACED_ROWS == 0
        if size >= _BLOCK or paced or (first and faults.active()):
            yield b"".join(block)
            block, size = [], 0
            if first:
                first = False
                call.reach(Point.MID_EXPORT)
            if paced and rate:
                faults.pause(started + rows / rate - time.monotonic())
    else:
        cut = None
    call.logged.rows = rows
    if block:
        yield b"".join(block)
    if rate:
        faults.pause(started + rows / rate - time.monotonic())
    if dies or (cut and not cut.options.get("clean", True)):
        raise BrokenStream
