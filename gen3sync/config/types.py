"""The types of keys: what a value may be, how it is read from the file and shown again.

Each reader raises ValueError with what to write instead; `problems.py` puts file, key and line in front of it.
"""

from __future__ import annotations

import re
import string
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)

from gen3sync.config.cron import read_cron
from gen3sync.config.locate import resolved
from gen3sync.config.values import (
    Keep,
    read_duration,
    read_keep,
    read_listen,
    read_share,
    read_size,
    read_time_of_day,
    write_duration,
    write_keep,
    write_share,
    write_size,
)

Seconds = Annotated[
    float,
    BeforeValidator(read_duration),
    PlainSerializer(write_duration, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "description": 'A duration such as "2s", "15m" or "1h30m".'}),
]
Bytes = Annotated[
    int,
    BeforeValidator(read_size),
    PlainSerializer(write_size, when_used="json"),
    WithJsonSchema({"type": ["string", "integer"], "description": 'A size such as "900 kB" or "50 MB".'}),
]
Share = Annotated[
    float,
    BeforeValidator(read_share),
    PlainSerializer(write_share, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "description": 'A share such as "50 %" or 0.5.'}),
]
ForeverOrSeconds = Annotated[
    Seconds | None,
    BeforeValidator(lambda value: None if value == "forever" else value),
    PlainSerializer(lambda value: "forever" if value is None else write_duration(value), when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "description": 'A duration such as "90d", or "forever".'}),
]

Versions = Annotated[
    Keep,
    PlainValidator(read_keep),
    PlainSerializer(write_keep, when_used="json"),
    WithJsonSchema(
        {"type": ["string", "integer"], "description": 'A number of versions, or a duration such as "30d".'}
    ),
]

TimeOfDay = Annotated[
    str,
    BeforeValidator(read_time_of_day),
    WithJsonSchema({"type": "string", "description": 'A time of day such as "07:30", or "off".'}),
]

_KEY_LIKE = re.compile(r"""\A\s*\{\s*["']|["']api_key["']|eyJ[\w-]+\.[\w-]+\.""")


def looks_like_key(text: str) -> bool:
    """Whether `text` is (part of) an API key or token rather than a name; such text is never shown."""
    return bool(_KEY_LIKE.search(text))


def _path(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str | Path):
        raise ValueError("must be a path in quotes")  # noqa: TRY004 - pydantic collects ValueError only
    text = str(value)
    if isinstance(value, str) and not text.strip():
        raise ValueError("must not be empty")
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    if looks_like_key(text):
        raise ValueError("must be the path of a file, not the key itself (and a key does not belong in this file)")
    context = info.context
    return resolved(text, context["folder"], context["home"]) if context else Path(value)


FilePath = Annotated[Path, BeforeValidator(_path), WithJsonSchema({"type": "string"})]


def segment(value: str) -> str:
    if not value or re.search(r"[/\x00-\x1f\x7f]", value) or value in (".", ".."):
        raise ValueError("must be a name without slashes")
    return value


def glob(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise ValueError("must not be empty")
    return value


def address(value: str) -> str:
    try:
        parts = urlsplit(value.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("must be an address such as https://HOST") from error
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password")
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\x00-\x1f]", value.strip()):
        raise ValueError("must be an address such as https://HOST")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must end after the host: https://HOST, without a path")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("must begin with https:// (plain http would show the key to the network)")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def listen(value: str) -> str:
    read_listen(value)
    return value


FILENAME_FIELDS = ("program", "project", "node", "format")


def filename(value: str) -> str:
    try:
        parts = list(string.Formatter().parse(value))
    except ValueError as error:
        raise ValueError("has an unpaired brace") from error
    names = {name for _, name, _, _ in parts if name is not None}
    odd = sorted(names - set(FILENAME_FIELDS))
    if odd or any(form or conversion for _, _, form, conversion in parts):
        raise ValueError(f"may use only {', '.join('{' + name + '}' for name in FILENAME_FIELDS)}")
    if not {"project", "node"} <= names:
        raise ValueError("must hold {project} and {node}, or files would overwrite each other")
    if value.startswith(("/", "~")) or any(p in ("", ".", "..") or p.startswith(".") for p in value.split("/")):
        raise ValueError("must be relative, without empty, hidden or .. parts")
    if any(ord(c) < 32 or c in "\\\x7f" for c in value):
        raise ValueError("must not hold backslashes or control characters")
    return value


def _apprise_address(value: object) -> object:
    # Whatever is wrong with it, it is not shown: it holds a password or a token.
    value = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9+.-]*://\S+", value.strip(), re.IGNORECASE):
        raise ValueError("must be an address as apprise writes them, such as mailto://… or slack://…")
    return value.strip()


SecretAddress = Annotated[SecretStr, BeforeValidator(_apprise_address)]
Name = Annotated[str, AfterValidator(segment)]
Glob = Annotated[str, AfterValidator(glob)]
Address = Annotated[str, AfterValidator(address)]
Listen = Annotated[str, AfterValidator(listen)]
FileNamePattern = Annotated[str, AfterValidator(filename)]
Cron = Annotated[str, AfterValidator(read_cron)]
