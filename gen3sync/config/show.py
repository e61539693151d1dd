"""Settings shown again: as plain data, as TOML that loads to the same, and the schema of the file.

Owns `gen3sync config show` and `gen3sync config schema` but for the printing.
"""

from __future__ import annotations

import json
from typing import Any

from gen3sync.config.models import Sections, Settings
from gen3sync.config.types import looks_like_key

MASK = "***"


def effective(settings: Settings) -> dict[str, Any]:
    """See `gen3sync.config.effective`."""
    shown: dict[str, Any] = _masked(settings.model_dump(mode="json", exclude={"path"}))
    return shown


def as_toml(settings: Settings) -> str:
    """See `gen3sync.config.as_toml`. Keys without a value are shown as comments."""
    lines = [f"# The settings in force, from {settings.path}"]
    for section, table in effective(settings).items():
        lines += ["", f"[{section}]"]
        below: list[str] = []
        for key, value in table.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                for element in value:
                    below += ["", f"[[{section}.{key}]]", *(_line(*pair) for pair in element.items())]
            elif not (key in ("route", "mirror") and not value):
                lines.append(_line(key, value))
        lines += below
    return "\n".join(lines) + "\n"


def config_schema() -> dict[str, Any]:
    """See `gen3sync.config.config_schema`."""
    schema = Sections.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "gen3sync configuration"}


def toml_value(value: Any) -> str:
    """`value` as TOML writes it: text, numbers, true and false, lists of these."""
    if isinstance(value, list):
        return f"[{', '.join(toml_value(element) for element in value)}]"
    # JSON's strings are TOML's basic strings but for DEL, which TOML wants escaped as well.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _line(key: str, value: Any) -> str:
    return f"# {key} =" if value is None else f"{key} = {toml_value(value)}"


def _masked(value: Any) -> Any:
    """The models refuse keys where a path or an address belongs; this is the second fence, for every other text."""
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return MASK if isinstance(value, str) and looks_like_key(value) else value
