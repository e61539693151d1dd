"""Makes a `Row` or a `BadRow` of one JSON record: every check that needs no other row and no commons.

The commons takes JSON values as they are: nothing is trimmed or converted, null erases, and a link is an object or a
list of objects that name a parent by `submitter_id` (`code` for projects) or `id`. Its own exports name parents by
`node_id` as well, which it ignores when it reads; a parent named by nothing else is sent by `id`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gen3sync.names import Project, printable
from gen3sync.records.dictionary import Dictionary, Link, NodeType
from gen3sync.records.header import OURS
from gen3sync.records.jsonfile import JsonRecord
from gen3sync.records.jsontext import without_keys
from gen3sync.records.problems import MendKind, Mends, Problem, ProblemKind
from gen3sync.records.rowchecks import missing_submitter_id, other_project, unknown_key, unknown_type
from gen3sync.records.rows import BadRow, Form, Row


class JsonRows:
    """Builds rows of one JSON file."""

    def __init__(self, form: Form, dictionary: Dictionary, project: Project | None, mends: Mends) -> None:
        self._form = form
        self._dictionary = dictionary
        self._project = project
        self._mends = mends

    def key(self, record: JsonRecord) -> tuple[str, str] | None:
        """Node type and submitter_id where both are given."""
        if not isinstance(record.value, dict):
            return None
        cleaned = {key.lstrip("*"): value for key, value in record.value.items()}
        node, submitter_id = cleaned.get("type"), cleaned.get("submitter_id")
        good = isinstance(node, str) and isinstance(submitter_id, str) and node and submitter_id
        return (str(node), str(submitter_id)) if good else None

    def record_id(self, record: JsonRecord) -> str | None:
        """The value of `id`, where it is given."""
        if not isinstance(record.value, dict):
            return None
        value = next((value for key, value in record.value.items() if key.lstrip("*") == "id"), None)
        return value if isinstance(value, str) and value else None

    def content(self, record: JsonRecord) -> int:
        """Equal for records written alike, whatever our own keys say."""
        return hash(self.raw(record))

    def raw(self, record: JsonRecord) -> str:
        """The original text without the keys that gen3sync added to an earlier rejects file."""
        return without_keys(record.raw, OURS) if not record.value.keys().isdisjoint(OURS) else record.raw

    def build(self, record: JsonRecord) -> Row | BadRow | None:
        """The row, or why it cannot be one."""
        if not isinstance(record.value, dict):
            text = f"Here stands {_called(record.value)} where a record (an object in braces) is expected."
            problem = Problem(ProblemKind.NOT_A_RECORD, text, 'Write each record as {"type": …}.', record.line)
            return BadRow(record.line, record.end_line, record.raw, (problem,))
        value = {key.lstrip("*"): inner for key, inner in record.value.items() if key.lstrip("*") not in OURS}
        problems = [*_doubled(record, record.value), *_characters(record, value)]
        name, submitter_id = value.get("type"), value.get("submitter_id")
        node = self._dictionary.submittable(name) if isinstance(name, str) else None
        if not isinstance(name, str | None):
            problems.append(_no_text(ProblemKind.BLANK_TYPE, "type", name, record.line))
        elif node is None:
            problems.append(unknown_type(name or "", self._dictionary, record.line))
        if not isinstance(submitter_id, str | None):
            problems.append(_no_text(ProblemKind.MISSING_SUBMITTER_ID, "submitter_id", submitter_id, record.line))
        elif submitter_id is None or not submitter_id.strip():
            problems.append(missing_submitter_id(record.line))
        cleaned = self._clean(record, value, node, problems) if node is not None else {}
        known_id = submitter_id if isinstance(submitter_id, str) else None
        if problems or node is None or known_id is None:
            known_name = name if isinstance(name, str) else None
            return BadRow(record.line, record.end_line, self.raw(record), tuple(problems), known_name, known_id)
        return Row(record.line, record.end_line, node.name, known_id, self.raw(record), self._form, {}, cleaned)

    def _clean(
        self, record: JsonRecord, value: Mapping[str, Any], node: NodeType, problems: list[Problem]
    ) -> dict[str, object]:
        cleaned: dict[str, object] = {}
        for key, inner in value.items():
            if key in node.link:
                links = list(_links(inner, node.link[key], self._project, record.line, problems))
                cleaned[key] = None if inner is None else links
            elif key == "project_id":
                self._project_id(inner, record.line, cleaned, problems)
            elif key in node.ignored:
                if inner is not None:
                    text = f"The commons sets '{key}' itself and ignores what a file says: left out."
                    self._mends.add(MendKind.IGNORED_COLUMN, text, record.line, key, rows=1)
            elif key not in node.known_columns or "." in key:
                if inner is None:
                    text = f"The key '{printable(key)}' is unknown to {node.name} and null: left out."
                    self._mends.add(MendKind.BLANK_UNKNOWN_COLUMN, text, record.line, key, rows=1)
                elif key in node.known_columns:
                    problems.append(_flat_link(key, record.line))
                else:
                    problems.append(unknown_key(key, node, record.line))
            elif inner is None and (
                key == "id" or key in node.system or (node.is_file and key in ("object_id", "urls"))
            ):
                continue  # the commons fills it
            else:
                cleaned[key] = inner
        return cleaned

    def _project_id(self, value: object, line: int, cleaned: dict[str, object], problems: list[Problem]) -> None:
        if value is None or value == "":
            if self._project is not None:
                cleaned["project_id"] = self._project.id
                text = f"A blank project_id is filled with {self._project.id}."
                self._mends.add(MendKind.PROJECT_ID, text, line, "project_id", "", self._project.id, 1)
        elif self._project is not None and value != self._project.id:
            problems.append(other_project(value, self._project, line))
        else:
            cleaned["project_id"] = value


def _links(
    value: object, link: Link, project: Project | None, line: int, problems: list[Problem]
) -> Iterator[dict[str, str]]:
    for entry in value if isinstance(value, list) else [] if value is None else [value]:
        given: dict[str, Any] = entry if isinstance(entry, dict) else {}
        elsewhere = given.get("project_id")
        if link.key == "submitter_id" and project is not None and elsewhere not in (None, project.id):
            other = printable(elsewhere, 80)
            text = f"The link '{link.name}' names a parent in project '{other}', but the file goes to '{project.id}'."
            remedy = "A link leads to a parent in the same project: leave project_id out of it, or drop the row there."
            problems.append(Problem(ProblemKind.BAD_LINK, text, remedy, line, link.name))
            continue
        names: dict[str, str] = {key: given[key] for key in (link.key, "id") if isinstance(given.get(key), str)}
        named = {key: one for key, one in names.items() if one}
        if not named and isinstance(given.get("node_id"), str):
            named = {"id": given["node_id"]}
        if named:
            yield named
        else:
            text = f"The link '{link.name}' does not name a parent."
            remedy = f'Write it as {{"{link.key}": "…"}} or {{"id": "…"}}, or as a list of such objects.'
            problems.append(Problem(ProblemKind.BAD_LINK, text, remedy, line, link.name))


def _flat_link(key: str, line: int) -> Problem:
    link, _, by = key.partition(".")
    text = f"The key '{key}' is a column of tables; in JSON a link is an object."
    return Problem(ProblemKind.BAD_LINK, text, f'Write it as "{link}": {{"{by}": "…"}}.', line, key)


def _no_text(kind: ProblemKind, key: str, value: object, line: int) -> Problem:
    text = f"The value of '{key}' is {_called(value)}, where a text is expected."
    return Problem(kind, text, "Write it in double quotes.", line, key)


def _doubled(record: JsonRecord, keys: Iterable[str]) -> Iterator[Problem]:
    """Keys that stand twice for the commons, which reads `*sex` as `sex`."""
    times = Counter(key.lstrip("*") for key in keys)
    for key in dict.fromkeys([*record.doubled, *(key for key, number in times.items() if number > 1)]):
        if key in OURS:
            continue
        text = f"The key '{printable(key, 80)}' is given twice."
        yield Problem(ProblemKind.DUPLICATE_KEY, text, "Keep one of them.", record.line, key)


def _characters(record: JsonRecord, value: Mapping[str, Any]) -> Iterator[Problem]:
    raw = record.raw
    if "\\u" not in raw and "\0" not in raw:
        return
    for key, inner in value.items():
        for text in _texts(inner):
            if "\0" in text:
                what = "holds a NUL character, which the commons cannot store"
                yield Problem(ProblemKind.NUL, f"The value {what}.", "Delete it.", record.line, key)
            elif any("\ud800" <= character <= "\udfff" for character in text):
                what = "holds half of a surrogate pair, which is no character"
                yield Problem(ProblemKind.BAD_CHARACTER, f"The value {what}.", "Delete it.", record.line, key)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _texts(one)


def _called(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "a number"
