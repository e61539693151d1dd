"""The API key: where it is found, whether it may be used, and for which commons.

Owns reading and judging the credentials file; exchanging the key for tokens is `tokens.py`. Every way in which
credentials can be unusable is a `CredentialsError` that names the file and the remedy, and never holds the key.
"""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt

from gen3sync import redaction
from gen3sync.commons.addresses import is_loopback, origin_of
from gen3sync.errors import CredentialsError
from gen3sync.names import printable

_MAX_BYTES = 64 * 1024
_EXAMPLE = 'the JSON file {"api_key": "…", "key_id": "…"} that the commons\' profile page hands out'


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A person's API key. `origin` is scheme, host and port of the commons that issued it; times are aware, UTC."""

    value: str = field(repr=False)
    key_id: str
    origin: str
    issuer: str
    issued_at: datetime | None
    expires_at: datetime | None
    subject: str = ""

    @property
    def person(self) -> str:
        """Whose key it is, as it says; without that, which key."""
        return self.subject or self.key_id

    @property
    def remedy(self) -> str:
        """Where a person makes a new key."""
        return f"Make a new API key on the profile page of {self.origin} (commonly {self.origin}/identity)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where credentials are looked for: a file, or text in the environment. `label` says it in words."""

    label: str
    path: Path | None = None
    text: str | None = field(default=None, repr=False)
    from_systemd: bool = False


class CredentialsSource:
    """Finds and reads the API key, again whenever its file changes. Thread-safe.

    The order: `explicit` (the configuration's `commons.credentials`), `GEN3_API_KEY` (a path or the JSON itself),
    `$CREDENTIALS_DIRECTORY/api-key` (systemd's LoadCredential), `~/.gen3/credentials.json`. The first that is there is
    used, and only that: a broken one is named, not skipped.
    """

    def __init__(self, explicit: Path | None, env: Mapping[str, str], home: Path | None = None) -> None:
        self._explicit = explicit
        self._env = env
        self._home = home
        self._lock = threading.Lock()
        self._known: tuple[object, ApiKey] | None = None

    def place(self) -> Place:
        """The place that counts now. Raises CredentialsError when there is none."""
        if self._explicit is not None:
            return Place(f"{self._explicit} (commons.credentials)", path=self._explicit)
        if text := self._env.get("GEN3_API_KEY", "").strip():
            if text.startswith(("{", "[", '"', "eyJ")):
                return Place("the environment variable GEN3_API_KEY", text=text)
            path = Path(text).expanduser()
            return Place(f"{path} (GEN3_API_KEY)", path=path)
        if directory := self._env.get("CREDENTIALS_DIRECTORY"):
            path = Path(directory) / "api-key"
            if _is_there(path):
                return Place(f"{path} (systemd credential api-key)", path=path, from_systemd=True)
        path = self._default()
        if _is_there(path):
            return Place(str(path), path=path)
        raise CredentialsError(
            f"There is no API key: commons.credentials and GEN3_API_KEY are not set, and {path} does not exist.",
            f"Make an API key on the commons' profile page, save it as {path} and run chmod 600 {path}.",
        )

    def fingerprint(self) -> object:
        """Changes when the credentials do; comparing it costs one `stat`. None when there are none."""
        try:
            place = self.place()
        except CredentialsError:
            return None
        if place.path is None:
            return place.text
        try:
            found = place.path.stat()
        except OSError as error:
            return (str(place.path), error.errno)
        return (str(place.path), found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)

    def load(self) -> ApiKey:
        """The key as it is now. Raises CredentialsError."""
        with self._lock:
            mark = self.fingerprint()
            if self._known is not None and mark is not None and self._known[0] == mark:
                return self._known[1]
            key = _read(self.place())
            if self._known is not None and self._known[1].value != key.value:
                redaction.forget(self._known[1].value)
            redaction.register(key.value)
            self._known = (mark, key)
            return key

    def _default(self) -> Path:
        home = self._home or Path(self._env.get("HOME") or Path.home())
        return home / ".gen3" / "credentials.json"


def check_issuer(key: ApiKey, commons: str) -> None:
    """Raises CredentialsError unless `key` was issued by the commons at `commons`: keys go nowhere else.

    Two loopback addresses count as the same machine: `localhost` and `127.0.0.1` differ by name only.
    """
    wanted = origin_of(commons)
    if key.origin == wanted or (is_loopback(key.origin) and is_loopback(wanted)):
        return
    raise CredentialsError(
        f"The API key was issued by {key.origin}, but the configuration names {wanted}: it is not sent there.",
        f"Use a key of {wanted}, or leave commons.url out so that the key's own commons is used.",
    )


