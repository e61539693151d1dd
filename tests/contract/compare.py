"""Compares an answer of the sandbox with a recorded one: status and meaning, not ids, times and transaction numbers.

Ids of the recorded commons are matched with the sandbox's as they appear, so that later requests can name them.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from typing import Any

import requests

from tests.contract.recorded import Recording

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?([+-]\d{2}:\d{2})?")
_INTRODUCTION = re.compile(r'<p class="introduction">(.*?)</p>', re.DOTALL)


class Ids:
    """Recorded ids and the sandbox's ids for the same records."""

    def __init__(self) -> None:
        self.ours: dict[str, str] = {}

    def learn(self, recorded: Any, ours: Any) -> None:
        if isinstance(recorded, str) and isinstance(ours, str) and UUID.fullmatch(recorded):
            self.ours.setdefault(recorded, ours)

    def translate(self, text: str) -> str:
        return UUID.sub(lambda found: self.ours.get(found[0], found[0]), text)


def upload(recording: Recording, answer: requests.Response, ids: Ids) -> list[str]:
    """Uploads, deletions, changes of state: everything in the body counts except numbers of transactions."""
    theirs, ours = recording.json(), answer.json()
    for one, other in zip(theirs.get("entities", []), ours.get("entities", []), strict=False):
        if one.get("valid") and other.get("valid"):
            ids.learn(one.get("id"), other.get("id"))
    return _differences(_neutral(theirs, ids), _neutral(ours, None))


def _neutral(value: Any, ids: Ids | None) -> Any:
    """Without what legitimately differs: ids of refused new records, transaction numbers."""
    if isinstance(value, dict):
        made = {key: _neutral(item, ids) for key, item in value.items() if key != "transaction_id"}
        if "unique_keys" in made and made.get("id") is not None:
            made["id"] = "<id>"
        return made
    if isinstance(value, list):
        return [_neutral(item, ids) for item in value]
    if isinstance(value, str):
        return re.sub(r"transaction '\d+'", "transaction '<n>'", ids.translate(value) if ids else value)
    return value


def _differences(theirs: Any, ours: Any, where: str = "") -> list[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = [f"{where}.{key}: missing" for key in theirs.keys() - ours.keys()]
        found += [f"{where}.{key}: too much" for key in ours.keys() - theirs.keys()]
        for key in theirs.keys() & ours.keys():
            found += _differences(theirs[key], ours[key], f"{where}.{key}")
        return found
    if isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            return [f"{where}: {len(theirs)} recorded, {len(ours)} here"]
        pairs = zip(theirs, ours, strict=True)
        return [text for i, (one, other) in enumerate(pairs) for text in _differences(one, other, f"{where}[{i}]")]
    return [] if theirs == ours else [f"{where}: recorded {theirs!r}, here {ours!r}"]


def plain(recording: Recording, answer: requests.Response, ids: Ids) -> list[str]:
    """A body whose every word counts, but for ids and moments."""
    try:
        theirs, ours = recording.json(), answer.json()
    except ValueError:
        theirs, ours = recording.text, answer.text
    return _differences(_masked(theirs), _masked(ours))


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mask_entry(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, str):
        text = _TIME.sub("<time>", UUID.sub("<id>", value))
        return re.sub(r"(expired at time: |transaction ')\d+", r"\1<n>", text)
    return value


def _mask_entry(key: str, item: Any) -> Any:
    if key in ("transaction_id", "committed_by") or (key == "id" and isinstance(item, str) and item.isdigit()):
        return None if item is None else "<n>"
    if key == "response_json" and isinstance(item, str):
        return _masked(json.loads(item))
    if key in ("old_props", "new_props"):
        return _masked(ast.literal_eval(item))
    return _masked(item)


def fence_page(recording: Recording, answer: requests.Response, ids: Ids) -> list[str]:
    """The message is in the second paragraph of its kind."""
    theirs, ours = _INTRODUCTION.findall(recording.text), _INTRODUCTION.findall(answer.text)
    return _differences(theirs[1:], ours[1:])


def lines(recording: Recording, answer: requests.Response, ids: Ids) -> list[str]:
    """Exports as text: the head word for word, each recorded line somewhere (order depends on random ids)."""
    theirs = ids.translate(recording.text).split("\n")
    if not recording.whole:
        theirs = theirs[:-1]
    ours = answer.content.decode().split("\n")
    if recording.whole and recording.method != "HEAD":
        found = [f"too much: {line!r}" for line in (Counter(ours) - Counter(theirs))]
    else:
        found = []
    if theirs[0] != ours[0]:
        found.append(f"head: recorded {theirs[0]!r}, here {ours[0]!r}")
    return found + [f"missing: {line!r}" for line in (Counter(theirs) - Counter(ours))]


def merged(text: str) -> dict[str, dict[str, frozenset[str]]]:
    """A TSV export of a node with several link types, its rows joined by id as a reader must."""
    head, *rest = [line.split("\t") for line in text.split("\n") if line]
    found: dict[str, dict[str, frozenset[str]]] = {}
    for line in rest:
        row = dict(zip(head, line, strict=True))
        kept = found.setdefault(row["id"], {})
        for name, cell in row.items():
            kept[name] = kept.get(name, frozenset()) | frozenset(cell.split(",")) - {""}
    return found


def recorded_rows(recording: Recording) -> list[dict[str, Any]]:
    """The records of a JSON export, as far as they were recorded whole."""
    text = recording.text
    if not recording.whole:
        text = text[: text.rindex("},{") + 1] + "]}"
    found = json.loads(text)
    rows: list[dict[str, Any]] = found["data"] if isinstance(found, dict) else found
    return rows


def rows(recording: Recording, answer: requests.Response, ids: Ids) -> list[str]:
    """JSON exports: the same records with the same keys in the same order and the same values."""
    theirs = [json.loads(ids.translate(json.dumps(row))) for row in recorded_rows(recording)]
    found = answer.json()
    mine = found["data"] if isinstance(found, dict) else found
    if isinstance(found, list) != recording.text.startswith("["):
        return ["one is a bare list, the other is not"]
    ours = {row["submitter_id"]: row for row in mine}
    problems: list[str] = []
    for row in theirs:
        other = ours.get(row["submitter_id"])
        if other is None:
            problems.append(f"missing: {row['submitter_id']}")
        elif list(row) != list(other):
            problems.append(f"{row['submitter_id']}: keys {list(row)} recorded, {list(other)} here")
        else:
            problems += _differences(row, other, row["submitter_id"])
    if recording.whole:
        problems += [f"too much: {name}" for name in ours.keys() - {row["submitter_id"] for row in theirs}]
    return problems


def headers(recording: Recording, answer: requests.Response) -> list[str]:
    """Those that say something: type, compression, length or chunks, file name."""
    found = []
    theirs = recording.response.get("headers") or {}
    for name in ("Content-Type", "Content-Encoding", "Content-Disposition", "Transfer-Encoding"):
        one, other = theirs.get(name), answer.headers.get(name)
        if one != other:
            found.append(f"{name}: recorded {one!r}, here {other!r}")
    if ("Content-Length" in theirs) != ("Content-Length" in answer.headers):
        found.append(f"Content-Length: recorded {'Content-Length' in theirs}")
    return found
