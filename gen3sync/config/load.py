"""From a file to settings: found, read, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from gen3sync.config.checks import faults_together
from gen3sync.config.lines import line_numbers
from gen3sync.config.locate import default_config_path, parse, read_text
from gen3sync.config.models import Sections, Settings
from gen3sync.config.problems import Fault, InvalidConfigError, faults_of, problems_of


def load(path: Path | None, env: Mapping[str, str]) -> Settings:
    """See `gen3sync.config.load_settings`."""
    path = Path(path).expanduser().absolute() if path is not None else default_config_path(env)
    return from_text(read_text(path), path, env)


def from_text(text: str, path: Path, env: Mapping[str, str]) -> Settings:
    """Settings from the text of a configuration at `path`; the file itself is not read (`init` and tests use this)."""
    raw = parse(text, path)
    home = env.get("HOME")
    faults: list[Fault] = []
    sections: Sections | None = None
    try:
        sections = Sections.model_validate(raw, context={"folder": path.parent, "home": home})
    except ValidationError as error:
        faults.extend(faults_of(error))
    faults.extend(faults_together(raw, path.parent, home))
    if faults or sections is None:
        raise InvalidConfigError(path, problems_of(faults, path, line_numbers(text)))
    return Settings(path=path, **dict(sections))