def _is_there(path: Path) -> bool:
    """Also when it cannot be looked at: then reading it says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _read(place: Place) -> ApiKey:
    text = place.text if place.path is None else _read_file(place, place.path)
    return parse_key(text or "", place.label)


def _read_file(place: Place, path: Path) -> str:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise CredentialsError(f"{place.label} is not a file.", f"Name {_EXAMPLE}.")
        # systemd hands credentials out as 0400, or 0440 with an ACL for the unit's user, in a directory nobody else
        # can enter; there only access for all others is refused.
        forbidden = 0o007 if place.from_systemd else 0o077
        if found.st_mode & forbidden:
            who = "everybody on this machine" if found.st_mode & 0o007 else "its whole group"
            raise CredentialsError(
                f"{place.label} can be read by {who} (mode {stat.S_IMODE(found.st_mode):04o}): its key is not safe.",
                f"Run: chmod 600 {path}",
            )
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise CredentialsError(f"{place.label} does not exist.", f"Put {_EXAMPLE} there.") from None
    except OSError as error:
        raise CredentialsError(
            f"{place.label} cannot be read: {error.strerror}.",
            f"Make it readable by the user who runs gen3sync ({path}).",
        ) from None
    if len(raw) > _MAX_BYTES:
        raise CredentialsError(f"{place.label} is too large to be an API key.", f"Name {_EXAMPLE}.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CredentialsError(f"{place.label} is not a text file.", f"Name {_EXAMPLE}.") from None


def parse_key(text: str, label: str) -> ApiKey:
    """Reads the JSON of an API key and the claims inside it. Raises CredentialsError; nothing is verified offline."""
    text = text.strip()
    if not text:
        raise CredentialsError(f"{label} is empty.", f"Put {_EXAMPLE} there.")
    if text.startswith("eyJ"):
        raise _wrong_shape(label, text)
    try:
        data = json.loads(text)
    except ValueError as error:
        # The error's own text can quote the document; its position cannot.
        line = getattr(error, "lineno", 0)
        raise CredentialsError(
            f"{label} is not valid JSON (line {line}): it may have been saved only in part.",
            f"Download it again: {_EXAMPLE}.",
        ) from None
    if isinstance(data, str) and data.startswith("eyJ"):
        raise _wrong_shape(label, data)
    if not isinstance(data, dict):
        raise CredentialsError(
            f"{label} is not an API key: it holds a JSON {type(data).__name__}.", f"Name {_EXAMPLE}."
        )
    value = data.get("api_key")
    if not isinstance(value, str) or not value.strip():
        held = ", ".join(sorted(printable(name, 40) for name in data)) or "nothing"
        hint = "That is an access token, which lives an hour. " if "access_token" in data else ""
        lacks = "has an api_key that is empty or no text." if "api_key" in data else f"has no api_key (it has: {held})."
        raise CredentialsError(f"{label} {lacks} {hint}".strip(), f"Name {_EXAMPLE}.")
    key_id = data.get("key_id")
    return _from_jwt(value.strip(), key_id if isinstance(key_id, str) else "", label)


def _from_jwt(value: str, key_id: str, label: str) -> ApiKey:
    try:
        claims: dict[str, Any] = jwt.decode(value, options={"verify_signature": False, "verify_exp": False})
    except jwt.InvalidTokenError:
        raise CredentialsError(
            f"The api_key in {label} is not a JWT: it is cut off or was changed.",
            "Download the key again, or make a new one on the commons' profile page.",
        ) from None
    if claims.get("pur") == "access":
        raise CredentialsError(
            f"{label} holds an access token, not an API key: it lives an hour and cannot renew itself.",
            f"Make an API key on the commons' profile page: {_EXAMPLE}.",
        )
    issuer = claims.get("iss")
    parts = urlsplit(issuer) if isinstance(issuer, str) else None
    if not isinstance(issuer, str) or parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CredentialsError(
            f"The API key in {label} does not say which commons issued it.",
            "Make a new one on the commons' profile page.",
        )
    return ApiKey(
        value=value,
        key_id=key_id or str(claims.get("jti") or ""),
        origin=origin_of(issuer),
        issuer=issuer,
        issued_at=_moment(claims.get("iat")),
        expires_at=_moment(claims.get("exp")),
        subject=str(claims.get("sub") or ""),
    )


def _wrong_shape(label: str, text: str) -> CredentialsError:
    try:
        purpose = jwt.decode(text, options={"verify_signature": False, "verify_exp": False}).get("pur")
    except jwt.InvalidTokenError:
        purpose = None
    if purpose == "access":
        return CredentialsError(
            f"{label} holds an access token, not an API key: it lives an hour and cannot renew itself.",
            f"Name {_EXAMPLE}.",
        )
    return CredentialsError(f"{label} holds a bare token without the JSON around it.", f"Name {_EXAMPLE}.")


def _moment(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
