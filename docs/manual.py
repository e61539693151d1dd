"""Writes the man pages and the shell completions from the code: `make man`.

`gen3sync(1)` comes from click's commands, the exit codes from docs/reference/exit-codes.md, `gen3sync.toml(5)` from the
configuration's schema. What is written is in docs/man and docs/completions, from where the wheel takes it; a test holds
it against what would be written now.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gen3sync import __version__
from gen3sync.cli import VERBS, gen3sync
from gen3sync.cli.completion import SHELLS, script
from gen3sync.config import config_schema

DOCS = Path(__file__).parent
_SHARED = {"--config", "--debug", "--help"}
_SCRIPTS = {"bash": "gen3sync.bash", "zsh": "_gen3sync", "fish": "gen3sync.fish"}

ENVIRONMENT = {
    "GEN3SYNC_CONFIG": "The configuration file, where none is named by `--config`.",
    "GEN3_API_KEY": "The API key, or a path to it, where the configuration names none.",
    "CREDENTIALS_DIRECTORY": "Set by systemd: the credential `api-key` there is the API key.",
    "GEN3SYNC_NOTIFY_URLS": "Where notifications go, where the configuration says nothing of it.",
    "HTTPS_PROXY, NO_PROXY": "The proxy to the commons, and for what there is none.",
    "NO_COLOR": "No colours.",
}
FILES = {
    "./gen3sync.toml, ~/.config/gen3sync/config.toml, /etc/gen3sync/config.toml": (
        "Where the configuration is looked for, in this order. See gen3sync.toml(5)."
    ),
    "~/.gen3/credentials.json": "The API key, as the commons' profile page hands it out (mode 600).",
    "status.json, ledger.sqlite": "In the state folder: how things are, and the daemon's memory.",
}


def pages() -> dict[str, str]:
    """What is to be written, by path below docs/."""
    made = {"man/gen3sync.1": verbs_page(), "man/gen3sync.toml.5": configuration_page()}
    return made | {f"completions/{_SCRIPTS[shell]}": script(shell) for shell in SHELLS}


def verbs_page() -> str:
    """gen3sync(1)."""
    lines = [
        *_head("GEN3SYNC", "1", "User Commands", "gen3sync", "keep a folder and a Gen3 data commons in step"),
        ".SH SYNOPSIS",
        ".B gen3sync",
        r"[\fIOPTIONS\fR] \fIVERB\fR [\fIARGUMENTS\fR]",
        ".SH DESCRIPTION",
        *_prose(gen3sync.help or ""),
        ".SH OPTIONS",
        "These may stand before or after the verb.",
    ]
    with click.Context(gen3sync, info_name="gen3sync", **gen3sync.context_settings) as context:
        for option in gen3sync.get_params(context):
            lines += _option(option, context)
        lines.append(".SH VERBS")
        for name in VERBS:
            command = gen3sync.get_command(context, name)
            assert command is not None, name
            lines += _verb(command, f"gen3sync {name}", context)
    lines += [".SH EXIT STATUS", *_exit_codes()]
    for title, entries in (("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)):
        lines.append(f".SH {title}")
        for name, said in entries.items():
            lines += [".TP", f".B {_text(name)}", _words(said)]
    lines += [".SH SEE ALSO", _words("gen3sync.toml(5), systemd.service(5)")]
    return "\n".join(lines) + "\n"


def configuration_page() -> str:
    """gen3sync.toml(5)."""
    schema = config_schema()
    lines = [
        *_head("GEN3SYNC.TOML", "5", "File Formats", "gen3sync.toml", "configuration of gen3sync"),
        ".SH DESCRIPTION",
        _words(
            "TOML. Paths are relative to the folder of the file. Durations are written like `90s`, `15m`, `1d`, sizes"
            " like `900kB`, shares like `50 %`. Every problem of a file is told at once, with its line; so are unknown"
            " keys. `gen3sync check` looks at all of it, `gen3sync config show` prints what is in effect."
        ),
    ]
    for name, section in schema["properties"].items():
        lines += _section(f"[{name}]", _resolved(section, schema), schema)
    return "\n".join(lines) + "\n"


def _head(title: str, number: str, manual: str, name: str, what: str) -> list[str]:
    return [
        '.\\" Made by `make man` from the code; not to be changed by hand.',
        f'.TH {title} {number} "" "gen3sync {__version__}" "{manual}"',
        # Neither hyphens at line ends nor stretched lines: options are to be found and copied.
        ".nh",
        ".ad l",
        ".SH NAME",
        f"{_text(name)} \\- {_text(what)}",
    ]


def _verb(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    with click.Context(command, info_name=name.rpartition(" ")[2], parent=parent) as context:
        pieces = " ".join(piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]")
        options = [each for each in command.get_params(context) if _own(each)]
        usage = f"{name}{' [OPTIONS]' if options else ''} {pieces}".strip()
        yield f".SS {_text(usage)}"
        yield from _prose(command.help or command.short_help or "")
        for option in options:
            yield from _option(option, context)
        if isinstance(command, click.Group):
            for sub in command.list_commands(context):
                inner = command.get_command(context, sub)
                assert inner is not None, sub
                yield from _verb(inner, f"{name} {sub}", context)


def _own(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and not parameter.hidden and not _SHARED & set(parameter.opts)


def _option(parameter: click.Parameter, context: click.Context) -> Iterator[str]:
    record = parameter.get_help_record(context)
    if record is not None:
        names, said = record
        yield ".TP"
        yield f"\\fB{_text(names)}\\fR"
        yield _words(re.sub(r"\s+", " ", said))


def _exit_codes() -> Iterator[str]:
    page = (DOCS / "reference/exit-codes.md").read_text(encoding="utf-8")
    for code, said in re.findall(r"^\| (\d+) \| \w* ?\| (.*) \|$", page, re.MULTILINE):
        yield from (".TP", f".B {code}", _words(said.replace("\\|", "|")))


def _section(title: str, section: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    yield f".SH {_text(title)}"
    yield _words(section.get("description", ""))
    tables = []
    for name, key in section.get("properties", {}).items():
        inner = _resolved(key.get("items", {}), schema)
        if "properties" in inner:
            tables.append((f"[[{title.strip('[]')}.{name}]]", inner))
            continue
        yield ".TP"
        yield f"\\fB{_text(name)}\\fR = {_text(str((key.get('examples') or [''])[0]))}"
        required = name in section.get("required", ())
        choices = _choices(key, schema)
        yield _words(
            key.get("description", "")
            + (f" One of {', '.join(choices)}." if choices else "")
            + (" Required." if required else "")
        )
    for name, inner in tables:
        yield from _section(name, inner, schema)


def _choices(key: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    kinds = [key, *key.get("anyOf", []), *key.get("allOf", []), key.get("items", {})]
    return [str(value) for kind in kinds for value in _resolved(kind, schema).get("enum", [])]


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref") or next((each["$ref"] for each in part.get("allOf", []) if "$ref" in each), None)
    if reference is None:
        return part
    found: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
    return {**found, **{name: value for name, value in part.items() if name not in ("$ref", "allOf")}}


def _prose(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.replace("\b", "").strip())):
        if number:
            yield ".PP"
        yield _words(" ".join(paragraph.split()))


def _words(text: str) -> str:
    """Running text: what stands in backticks bold, lines of a length that can be read in a diff."""
    parts = [
        _text(part) if number % 2 == 0 else f"\\fB{_text(part)}\\fR" for number, part in enumerate(text.split("`"))
    ]
    lines = textwrap.wrap("".join(parts), 100, break_long_words=False, break_on_hyphens=False)
    # A dot or an apostrophe at a line's start would be a command.
    return "\n".join(f"\\&{line}" if line[:1] in ".'" else line for line in lines)


def _text(text: str) -> str:
    """Any text as itself: no escapes, no commands, and hyphens that can be copied."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha").replace("~", "\\(ti")
    )
    text = text.replace('"', "\\(dq")
    text = "".join(each if ord(each) < 128 else f"\\[u{ord(each):04X}]" for each in text)
    return f"\\&{text}" if text.startswith(".") else text


def write() -> list[Path]:
    """Writes what is not as it should be; returns what was written."""
    written = []
    for name, text in pages().items():
        path = DOCS / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


if __name__ == "__main__":
    for path in write():
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")
