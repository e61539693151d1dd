"""The dictionary and its templates; no token is needed for them."""

from __future__ import annotations

import base64
import io
import tarfile

from gen3sync.sandbox.commons import Call
from gen3sync.sandbox.export import template_text
from gen3sync.sandbox.message import Response, dumps, failure, json_response


def entries(call: Call, entry: tuple[str, ...], prefix: str = "") -> Response:
    """`_dictionary`, `_dictionary/_all`, `_dictionary/{entry}`; also below a project (`prefix`)."""
    dictionary = call.commons.dictionary
    if not entry:
        names = [*dictionary.nodes, "_all"]
        return json_response({"links": [f"/v0/submission/{prefix}_dictionary/{name}" for name in names]})
    name = entry[0]
    if name == "_all":
        cache = call.commons.schema_cache
        if "_all" not in cache:
            cache["_all"] = dumps(dictionary.raw)
        return Response(200, cache["_all"], gzip=True)
    if name not in dictionary.raw:
        raise failure(404, f"Entry {name} not in dictionary")
    return json_response(dictionary.raw[name])


def template(call: Call, node: tuple[str, ...]) -> Response:
    """`template/{node}?format=tsv|csv|json`, `template?format=…` for all of them in one archive."""
    dictionary = call.commons.dictionary
    file_format = call.request.args.get("format", "tsv")
    if node and node[0] not in dictionary.nodes:
        raise failure(404, f"Entity type {node[0]} is not in dictionary")
    if file_format not in ("tsv", "csv", "json"):
        raise failure(400, f"Format {file_format} is not supported")
    if node:
        name = f"submission_{node[0]}_template.{file_format}"
        headers = {"Content-Disposition": f"attachment; filename={name}"}
        body = template_text(dictionary, node[0], file_format)
        return Response(200, body, "application/octet-stream", headers)
    names = [item.name for item in dictionary.nodes.values() if item.submittable]
    wanted = [piece for piece in call.request.args.get("categories", "").split(",") if piece]
    unwanted = call.request.args.get("exclude", "").split(",")
    names = [
        name for name in names if name not in unwanted and (not wanted or dictionary.nodes[name].category in wanted)
    ]
    if file_format == "json":
        parts = [template_text(dictionary, name, "json").decode() for name in names]
        headers = {"Content-Disposition": "attachment; filename=submission_templates.json"}
        return Response(200, ("[" + ", ".join(parts) + "]").encode(), "text/html; charset=utf-8", headers, gzip=True)
    buffer = io.BytesIO()
    with tarfile.open("submission_templates.tar.gz", mode="w|gz", fileobj=buffer) as archive:
        for name in names:
            content = template_text(dictionary, name, file_format)
            info = tarfile.TarInfo(f"{name}.{file_format}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    headers = {"Content-Disposition": "attachment; filename=submission_templates.tar.gz"}
    return Response(200, buffer.getvalue(), "text/html; charset=utf-8", headers, gzip=True)


def encoded(body: bytes) -> str:
    """Bytes as the control area shows them."""
    return base64.b64encode(body).decode()
