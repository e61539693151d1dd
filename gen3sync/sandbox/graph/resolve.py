"""Answers a checked query: node queries, counts, links, projects; the log's part is translog.py's."""

from __future__ import annotations

from typing import Any

from graphql.language import ast

from gen3sync.sandbox.commons import Commons
from gen3sync.sandbox.graph import translog
from gen3sync.sandbox.graph.check import Checker, QueryError, literal, parse_query
from gen3sync.sandbox.graph.filters import ResolveError, children, page, select
from gen3sync.sandbox.graph.types import FieldType, Types, build, describe
from gen3sync.sandbox.store import Record, Table, pg_lower


def types_of(commons: Commons) -> Types:
    """The types of this commons, made once."""
    if "types" not in commons.schema_cache:
        commons.schema_cache["types"] = build(commons.dictionary)
    found: Types = commons.schema_cache["types"]
    return found


class Query:
    """One query of one user. `rows` and `relations` count what is read, for the cost: each list of parents or children
    is a query of its own to the database."""

    def __init__(self, commons: Commons, text: str, variables: dict[str, Any], *, denied: bool) -> None:
        self.commons = commons
        self.store = commons.store
        self.types = types_of(commons)
        self.text = text
        self.given = variables
        self.denied = denied
        self.errors: list[str] = []
        self.rows = 0
        self.relations = 0
        self.variables: dict[str, Any] = {}
        self.fragments: dict[str, ast.FragmentDefinitionNode] = {}

    def run(self) -> dict[str, Any] | None:
        """The answer's `data`. Raises QueryError for what is refused as a whole; see `errors` for the rest."""
        document = parse_query(self.text)
        operations = [item for item in document.definitions if isinstance(item, ast.OperationDefinitionNode)]
        if not operations:
            raise QueryError("Must provide an operation.")
        if len(operations) > 1:
            raise QueryError("Must provide operation name if query contains multiple operations.")
        operation = operations[0]
        if operation.operation is not ast.OperationType.QUERY:
            raise QueryError(f"Schema is not configured for {operation.operation.value}s")
        checker = Checker(self.types, document)
        checker.check(operation)
        self.fragments = checker.fragments
        for item in operation.variable_definitions or ():
            name = item.variable.name.value
            default = literal(item.default_value, {}) if item.default_value else None
            self.variables[name] = self.given.get(name, default)
        with self.commons.changed:  # one moment for the whole query
            return self._object(operation.selection_set, "Root", None)

    def _object(self, selections: ast.SelectionSetNode | None, parent: str, source: Any) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for item in selections.selections if selections else ():
            if isinstance(item, ast.FieldNode):
                alias = item.alias.value if item.alias else item.name.value
                try:
                    made[alias] = self._field(item, parent, source)
                except ResolveError as error:
                    made[alias] = None
                    self.errors.append(str(error))
            elif isinstance(item, ast.InlineFragmentNode):
                condition = item.type_condition.name.value if item.type_condition else None
                if condition in (None, parent) or (isinstance(source, Record) and condition == source.node):
                    made.update(self._object(item.selection_set, condition or parent, source))
            elif isinstance(item, ast.FragmentSpreadNode):
                made.update(self._object(self.fragments[item.name.value].selection_set, parent, source))
        return made

    def _field(self, item: ast.FieldNode, parent: str, source: Any) -> Any:
        name = item.name.value
        if name == "__typename":
            return source.node if parent == "Node" and isinstance(source, Record) else parent
        args = {arg.name.value: literal(arg.value, self.variables) for arg in item.arguments or ()}
        args = {key: value for key, value in args.items() if value is not None}
        if parent == "Root" and name in ("__schema", "__type"):
            schema = describe(self.types)
            if name == "__type":
                found = [kind for kind in schema["types"] if kind["name"] == args.get("name")]
                return self._plain(item, found[0] if found else None)
            return self._plain(item, schema)
        known = self.types[parent][name]
        if parent in ("Root", "viewer"):
            return self._root(item, name, args)
        if isinstance(source, Record):
            return self._record(item, name, known, args, source)
        return self._plain(item, source.get(name) if isinstance(source, dict) else None)

    def _plain(self, item: ast.FieldNode, value: Any) -> Any:
        """Selects from ready-made dictionaries: the schema, the log."""
        if not item.selection_set:
            return value
        if isinstance(value, list):
            return [self._plain(item, entry) for entry in value]
        if value is None:
            return None
        made: dict[str, Any] = {}
        self._pick(item.selection_set, value, made)
        return made

    def _pick(self, selections: ast.SelectionSetNode, value: dict[str, Any], made: dict[str, Any]) -> None:
        for item in selections.selections:
            if isinstance(item, ast.FieldNode):
                alias = item.alias.value if item.alias else item.name.value
                made[alias] = self._plain(item, value.get(item.name.value))
            elif isinstance(item, ast.InlineFragmentNode):
                self._pick(item.selection_set, value, made)
            elif isinstance(item, ast.FragmentSpreadNode):
                self._pick(self.fragments[item.name.value].selection_set, value, made)

    # -- the root -----------------------------------------------------------------------------------------------

    def _root(self, item: ast.FieldNode, name: str, args: dict[str, Any]) -> Any:
        if name == "viewer":
            return self._object(item.selection_set, "viewer", None)
        if name == "transaction_log":
            entries = translog.select(self.commons.log.all(), self._readable(), args)
            return self._plain(item, [translog.as_dict(entry) for entry in entries])
        if name == "_transaction_log_count":
            entries = translog.select(self.commons.log.all(), self._readable(), {"first": 0, **args})
            return len(entries)
        if name == "_node_type":
            nodes = self.commons.dictionary.nodes.values()
            return self._plain(
                item,
                [{"id": n.name, "title": n.raw.get("title"), "category": n.category} for n in nodes],
            )
        if name == "node":
            return self._any_node(item, args)
        node = name.removeprefix("_").removesuffix("_count") if name.startswith("_") else name
        if node in ("project", "program"):
            found = self._projects(args) if node == "project" else self._programs(args)
            if name.startswith("_"):
                return len(found)
            return [self._object(item.selection_set, node, record) for record in page(found, args)]
        tables = self._tables(node, args)
        if name.startswith("_"):
            if not set(args) - {"project_id", "first", "offset"}:
                return sum(len(table) for table in tables)
            counted = {key: value for key, value in args.items() if not key.startswith("order_by")}
            return sum(1 for _ in select(self.store, self.commons.dictionary.nodes[node], tables, counted))
        rows = page(select(self.store, self.commons.dictionary.nodes[node], tables, args), args)
        self.rows += len(rows)
        return [self._object(item.selection_set, node, record) for record in rows]

    def _any_node(self, item: ast.FieldNode, args: dict[str, Any]) -> list[Any]:
        wanted = args.pop("of_type", None)
        category = args.pop("category", None)
        rows: list[Record] = []
        for node in self.commons.dictionary.nodes.values():
            if (wanted and node.name not in wanted) or (category and node.category != category):
                continue
            rows += list(select(self.store, node, self._tables(node.name, args), {**args, "first": 0}))
        return [self._object(item.selection_set, "Node", record) for record in page(rows, args)]

    def _readable(self) -> set[str]:
        """Projects this user may read. What may not be read does not exist, and no word is said."""
        if self.denied:
            return set()
        return {
            project.project_id
            for project in self.store.projects.values()
            if self.commons.permissions.may(project.project_id, "read")
            or project.props.get("availability_type") == "Open"
        }

    def _tables(self, node: str, args: dict[str, Any]) -> list[Table]:
        readable = self._readable()
        wanted = args.get("project_id")
        if wanted is not None:
            asked = wanted if isinstance(wanted, list) else [wanted]
            readable &= {str(item) for item in asked}
        return [table for table in self.store.tables_of(node) if table.project_id in readable]

    def _projects(self, args: dict[str, Any]) -> list[Record]:
        readable = self._readable()
        wanted = args.get("project_id")
        if wanted is not None:
            readable &= set(wanted if isinstance(wanted, list) else [wanted])
        made = [
            Record(project.id, "project", project.project_id, {**project.props, "project_id": project.project_id})
            for project in self.store.projects.values()
            if project.project_id in readable
        ]
        return [record for record in made if _matches(record, args)]

    def _programs(self, args: dict[str, Any]) -> list[Record]:
        made = [Record(str(p["id"]), "program", "", dict(p)) for p in self.store.programs.values()]
        return [record for record in made if _matches(record, args)]

    # -- one record ---------------------------------------------------------------------------------------------

    def _record(self, item: ast.FieldNode, name: str, known: FieldType, args: dict[str, Any], record: Record) -> Any:
        if name == "id":
            return record.id
        if name == "type":
            return record.node
        if name.startswith("_transaction_logs"):
            entries = translog.select(self.commons.log.all(), self._readable(), {**args, "entities": [record.id]})
            if name.endswith("_count"):
                return len(entries)
            return self._plain(item, [translog.as_dict(entry) for entry in entries])
        edge = name.removeprefix("_").removesuffix("_count") if name.startswith("_") else name
        node = self.commons.dictionary.nodes[record.node]
        if edge in node.links or edge in self.commons.dictionary.backrefs[record.node]:
            linked = self._linked(record, edge, args)
            self.relations += 1
            other = (
                node.links[edge].target if edge in node.links else self.commons.dictionary.backrefs[node.name][edge][0]
            )
            if name.startswith("_"):
                return len(linked)
            rows = page([found for found in linked if _matches(found, args)], args)
            self.rows += len(rows)
            return [self._object(item.selection_set, other, found) for found in rows]
        value = record.props.get(name)
        if known.type in ("String", "ID") and value is not None and not isinstance(value, str):
            return str(value)
        if isinstance(value, list) and known.type == "[String]":
            return [str(entry) for entry in value]
        return value

    def _linked(self, record: Record, edge: str, args: dict[str, Any]) -> list[Record]:
        node = self.commons.dictionary.nodes[record.node]
        readable = self._readable()
        if edge not in node.links and record.node != "program" and args.get("submitter_id") is not None:
            # As the database does by its index, not by looking at all children.
            child, link = self.commons.dictionary.backrefs[record.node][edge]
            names = args["submitter_id"] if isinstance(args["submitter_id"], list) else [args["submitter_id"]]
            tables = self._tables(child, {"project_id": [record.project_id]})
            named = [table.find(pg_lower(str(name))) for table in tables for name in dict.fromkeys(names)]
            return [found for found in named if found is not None and record.id in found.links.get(link, ())]
        if edge not in node.links:
            if record.node == "project":
                child, link = self.commons.dictionary.backrefs["project"][edge]
                tables = self._tables(child, {"project_id": [record.project_id]})
                return [found for table in tables for found in table if record.id in found.links.get(link, ())]
            if record.node == "program":
                return [
                    found for found in self._projects({}) if found.project_id.startswith(f"{record.props['name']}-")
                ]
            return [child for child in children(self.store, record, edge) if child.project_id in readable]
        if node.links[edge].target == "project":
            return [found for found in self._projects({}) if found.id in record.links.get(edge, ())]
        if node.links[edge].target == "program":
            return [found for found in self._programs({}) if record.project_id.startswith(f"{found.props['name']}-")]
        found_parents = [self.store.by_id(parent) for parent in record.links.get(edge, ())]
        return [parent for parent in found_parents if parent is not None and parent.project_id in readable]


def _matches(record: Record, args: dict[str, Any]) -> bool:
    for key, value in args.items():
        wanted = value if isinstance(value, list) else [value]
        if key in ("id", "ids") and record.id not in wanted:
            return False
        if key in record.props and key != "project_id" and record.props[key] not in wanted:
            return False
    return True
