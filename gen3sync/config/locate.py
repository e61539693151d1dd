"""Where the configuration is, and its bare contents.

Owns the search order and TOML. Knows one key, `path` under [state], because `gen3sync status` needs it and must not
pay for loading settings (pydantic costs 70 ms).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli

from gen3sync.errors import ConfigError
from gen3sync.files.kinds import folder_error
from gen3sync.names import printable

FILE_NAME = "gen3sync.toml"
VARIABLE = "GEN3SYNC_CONFIG"
SYSTEM_WIDE = Path("/etc/gen3sync/config.toml")


def places(env: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    """Where a configuration is looked for, in this order, when none is named."""
    home = Path(env.get("HOME") or "~").expanduser()
    user = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    return (folder / FILE_NAME, user / "gen3sync" / "config.toml", SYSTEM_WIDE)


def default_config_path(env: Mapping[str, str], folder: Path | None = None) -> Path:
    """The file $GEN3SYNC_CONFIG names, else the first of `places` that exists. Raises ConfigError when none does.

    `folder` is the current one unless given.
    """
    named = env.get(VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    looked = places(env, (folder or Path.cwd()).absolute())
    for path in looked:
        if path.is_file():
            return path
    raise ConfigError(
        f"There is no configuration: looked for {', '.join(str(path) for path in looked)}.",
        "Write one with `gen3sync init`, or name yours with --config FILE or $GEN3SYNC_CONFIG.",
    )


def read_text(path: Path) -> str:
    """The file's text. Raises ConfigError when it is missing, unreadable or not UTF-8."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no configuration at {path}.", "Correct the path, or write one with `gen3sync init`."
        ) from error
    except OSError as error:
        sentence = folder_error(f"The configuration {path} cannot be read", error)
        raise ConfigError(sentence.what, sentence.remedy) from error
    try:
        return raw.decode("utf-8-sig")  # editors on Windows put a byte order mark; TOML itself forbids it
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: the text is not UTF-8.", "Save the file as UTF-8.") from error


def parse(text: str, path: Path) -> dict[str, Any]:
    """The TOML in `text`. Raises ConfigError with line and column when it is broken."""
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(
            f"{path}, {where}: this is not TOML: {printable(error.msg)}.", _hint(text, error.lineno)
        ) from error


def state_folder(path: Path | None, env: Mapping[str, str]) -> tuple[Path, ConfigError | None]:
    """The state folder alone, without checking anything else. Raises ConfigError.

    Where the text is no TOML but its [state] section is, the folder comes with what is wrong: a daemon may be at work
    with what stood there before, and what it says of itself must still be found.
    """
    path = Path(path).absolute() if path else default_config_path(env)
    text, broken = read_text(path), None
    try:
        state = parse(text, path).get("state")
    except ConfigError as error:
        state, broken = _section(text, "state"), error
        if state is None:
            raise
    told = state.get("path") if isinstance(state, dict) else None
    if not isinstance(told, str) or not told:
        raise ConfigError(f"{path}: `path` under [state] is missing.", 'Write, for example, path = "state".')
    return resolved(told, path.parent, env.get("HOME")), broken


def resolved(told: str, folder: Path, home: str | None) -> Path:
    """A path of the configuration: `~` is the user's home, and what is relative is relative to the file's folder."""
    if home and (told == "~" or told.startswith("~/")):
        told = home + told[1:]
    # Not resolve(): links stay as the user wrote them, in messages and for disks that are mounted later.
    return Path(os.path.abspath(folder / Path(told).expanduser()))  # noqa: PTH100


def _section(text: str, name: str) -> dict[str, Any] | None:
    """One section of a text that is not TOML as a whole; None where it is not whole itself."""
    found = re.search(rf"^[ \t]*\[{name}\][^\n]*\n(?:(?![ \t]*\[)[^\n]*(?:\n|\Z))*", text, re.MULTILINE)
    if found is None:
        return None
    # The broken line may stand below: what comes before it is enough.
    lines = found[0].splitlines()
    for end in range(len(lines), 1, -1):
        try:
            section = tomli.loads("\n".join(lines[:end])).get(name)
        except tomli.TOMLDecodeError:
            continue
        return section if isinstance(section, dict) and isinstance(section.get("path"), str) else None
    return None


def _hint(text: str, line: int) -> str:
    lines = text.splitlines()
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\\" in shown and '"' in shown:
        return "In \"…\" a backslash starts an escape: write the text in single quotes, '…'."
    return 'A line is KEY = VALUE, text in quotes, for example settle = "2s"; see sample-config.toml.'
