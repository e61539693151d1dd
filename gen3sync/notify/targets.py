"""Where messages go: addresses as apprise writes them, from the configuration, a file, or the environment.

They hold passwords and tokens, so they are registered with `redaction` when they are read, never logged, and spoken of
by their kind and number alone: `slack (2)`.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from gen3sync import redaction
from gen3sync.config import NotifySettings
from gen3sync.errors import ConfigError

ENVIRONMENT = "GEN3SYNC_NOTIFY_URLS"
CREDENTIAL = "notify-urls"
_MAX_BYTES = 100_000
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


@dataclass(frozen=True, slots=True)
class Target:
    """One address, numbered as it was found, from 1."""

    number: int
    url: str = field(repr=False)

    @property
    def label(self) -> str:
        """What may be said of it."""
        return f"{self.url.partition('://')[0].lower()} ({self.number})"

    @property
    def mark(self) -> str:
        """The same for the same address, also after a restart, and no secret."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]


def find_targets(settings: NotifySettings, env: Mapping[str, str]) -> tuple[Target, ...]:
    """All addresses, each once; none where none is configured. Raises ConfigError."""
    texts = [url.get_secret_value() for url in settings.urls]
    if settings.urls_file is not None:
        texts += _read(settings.urls_file, f"{settings.urls_file} (notify.urls_file)", 0o077)
    if not texts and settings.urls_file is None:
        texts = _addresses(env.get(ENVIRONMENT, ""), f"the environment variable {ENVIRONMENT}")
        folder = env.get("CREDENTIALS_DIRECTORY")
        path = Path(folder) / CREDENTIAL if folder else None
        if not texts and path is not None and path.exists():
            # systemd hands credentials out with an ACL for the unit's user, which shows as group rights.
            texts = _read(path, f"{path} (systemd credential {CREDENTIAL})", 0o007)
    targets = tuple(Target(number, url) for number, url in enumerate(dict.fromkeys(texts), 1))
    for target in targets:
        for secret in _secrets(target.url):
            redaction.register(secret)
    return targets


def _read(path: Path, label: str, forbidden: int) -> list[str]:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{label} is not a file.", "Name a text file with one address a line.")
        if found.st_mode & forbidden:
            raise ConfigError(
                f"{label} can be read by others (mode {stat.S_IMODE(found.st_mode):04o}): its addresses hold secrets.",
                f"Run: chmod 600 {path}",
            )
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{label} cannot be read: {error.strerror}.", "Make it readable by the user who runs gen3sync."
        ) from None
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"{label} is too large to be a list of addresses.", "Name a file with one address a line.")
    lines = raw.decode("utf-8-sig", "replace").splitlines()
    return _addresses("\n".join(line for line in lines if not line.lstrip().startswith("#")), label)


def _addresses(text: str, label: str) -> list[str]:
    words = text.split()
    for number, word in enumerate(words, 1):
        if not _ADDRESS.fullmatch(word):
            raise ConfigError(
                f"Entry {number} of {label} is not an address as apprise writes them.",
                "Write one address a line, such as mailto://… or slack://…; blanks inside one are written %20.",
            )
    return words


def _secrets(url: str) -> Iterator[str]:
    """What must not be written: the address, its password, and whatever in it looks like a token."""
    yield url
    rest = url.partition("://")[2]
    yield rest
    try:
        parts = urlsplit(url)
        values = [value for _, value in parse_qsl(parts.query)]
        user, password = parts.username or "", parts.password or ""
    except ValueError:
        values, user, password = [], "", ""
    if password:
        yield from (password, unquote(password))
    for piece in [user, *values, *re.split(r"[/?&@:=#]", rest)]:
        for text in (piece, unquote(piece)):
            # A host or an ordinary word in a path is no secret, and hiding it would spoil the log.
            if re.search(r"\d|[A-Z]", text) and not re.fullmatch(r"[\w-]*(\.[\w-]+)+|\d+", text):
                yield text
