"""What the user asked for: one TOML file, found, read, checked as a whole, and frozen.

Owns every key, its default, its meaning and the sentence about it when it is wrong. No key passes through here:
`credentials` is a path, and resolving it (with GEN3_API_KEY and the others) is the commons room's. The addresses of
`[notify]` are secrets too where they stand in the file itself; they are wrapped as such and never shown.

- `values.py`    durations, sizes and shares as people write them
- `locate.py`    where the file is, reading it, and the state folder without reading the rest (cheap, for `status`)
- `models.py`    the settings: `Settings` and its sections        `cron.py`  the cron expressions of mirrors
- `choices.py`   the words of keys that choose among a few
- `checks.py`    what keys must not say together                  `lines.py` which line a key stands on
- `problems.py`  what is wrong, as sentences                      `load.py`  `load_settings`
- `show.py`      the effective settings, as data and as TOML; the JSON schema

Pydantic is imported only when settings are loaded or a model is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen3sync.config.locate import default_config_path, state_folder

if TYPE_CHECKING:
    from gen3sync.config.choices import Blanks, LogFormat, LogLevel, MirrorFormat, News, OnInvalid, Send, Watch
    from gen3sync.config.models import (
        CommonsSettings,
        InboxSettings,
        LogSettings,
        MetricsSettings,
        MirrorSettings,
        NotifySettings,
        OutboxSettings,
        Route,
        Settings,
        StateSettings,
    )
    from gen3sync.config.problems import ConfigProblem, InvalidConfigError

__all__ = [
    "Blanks",
    "CommonsSettings",
    "ConfigProblem",
    "InboxSettings",
    "InvalidConfigError",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "MetricsSettings",
    "MirrorFormat",
    "MirrorSettings",
    "News",
    "NotifySettings",
    "OnInvalid",
    "OutboxSettings",
    "Route",
    "Send",
    "Settings",
    "StateSettings",
    "Watch",
    "as_toml",
    "config_schema",
    "default_config_path",
    "effective",
    "load_settings",
    "state_folder",
]

_ELSEWHERE = {"ConfigProblem": "problems", "InvalidConfigError": "problems"} | dict.fromkeys(
    ("Blanks", "LogFormat", "LogLevel", "MirrorFormat", "News", "OnInvalid", "Send", "Watch"), "choices"
)


def load_settings(path: Path | None, env: Mapping[str, str]) -> Settings:
    """The settings in the file at `path` (None: where `default_config_path` finds it).

    Raises ConfigError: no file, not readable, broken TOML, or InvalidConfigError with every problem at once.
    """
    from gen3sync.config.load import load

    return load(path, env)


def effective(settings: Settings) -> dict[str, Any]:
    """Every key with the value in force, as plain JSON data, durations and sizes as people write them, no secrets."""
    from gen3sync.config.show import effective

    return effective(settings)


def as_toml(settings: Settings) -> str:
    """The same as the text of a configuration file that loads to equal settings."""
    from gen3sync.config.show import as_toml

    return as_toml(settings)


def config_schema() -> dict[str, Any]:
    """The JSON schema of the configuration file, for editors."""
    from gen3sync.config.show import config_schema

    return config_schema()


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"gen3sync.config.{_ELSEWHERE.get(name, 'models')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
