"""Every key stands in sample-config.toml and in docs/reference/configuration.md, with the default the models have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import tomli
from pydantic import BaseModel, TypeAdapter

from gen3sync.config import effective
from gen3sync.config.load import from_text
from gen3sync.config.models import Sections

ROOT = Path(__file__).parent.parent
SAMPLE = (ROOT / "sample-config.toml").read_text()
DOCS = (ROOT / "docs/reference/configuration.md").read_text()

# Defaults that are places beside or in another one: the file shows where, the model works it out.
DERIVED = {("outbox", "sent"): "sent", ("outbox", "rejected"): "rejected", ("state", "ledger"): "state/ledger.sqlite"}


def keys(model: type[BaseModel] = Sections, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every key as (section, subsection…, key) with its pydantic field."""
    for name, field in model.model_fields.items():
        inner = next(
            (
                t
                for t in (field.annotation, *get_args(field.annotation))
                if isinstance(t, type) and issubclass(t, BaseModel)
            ),
            None,
        )
        if inner is None:
            yield (*path, name), field
        else:
            yield from keys(inner, (*path, name))


KEYS = list(keys())


def sections(text: str, heading: str) -> dict[str, str]:
    """The text under each heading, by dotted section name."""
    parts = re.split(heading, text, flags=re.M)
    return {name.strip("[]"): body for name, body in zip(parts[1::2], parts[2::2], strict=True)}


IN_SAMPLE = sections(SAMPLE, r"^(?:# )?(\[\[?[a-z.]+\]\]?)$")
IN_DOCS = sections(DOCS, r"^##+ (\[\[?[a-z.]+\]\]?)$")


@pytest.mark.parametrize(("key", "field"), KEYS, ids=[".".join(k) for k, _ in KEYS])
def test_every_key_stands_in_the_sample_with_its_reason_and_its_default(key: tuple[str, ...], field: Any) -> None:
    body = IN_SAMPLE[".".join(key[:-1])]
    found = re.search(rf"^# (?P<why>.+)\n(?P<off># )?{key[-1]} = (?P<value>.+)$", body, re.M)
    assert found, f"sample-config.toml lacks `{key[-1]} = …` with a line of why above it, under [{'.'.join(key[:-1])}]"
    shown = tomli.loads(f"x = {found['value']}")["x"]
    # What is required in a section that is always there must not be commented out; everything else must be.
    assert bool(found["off"]) == (not field.is_required() or len(key) > 2)
    if key in DERIVED:
        assert shown == DERIVED[key]
    elif field.is_required() or (field.default is None and key[-1] != "keep"):
        TypeAdapter(_type(field)).validate_python(shown)  # an example, and a right one
    else:
        assert TypeAdapter(_type(field)).validate_python(shown) == field.default


@pytest.mark.parametrize(("key", "field"), KEYS, ids=[".".join(k) for k, _ in KEYS])
def test_every_key_stands_in_the_reference_with_its_default(key: tuple[str, ...], field: Any) -> None:
    body = IN_DOCS[".".join(key[:-1])]
    found = re.search(rf"^\| `{key[-1]}` \| (?P<default>[^|]+) \| (?P<meaning>.{{10,}}) \|$", body, re.M)
    assert found, f"docs/reference/configuration.md lacks a row for `{key[-1]}` under [{'.'.join(key[:-1])}]"
    if field.is_required():
        assert found["default"] == "*required*"
    elif field.default is None and key[-1] != "keep":
        assert not found["default"].startswith("`")
    elif key not in DERIVED:
        shown = tomli.loads(f"x = {found['default'].strip('`')}")["x"]
        assert TypeAdapter(_type(field)).validate_python(shown) == field.default


@pytest.mark.parametrize(("where", "found"), [("sample-config.toml", IN_SAMPLE), ("the reference", IN_DOCS)])
def test_nothing_is_shown_that_does_not_exist(where: str, found: dict[str, str]) -> None:
    known = {key for key, _ in KEYS}
    pattern = r"^(?:# )?([a-z_]+) = " if where == "sample-config.toml" else r"^\| `([a-z_]+)` \|"
    shown = {(*name.split("."), key) for name, body in found.items() for key in re.findall(pattern, body, re.M)}
    assert shown <= known, f"{where} shows keys that gen3sync does not have"


def test_every_key_has_a_reason_and_an_example_for_error_messages() -> None:
    for key, field in KEYS:
        assert field.description, key
        assert field.examples, key


def test_the_sample_loads_and_says_what_leaving_everything_out_says() -> None:
    bare = '[outbox]\npath = "outbox"\n[inbox]\npath = "inbox"\n[state]\npath = "state"\n'
    path = Path("/lab/gen3sync.toml")
    assert effective(from_text(SAMPLE, path, {})) == effective(from_text(bare, path, {}))


def test_the_sample_with_every_section_uncommented_loads() -> None:
    text = re.sub(r"^# (?=\[\[?[a-z.]+\]\]?$|[a-z_]+ = )", "", SAMPLE, flags=re.M)
    text = re.sub(r"^every = .*\n", "", text, flags=re.M)  # only one of every and cron
    settings = from_text(text, Path("/lab/gen3sync.toml"), {"HOME": "/home/lab"})
    assert settings.outbox.route[0].project == "test"
    assert settings.inbox.mirror[0].timezone == "Europe/Berlin"
    assert settings.commons.credentials == Path("/home/lab/.gen3/credentials.json")


def _type(field: Any) -> Any:
    """The field's type with the metadata pydantic took from its Annotated."""
    from typing import Annotated

    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
