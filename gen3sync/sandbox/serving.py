"""What the command line calls: serve a sandbox until stopped, and change its faults from another process."""

from __future__ import annotations

import json
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gen3sync.sandbox.sandbox import DEFAULT_PROJECTS, DEFAULT_USER, Sandbox


def run(
    *,
    port: int = 0,
    dictionary_path: Path | None = None,
    projects: Iterable[str] = DEFAULT_PROJECTS,
    credentials_path: Path | None = None,
    username: str = DEFAULT_USER,
    key_lifetime: float = 30 * 24 * 3600,
    real_costs: bool = False,
    announce: Callable[[Sandbox], None] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM. `announce` is called once when it answers; it may print url and key file.

    Raises OSError (port taken, key file not writable) and ValueError (dictionary or project id broken).
    """
    sandbox = Sandbox(port=port, dictionary=dictionary_path, projects=projects, username=username)
    if credentials_path is not None:
        sandbox.write_api_key(credentials_path, key_lifetime)
    if real_costs:
        sandbox.faults.real_costs()
    ended = threading.Event()
    in_main = threading.current_thread() is threading.main_thread()
    before = {}
    if in_main:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda *_: ended.set())
    with sandbox:
        if announce is not None:
            announce(sandbox)
        ended.wait()
    for number, handler in before.items():
        signal.signal(number, handler)


def send_fault(url: str, change: Mapping[str, Any]) -> dict[str, Any]:
    """Posts one change (docs/reference/sandbox.md) to a running sandbox; its answer, with the fault's `id` if any.

    Raises ValueError with the sandbox's words when it refuses, OSError when nothing answers there.
    """
    if not url.startswith("http://127.0.0.1") and not url.startswith("http://localhost"):
        raise ValueError("a sandbox only listens on loopback, such as http://127.0.0.1:8080")
    data = json.dumps(dict(change)).encode()
    request = urllib.request.Request(  # noqa: S310 - loopback only, checked above
        f"{url.rstrip('/')}/_sandbox/faults", data, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        with error:
            raise ValueError(json.load(error).get("message", str(error))) from None
