"""The commons' reasons for refusing a row, in words a data manager can act on: which column, what is wrong, what to do.

Pure. The commons' own words stay beside (`Reason.said`), and a sentence that nobody foresaw is passed on as it is:
nothing is decided by these texts, they are for people. Sources: sheepdog `transactions/upload/{entity,sub_entities,
transaction}.py`, gen3datamodel `validators/graph_validators.py`; what the JSON schema says is `demands.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from gen3sync.names import printable
from gen3sync.outbox.demands import NOTHING, Demand, demand, nearest
from gen3sync.outbox.missing import run_together
from gen3sync.outbox.model import Reason
from gen3sync.outbox.phrases import ASK, PHRASES
from gen3sync.records.dictionary import NodeType

_ID = re.compile(r"'id': '([^']*)'")
_NAMED = re.compile(r"'(?:submitter_id|code|name)': '([^']*)'")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a sentence belongs: a row's node type, its columns in the file, and the property that the commons names."""

    node: NodeType
    columns: Collection[str]
    key: str | None

    def column(self, name: str | None = None) -> str | None:
        """The file's column: links are named in `LINK.submitter_id`, items of lists in the list's."""
        key = name if name is not None else self.key
        if key is None:
            return None
        head = key.partition(".")[0]
        if head in self.node.link:
            there = next((one for one in self.columns if one.partition(".")[0] == head and "." in one), None)
            return there or self.node.link[head].column
        return key if key in self.columns or key in self.node.properties else head

    def has(self, column: str | None) -> bool:
        return column in self.columns

    def target(self, link: str) -> str:
        return self.node.link[link].target if link in self.node.link else link


def told(reason: Reason, node: NodeType, columns: Collection[str] = ()) -> Reason:
    """`reason` as the commons gave it, in words for people. `columns` are those that the file has for this row."""
    said = reason.message
    found = _read(said, _Place(node, columns, reason.column))
    return replace(reason, said=said) if found is None else replace(found, type=reason.type, said=said)


def _read(said: str, place: _Place) -> Reason | None:
    for pattern, read in _SENTENCES:
        if (found := pattern.match(said)) is not None and (one := read(found, place)) is not None:
            return one
    for phrase in PHRASES:
        if (found := phrase.pattern.match(said)) is not None:
            words = {"node": place.node.name}
            words |= {name: printable(text, 120) for name, text in found.groupdict().items() if text is not None}
            rule, remedy, message = (text.format(**words) for text in (phrase.rule, phrase.remedy, phrase.message))
            return _reason(rule, phrase.column, remedy, message)
    asked = demand(said)
    return None if asked is None or place.column() is None else _demanded(asked, place)


def _reason(rule: str, column: str | None, remedy: str = "", message: str = "") -> Reason:
    return Reason("", message or f"{rule}.", column, remedy, rule=rule)


def _demanded(asked: Demand, place: _Place) -> Reason:
    column = place.column() or ""
    link = place.node.link.get(column.partition(".")[0])
    number = re.fullmatch(r".+\.(\d+)", place.key or "")
    if asked.value == NOTHING and number is not None and link is None:
        asked = replace(asked, value="null")
    if asked.value == NOTHING:
        if link is not None:
            return _linkless([link.name], place)
        rule = f"`{column}` must not be blank: the dictionary requires it of every {place.node.name}"
        return _reason(rule, column, "Fill it in." if place.has(column) else "Add the column and fill it in.")
    if link is not None:
        ids = "(a UUID)" in asked.must
        column = f"{link.name}.id" if ids else column
        if ids and len(who := _ID.findall(asked.value)) == 1:
            asked = replace(asked, value=f"'{who[0]}'")  # not the list of objects that the commons makes of a cell
        must = "be an id that the commons gave (a UUID)" if ids else f"name its {link.target} by `{link.key}` or `id`"
        asked = replace(asked, must=must, remedy="Name the parent by its submitter_id instead." if ids else "")
    item = f", in item {int(number[1]) + 1}" if number and link is None else ""
    rule = f"`{column}` must {asked.must}"
    hint = f"; {asked.hint}" if asked.hint else ""
    value = {"True": "true", "False": "false"}.get(asked.value, asked.value)  # as JSON has it
    message = f"{rule}, not {printable(value, 80)}{item}{hint}." if asked.value else f"{rule}."
    return replace(_reason(rule, column, asked.remedy, message), allowed=asked.allowed)


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _required(found: re.Match[str], place: _Place) -> Reason:
    name = found["name"]
    if name in place.node.link:
        return _linkless([name], place)
    column = place.column(name)
    rule = f"`{column}` is missing: the dictionary requires it of every {place.node.name}"
    return _reason(rule, column, "Fill it in." if place.has(column) else "Add the column and fill it in.")


def _linkless(names: list[str], place: _Place) -> Reason:
    columns = [place.column(name) or name for name in names]
    parents = " or ".join(dict.fromkeys(place.target(name) for name in names))
    listed = ", ".join(f"`{column}`" for column in columns)
    rule = f"{listed} names" if len(columns) == 1 else f"None of {listed} names"
    rule += f" {'no' if len(columns) == 1 else 'a'} parent: every {place.node.name} must belong to {_a(parents)}"
    key = place.node.link[names[0]].key if names[0] in place.node.link else "submitter_id"
    whose = f"the {key} of its {parents}"
    if any(column in place.node.link for column in place.columns):  # only records of JSON have links without a dot
        write = f'Write {whose}, as "{names[0]}": {{"{key}": "…"}}.'
    elif any(place.has(column) for column in columns):
        write = f"Write {whose} there."
    else:
        write = f"Add the column and write {whose} there."
    return _reason(rule, columns[0], write)


