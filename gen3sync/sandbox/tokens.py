"""API keys and access tokens: signed JWTs with the claims the real token service (fence) puts in.

Signed with a secret made at start (HS256), so keys of another sandbox are refused. What a token may do is authz.py's.
"""

from __future__ import annotations

import json
import os
import secrets
import uuid
from pathlib import Path
from typing import Any

import jwt

from gen3sync.sandbox.clock import Clock
from gen3sync.sandbox.message import Request, Response, json_response
from gen3sync.sandbox.pages import fence_error

KEY_LIFETIME = 30 * 24 * 3600
TOKEN_LIFETIME = 3600
_SCOPE = ["openid", "user", "data", "admin", "google_credentials", "fence"]


class BadToken(Exception):  # noqa: N818 - the message is the service's
    """A token that is no good; `str()` is the library's reason, `expired` when it was good before."""

    def __init__(self, reason: str, expired_at: int | None = None) -> None:
        super().__init__(reason)
        self.expired_at = expired_at


class Tokens:
    """Makes and checks keys and tokens for one user."""

    def __init__(self, clock: Clock, username: str) -> None:
        self.clock = clock
        self.username = username
        self.issuer = ""
        self.lifetime = TOKEN_LIFETIME
        self.issued: set[str] = set()
        self.revoked: set[str] = set()
        self._secret = secrets.token_bytes(32)

    def _sign(self, purpose: str, lifetime: float, **claims: Any) -> str:
        now = int(self.clock.time())
        payload = {
            "pur": purpose,
            "iss": self.issuer,
            "sub": "1",
            "aud": _SCOPE,
            "scope": _SCOPE,
            "iat": now,
            "exp": now + int(lifetime),
            "jti": str(uuid.uuid4()),
            "azp": "",
            "context": {"user": {"name": self.username, "is_admin": False, "google": {"proxy_group": None}}},
            **claims,
        }
        return jwt.encode(payload, self._secret, algorithm="HS256", headers={"kid": "sandbox_key"})

    def api_key(self, lifetime: float = KEY_LIFETIME, issuer: str | None = None) -> dict[str, str]:
        """The content of a credentials file: `{"api_key", "key_id"}`. A negative lifetime makes an expired one."""
        key_id = str(uuid.uuid4())
        self.issued.add(key_id)
        claims = {"iss": issuer} if issuer else {}
        return {"api_key": self._sign("api_key", lifetime, jti=key_id, **claims), "key_id": key_id}

    def access_token(self, lifetime: float | None = None) -> str:
        return self._sign("access", self.lifetime if lifetime is None else lifetime)

    def write_api_key(self, path: Path, lifetime: float = KEY_LIFETIME, issuer: str | None = None) -> Path:
        """Writes a credentials file, mode 0600. Raises OSError."""
        text = json.dumps(self.api_key(lifetime, issuer))
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        path.chmod(0o600)
        return path

    def revoke(self) -> None:
        """Every key issued so far stops working; tokens already given out live until they expire."""
        self.revoked |= self.issued

    def claims(self, token: str) -> dict[str, Any]:
        """Raises BadToken."""
        options: Any = {"verify_exp": False, "verify_aud": False, "verify_iat": False}
        try:
            found: dict[str, Any] = jwt.decode(token, self._secret, algorithms=["HS256"], options=options)
        except jwt.InvalidSignatureError:
            raise BadToken("Signature verification failed") from None
        except jwt.InvalidTokenError as error:
            raise BadToken(str(error)) from None
        if found["exp"] <= self.clock.time():
            raise BadToken("Signature has expired", int(found["exp"]))
        return found

    def exchange(self, request: Request) -> Response:
        """`POST /user/credentials/cdis/access_token`. Raises HTTPFailure with fence's HTML pages."""
        try:
            given = json.loads(request.body or b"null")
        except ValueError:
            given = None
        key = given.get("api_key") if isinstance(given, dict) else None
        if not key:
            raise fence_error(400, "Please provide an api_key in payload")
        lifetime = self.lifetime
        wanted = request.args.get("expires_in")
        if wanted is not None:
            if not wanted.isdigit() or int(wanted) <= 0:
                raise fence_error(400, "expires_in must be a positive integer")
            lifetime = min(int(wanted), self.lifetime)
        try:
            claims = self.claims(str(key))
        except BadToken as error:
            prefix = "" if "segments" in str(error) else "Authentication Error: "
            raise fence_error(401, f"[401] - {prefix}{error}") from None
        if claims["pur"] != "api_key":
            text = f"claims have incorrect purpose: expected api_key, got {claims['pur']}"
            raise fence_error(401, f"[401] - Authentication Error: {text}")
        if claims["jti"] in self.revoked:
            raise fence_error(401, "[401] - Authentication Error: token has been blacklisted")
        if self.clock.time() + lifetime > claims["exp"]:
            text = "Cannot issue an access token that would expire after the provided API key does"
            raise fence_error(400, f"{text}. Please obtain a new API key and try again")
        return json_response({"access_token": self.access_token(lifetime)})
