"""Refuses what may not be asked, in the words of the service's GraphQL library, and reads arguments."""

from __future__ import annotations

from typing import Any

from graphql.error import GraphQLSyntaxError
from graphql.language import ast, parse, print_ast

from gen3sync.sandbox.graph.types import SCALARS, FieldType, Types


class QueryError(Exception):
    """A query that is refused as a whole; `messages` for the answer's `errors`."""

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages = list(messages)


def parse_query(text: str) -> ast.DocumentNode:
    """Raises QueryError with position and excerpt for what is no GraphQL."""
    try:
        return parse(text, no_location=True)
    except GraphQLSyntaxError as error:
        line, column = (error.locations[0].line, error.locations[0].column) if error.locations else (1, 1)
        reason = error.message.removeprefix("Syntax Error: ").rstrip(".").replace("<EOF>", "EOF")
        source = text.split("\n")
        excerpt = source[line - 1] if line <= len(source) else ""
        mark = " " * (len(str(line)) + 1 + column) + "^"
        message = f"Syntax Error GraphQL ({line}:{column}) {reason}\n\n{line}: {excerpt}\n{mark}\n"
        raise QueryError(message) from None


def _distance(one: str, other: str) -> int:
    previous = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (a != b)))
        previous = row
    return previous[-1]


def _suggest(word: str, choices: list[str]) -> str:
    near = []
    for choice in choices:
        distance = _distance(word, choice)
        if distance <= max(len(word) / 2, len(choice) / 2, 1):
            near.append((distance, choice))
    names = [f'"{choice}"' for _, choice in sorted(near, key=lambda item: item[0])[:5]]
    if not names:
        return ""
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    return f" Did you mean {listed}?"


class Checker:
    """Walks one document and gathers everything that is wrong with it."""

    def __init__(self, types: Types, document: ast.DocumentNode) -> None:
        self.types = types
        self.errors: list[str] = []
        self.variables: dict[str, str] = {}
        self.fragments = {
            item.name.value: item for item in document.definitions if isinstance(item, ast.FragmentDefinitionNode)
        }

    def check(self, operation: ast.OperationDefinitionNode) -> None:
        """Raises QueryError."""
        for item in operation.variable_definitions or ():
            self.variables[item.variable.name.value] = print_ast(item.type)
        self._selections(operation.selection_set, "Root", ())
        if self.errors:
            raise QueryError(*self.errors)

    def _selections(self, selections: ast.SelectionSetNode | None, parent: str, inside: tuple[str, ...]) -> None:
        for item in selections.selections if selections else ():
            if isinstance(item, ast.FieldNode):
                self._field(item, parent, inside)
            elif isinstance(item, ast.InlineFragmentNode):
                condition = item.type_condition.name.value if item.type_condition else parent
                self._selections(item.selection_set, condition if condition in self.types else parent, inside)
            elif isinstance(item, ast.FragmentSpreadNode):
                name = item.name.value
                fragment = self.fragments.get(name)
                if fragment is None:
                    self.errors.append(f'Unknown fragment "{name}".')
                elif name in inside:
                    self.errors.append(f'Cannot spread fragment "{name}" within itself.')
                else:
                    self._selections(fragment.selection_set, parent, (*inside, name))

    def _field(self, item: ast.FieldNode, parent: str, inside: tuple[str, ...]) -> None:
        name = item.name.value
        if name == "__typename":
            return
        known = self.types[parent].get(name)
        if parent == "Root" and name in ("__schema", "__type"):
            known = FieldType("__Schema" if name == "__schema" else "__Type", {"name": "String"})
        if known is None:
            hint = _suggest(name, list(self.types[parent]))
            self.errors.append(f'Cannot query field "{name}" on type "{parent}".{hint}')
            return
        for argument in item.arguments or ():
            self._argument(argument, known, name, parent)
        if known.named in SCALARS:
            if item.selection_set:
                text = f'Field "{name}" of type "{known.type}" must not have a sub selection.'
                self.errors.append(text)
        elif not item.selection_set:
            self.errors.append(f'Field "{name}" of type "{known.type}" must have a sub selection.')
        else:
            self._selections(item.selection_set, known.named, inside)

    def _argument(self, argument: ast.ArgumentNode, known: FieldType, name: str, parent: str) -> None:
        kind = known.args.get(argument.name.value)
        if kind is None:
            hint = _suggest(argument.name.value, list(known.args))
            text = f'Unknown argument "{argument.name.value}" on field "{name}" of type "{parent}".{hint}'
            self.errors.append(text)
        elif isinstance(argument.value, ast.VariableNode):
            variable = argument.value.name.value
            given = self.variables.get(variable)
            if given is None:
                self.errors.append(f'Variable "${variable}" is not defined.')
            elif given.replace("!", "") != kind:
                text = f'Variable "{variable}" of type "{given}" used in position expecting type "{kind}".'
                self.errors.append(text)
        else:
            wrong = _literal_problem(argument.value, kind)
            if wrong:
                shown = print_ast(argument.value)
                self.errors.append(f'Argument "{argument.name.value}" has invalid value {shown}.\n{wrong}')


def _literal_problem(value: ast.ValueNode, kind: str) -> str | None:
    if isinstance(value, ast.VariableNode | ast.NullValueNode):
        return None
    if kind.startswith("["):
        items = value.values if isinstance(value, ast.ListValueNode) else [value]
        for position, item in enumerate(items):
            wrong = _literal_problem(item, kind[1:-1])
            if wrong:
                return f"In element #{position}: {wrong}" if isinstance(value, ast.ListValueNode) else wrong
        return None
    fitting: dict[str, tuple[type[ast.ValueNode], ...]] = {
        "String": (ast.StringValueNode,),
        "ID": (ast.StringValueNode, ast.IntValueNode),
        "Int": (ast.IntValueNode,),
        "Float": (ast.IntValueNode, ast.FloatValueNode),
        "Boolean": (ast.BooleanValueNode,),
    }
    if kind in fitting and not isinstance(value, fitting[kind]):
        return f'Expected type "{kind}", found {print_ast(value)}.'
    return None


def literal(value: ast.ValueNode, variables: dict[str, Any]) -> Any:
    """A value as Python has it."""
    match value:
        case ast.VariableNode():
            return variables.get(value.name.value)
        case ast.IntValueNode():
            return int(value.value)
        case ast.FloatValueNode():
            return float(value.value)
        case ast.StringValueNode() | ast.BooleanValueNode() | ast.EnumValueNode():
            return value.value
        case ast.ListValueNode():
            return [literal(item, variables) for item in value.values]
        case ast.ObjectValueNode():
            return {item.name.value: literal(item.value, variables) for item in value.fields}
    return None