def _links(found: re.Match[str], place: _Place) -> Reason:
    names = [name.strip(" '[]") for name in re.split(r",| or ", found["names"])]
    return _linkless([name for name in names if name], place)


def _unknown(found: re.Match[str], place: _Place) -> Reason:
    names = re.findall(r"'([^']*)'", found["names"])
    known = sorted(place.node.known_columns - set(names))  # ours may be older than the commons' dictionary
    near = {name: close[0] for name in names if (close := nearest(name, known, 1))}
    rule = f"{_a(place.node.name).capitalize()} has no property `{'`, `'.join(printable(name, 80) for name in names)}`"
    guess = "".join(f" Did you mean `{near[name]}`?" for name in names if name in near)
    return _reason(rule, names[0] if names else None, f"Rename or delete the column.{guess}")


def _no_parent(found: re.Match[str], place: _Place) -> Reason:
    link = found["link"]
    column, target = place.column(link), place.target(link)
    named = _NAMED.search(found.string)
    if (who := found["id"]) and named is not None:
        rule = f"`{link}` names {_a(target)} by an id and a name that do not belong together"
        message = f"{rule}: {printable(who, 120)}, {printable(named[1], 120)}."
        return _reason(rule, column, f"Name the {target} by one of them alone.", message)
    if who:
        column = f"{link}.id"
    elif named is not None:
        who = named[1]
    if target == "project":
        rule = f"`{column}` must be the project that the row is sent to"
        remedy = "Write its code, without that of its program."
        return _reason(rule, column, remedy, f"{rule}, not {printable(who, 120)}." if who else "")
    rule = f"`{column}` names {_a(target)} that is not in the project"
    message = f"{rule}: {printable(who, 120)}." if who else f"{rule}."
    remedy = f"Look at the spelling, or drop the {target} first and then this row again."
    if place.columns and link in place.node.link and not place.node.link[link].to_one:
        remedy = f"{remedy} {run_together(who or '')}".rstrip()
    return _reason(rule, column, remedy, message)


def _elsewhere(found: re.Match[str], place: _Place) -> Reason:
    target, project = found["target"], printable(found["project"], 80)
    links = [link.name for link in place.node.links if link.target == target]
    there = [name for name in links if any(one.partition(".")[0] == name for one in place.columns)] or links
    rule = f"The parent {printable(target, 80)} belongs to another project, {project}"
    message = f"{rule}: {printable(found['id'], 80)}."
    return _reason(rule, place.column(there[0]) if len(there) == 1 else None, "Name a parent of this project.", message)


def _one_parent(found: re.Match[str], place: _Place) -> Reason:
    link = found["link"]
    column, target = place.column(link), place.target(link)
    rule = f"`{column}` would give the record a second {target}, and it can have one: a PUT cannot change a parent"
    remedy = f"Name the {target} that is stored, and one only; or have the record deleted and send it again."
    return _reason(rule, column, remedy)


def _parent_taken(found: re.Match[str], place: _Place) -> Reason:
    column, target = place.column(found["link"]), place.target(found["link"])
    rule = f"`{column}` names {_a(target)} that already belongs to another {place.node.name}, and it can have one"
    return _reason(rule, column, f"Name another {target}.")


def _system(found: re.Match[str], place: _Place) -> Reason:
    name, old, new = found["name"], printable(found["old"], 80), printable(found["new"], 80)
    rule = f"`{name}` is the commons' own and cannot be changed"
    if name == "project_id":
        message = f"`{name}` must be {old}, not {new}."
        return _reason("`project_id` names another project", name, "Delete the column.", message)
    return _reason(rule, place.column(name), "Delete the column.", f"{rule} from {old} to {new}.")


def _several(found: re.Match[str], place: _Place) -> Reason:
    if found["project"] == NOTHING:
        return _reason("`project_id` is blank", "project_id", "Fill it in, or delete the column.")
    if found["sid"] in (NOTHING, "''"):
        return _reason("`submitter_id` is blank", "submitter_id", "Give the record an id.")
    rule = f"The commons holds several records of {place.node.name} under this submitter_id in different letter case"
    return _reason(rule, "submitter_id", f"It cannot tell which one is meant. {ASK}")


def _fits_several(found: re.Match[str], place: _Place) -> Reason:
    link = found["link"]
    rule = f"`{place.column(link)}` fits several records of {place.target(link)} in different letter case"
    return _reason(rule, place.column(link), f"Name the parent by its id, in `{link}.id`.")


_SENTENCES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], _Place], Reason | None]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), read)
    for pattern, read in (
        (r"'(?P<name>[^']+)' is a required property$", _required),
        (r"Additional properties are not allowed \((?P<names>.*) (was|were) unexpected\)$", _unknown),
        (r"\W*Key (?P<names>'[^']+') is not a valid property for type '", _unknown),
        (r"Entity is missing (a )?required link to (?P<names>.+)$", _links),
        (r"No link destination found for (?P<link>\w+)(, id='(?P<id>[^']*)')?", _no_parent),
        (r"Relationship to (?P<target>\w+) (?P<id>\S+) in project (?P<project>\S+) not allowed", _elsewhere),
        (r"More than one link destination found for (?P<link>\w+)", _fits_several),
        (r"'(?P<link>\w+)' link has to be (many|one)_to_one$", _one_parent),
        (r"'(?P<link>\w+)' link has to be one_to_(one|many), target node", _parent_taken),
        (
            r"Key '(?P<name>[^']+)' is a system property and cannot be updated from '(?P<old>.*)' to '(?P<new>.*)'$",
            _system,
        ),
        (
            r"Entity is not unique, multiple entities found with \(\((?P<project>None|'.*?'), (?P<sid>None|'.*?')\)",
            _several,
        ),
    )
)
