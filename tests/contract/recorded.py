"""The recordings of a real commons, in the order they were made.

They are measurements: request and answer of each exchange. `Date` gives the order, within a second the transaction id.
"""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FOLDER = HERE / "recordings"
_LONG = 3_000


def dictionary() -> dict[str, Any]:
    """The dictionary of the recorded commons."""
    found: dict[str, Any] = json.loads(gzip.decompress((HERE / "dictionary.json.gz").read_bytes()))
    return found


@dataclass(frozen=True)
class Recording:
    """One exchange. `name` is the file's."""

    name: str
    raw: dict[str, Any]

    @property
    def request(self) -> dict[str, Any]:
        found: dict[str, Any] = self.raw["request"]
        return found

    @property
    def method(self) -> str:
        return str(self.request["method"])

    @property
    def target(self) -> str:
        """Path and query as they were on the request line."""
        url = self.request.get("url") or self.request["path"]
        return "/" + str(url).split("://", 1)[-1].split("/", 1)[1] if "://" in url else str(url)

    @property
    def body(self) -> bytes | None:
        body = self.request.get("body")
        match body:
            case None:
                return None
            case {"base64": str(text)}:
                return base64.b64decode(text)
            case str():
                if len(body) >= _LONG and not body.endswith("\n"):
                    body = body[: body.rindex("\n") + 1]  # a long body, recorded in part
                return body.encode()
        return json.dumps(body).encode()

    @property
    def headers(self) -> dict[str, str]:
        """Those that matter; the token was redacted."""
        kept = ("Content-Type", "Accept-Encoding", "If-None-Match", "If-Modified-Since", "Range", "X-Document-Name")
        return {name: value for name, value in self.request["headers"].items() if name in kept}

    @property
    def with_token(self) -> bool:
        return "Authorization" in self.request["headers"]

    @property
    def status(self) -> int:
        return int(self.response["status"])

    @property
    def response(self) -> dict[str, Any]:
        found: dict[str, Any] = self.raw.get("response", self.raw)
        return found

    @property
    def text(self) -> str:
        body = self.response.get("body")
        return body if isinstance(body, str) else ""

    @property
    def whole(self) -> bool:
        """Long bodies were recorded in part."""
        return "body_truncated_to" not in self.response

    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def transaction_id(self) -> int | None:
        try:
            found = self.json()
        except ValueError:
            return None
        return found.get("transaction_id") if isinstance(found, dict) else None

    @property
    def moment(self) -> float:
        date = (self.response.get("headers") or {}).get("Date")
        return parsedate_to_datetime(date).timestamp() if date else 0.0


def load() -> list[Recording]:
    """All of them, in order."""
    found = [Recording(path.stem, json.loads(path.read_text("utf-8"))) for path in sorted(FOLDER.glob("*.json"))]
    return sorted(found, key=lambda item: (item.moment, item.transaction_id or 10**9, item.name))
