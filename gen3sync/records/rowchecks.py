"""Sentences and small tests that rows of every form share."""

from __future__ import annotations

from collections.abc import Set

from gen3sync.names import Project, printable
from gen3sync.records.dictionary import Dictionary, NodeType
from gen3sync.records.header import suggestion
from gen3sync.records.problems import Problem, ProblemKind

#: Columns that every file has, so that no other can have been meant for them.
_GIVEN = frozenset({"type", "submitter_id"})


def is_blank(value: str) -> bool:
    """Whether the commons reads a trimmed cell as nothing: empty, or the word `null` (sheepdog `add_row`)."""
    return value in ("", "null")


def unknown_type(name: str, dictionary: Dictionary, line: int) -> Problem:
    if not name:
        text = "The cell 'type' is blank; the commons would drop the row without a word."
        return Problem(ProblemKind.BLANK_TYPE, text, "Write the node type, for example 'case'.", line, "type")
    if dictionary.node(name) is not None:
        text = f"Records of type '{printable(name, 80)}' cannot be submitted to a project."
        remedy = "Ask the commons' operators: such records are made by them."
        return Problem(ProblemKind.UNKNOWN_TYPE, text, remedy, line, "type")
    near = suggestion(name, dictionary.order)
    if name.lstrip("* ") == "type":  # as where tables were written one after the other
        text = "The header stands here once more; the commons would drop the row without a word."
        return Problem(ProblemKind.UNKNOWN_TYPE, text, "Delete the row.", line, "type")
    remedy = f"Do you mean '{near}'?" if near else f"Known are: {', '.join(sorted(dictionary.order))}."
    text = f"The node type '{printable(name, 80)}' is unknown; the commons would drop the row without a word."
    return Problem(ProblemKind.UNKNOWN_TYPE, text, remedy, line, "type")


def lacking_links(node: NodeType, names: Set[str]) -> tuple[str, ...]:
    """Columns of links that a type demands and a header does not have: the commons refuses rows without them, also
    where the record is there already."""
    demanded = (one for one in node.links if one.name in node.required)
    return tuple(one.column for one in demanded if not names & {one.column, f"{one.name}.id"})


def other_type(node: str, main: str, lacking: tuple[str, ...], line: int) -> Problem:
    """A row of another type than most of its file, where the header is not meant for it."""
    columns = " and ".join(f"'{column}'" for column in lacking)
    text = (
        f"The type is '{node}', that of most rows of the file is '{main}', and the header lacks {columns}, which every "
        f"{node} must have."
    )
    remedy = f"Write '{main}' if it is one, or drop the rows of '{node}' as a file of their own."
    return Problem(ProblemKind.OTHER_TYPE, text, remedy, line, "type")


def missing_submitter_id(line: int) -> Problem:
    remedy = "Give every record an id of your own that is unique among its node type in the project."
    return Problem(ProblemKind.MISSING_SUBMITTER_ID, "The submitter_id is blank.", remedy, line, "submitter_id")


def other_project(value: object, project: Project, line: int) -> Problem:
    text = f"The project_id is '{printable(value, 80)}', but the file goes to {project} ('{project.id}')."
    remedy = "Drop the row into the folder of its own project, or leave project_id blank."
    return Problem(ProblemKind.OTHER_PROJECT, text, remedy, line, "project_id")


def unknown_column(name: str, node: NodeType, line: int) -> Problem:
    return _unknown(name, node, line, _instead(name, node))


def unknown_key(name: str, node: NodeType, line: int) -> Problem:
    """The same in JSON, where links are keys by their own names."""
    near = suggestion(name, {*node.properties, *node.link} - node.system - _GIVEN)
    return _unknown(name, node, line, f"Do you mean '{near}'?" if near else "Delete the key, or set it to null.")


def _unknown(name: str, node: NodeType, line: int, remedy: str) -> Problem:
    text = f"The node type '{node.name}' has no property '{printable(name, 80)}'."
    return Problem(ProblemKind.UNKNOWN_COLUMN, text, remedy, line, name)


def _instead(name: str, node: NodeType) -> str:
    """What somebody may have meant by a column."""
    bare, numbered, _ = name.partition("#")
    if numbered and bare in node.known_columns:  # templates of other systems have a column for each parent
        return f"Parents share one cell of '{bare}': with commas between them, in CSV with '#'."
    head, dot, key = name.partition(".")
    links = {link.name: link.column for link in node.links}
    parent = head if head in links else suggestion(head, links) if dot else ""
    if parent:
        near = f"{parent}.id" if key.lower() == "id" else links[parent]
    else:
        near = "" if dot else suggestion(name, {*links.values(), *node.properties} - node.system - _GIVEN)
    if near:
        return f"Do you mean '{near}'?"
    if dot and links:
        listed = ", ".join(f"'{column}'" for column in sorted(links.values()))
        return f"Its parents are named in {listed}. Rename the column, delete it, or empty its cells."
    return "Delete the column, or empty its cells."


def twin(submitter_id: str, others: tuple[int, ...], line: int) -> Problem:
    shown = ", ".join(map(str, others))
    text = (
        f"The record '{printable(submitter_id, 80)}' stands in the file more than once with different content "
        f"(also on line{'s' if others[1:] else ''} {shown}); upper and lower case count as equal."
    )
    remedy = "Keep one of them, or give them different ids."
    return Problem(ProblemKind.TWIN, text, remedy, line, "submitter_id")


def same_id(record_id: str, others: tuple[int, ...], line: int) -> Problem:
    *first, last = (str(one) for one in sorted({*others, line}))  # JSON may hold all records on one line
    where = f"lines {', '.join(first)} and {last}" if first else f"line {last}"
    text = (
        f"The rows on {where} name the same `id` '{printable(record_id, 80)}', but are different records; the commons "
        "would say 200 and store nothing."
    )
    remedy = "Leave `id` blank in all of them but the one whose it is: the commons gives new records ids itself."
    return Problem(ProblemKind.SAME_ID, text, remedy, line, "id")
