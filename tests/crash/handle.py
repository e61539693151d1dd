"""The handle on one engine, which runs in a process of its own (`life.py`): asking it, ending it, killing it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Mapping
from typing import Any

from tests.crash.nursery import Nursery


class Died(Exception):  # noqa: N818 - what was asked for, no error
    """The process of a life is gone."""


class Life:
    """The handle on one engine."""

    def __init__(self, nursery: Nursery, birth: Mapping[str, Any]) -> None:
        self._nursery = nursery
        self.pid, self._channel = nursery.bear("tests.crash.life:live", birth)
        self._stream = self._channel.makefile("rwb")
        self.alive = True

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Raises Died when the process ends instead of answering, AssertionError when it fails."""
        try:
            self._stream.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
            self._stream.flush()
            line = self._stream.readline()
        except (BrokenPipeError, ConnectionResetError):
            line = b""
        if not line:
            self._bury()
            raise Died
        answer: dict[str, Any] = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer

    def kill(self) -> None:
        """kill -9."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):  # armed, it may have died by itself, and be buried
                os.kill(self.pid, signal.SIGKILL)
            self._bury()

    def close(self, timeout: float = 60.0) -> dict[str, Any]:
        """Ends in order."""
        answer = self.ask("close", timeout=timeout)
        self._bury()
        return answer

    def _bury(self) -> None:
        self.alive = False
        status = self._nursery.join(self.pid)
        with contextlib.suppress(OSError):  # an order that nobody reads any more
            self._stream.close()
        self._channel.close()
        assert status in (0, -signal.SIGKILL), f"the engine's process ended with {status}"
