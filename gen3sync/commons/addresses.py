"""Addresses of a commons: what an origin is, which ones are this machine, and how path segments are written."""

from __future__ import annotations

import ipaddress
from urllib.parse import quote, unquote, urlsplit

from gen3sync.errors import ConfigError
from gen3sync.names import Project, printable

_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Scheme, host and port of `url`, lower case, without the scheme's usual port. ConfigError for other text."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not host:
        raise ConfigError(
            f"{printable(url)!r} is not an address of a commons.", "Write it like https://commons.example.org."
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" if port in {None, _PORTS[scheme]} else f"{scheme}://{shown}:{port}"


def is_loopback(url: str) -> bool:
    """The address is this machine: `localhost`, or a loopback address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def segment(name: str) -> str:
    """`name` as one segment of a path: nothing in it can become another address."""
    quoted = quote(name, safe="")
    return quoted.replace(".", "%2E") if set(quoted) == {"."} else quoted


def project_path(project: Project) -> str:
    """`/api/v0/submission/PROGRAM/PROJECT`."""
    return f"/api/v0/submission/{segment(project.program)}/{segment(project.code)}"


def last_segment(link: str) -> str:
    """The name at the end of one of sheepdog's links (`/v0/submission/DEV/test` → `test`)."""
    return unquote(link.rstrip("/").rpartition("/")[2])
