"""A process that is measured: started, imports done, then asked one thing after another over its standard streams.

One JSON object a line goes in and one comes out. The first line out says that the imports are done, so that they are in
no figure. Memory is sampled from outside while it works.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from benchmarks.sampling import Memory, Sampler


@dataclass(frozen=True)
class Done:
    """What came of a request. `seconds` is the worker's own measure of its work."""

    seconds: float
    memory: Memory
    answer: Mapping[str, Any]


class WorkerError(Exception):
    """The worker failed; the text is its own."""


PATIENCE = 1800.0
"""Seconds after which a worker that says nothing is ended."""


class Worker:
    """A context: the process lives as long as the block."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], patience: float = PATIENCE) -> None:
        self._patience = patience
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(env), text=True
        )
        self._read()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, verb: str, **arguments: object) -> Done:
        """Raises WorkerError."""
        assert self._process.stdin is not None
        with Sampler(self.pid) as sampler:
            self._process.stdin.write(json.dumps({"verb": verb, **arguments}) + "\n")
            self._process.stdin.flush()
            answer = self._read()
        return Done(float(answer.get("seconds", 0.0)), sampler.memory, answer)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        watch = threading.Timer(self._patience, self._process.kill)
        watch.daemon = True
        watch.start()
        line = self._process.stdout.readline()
        watch.cancel()
        if not line:
            raise WorkerError(f"the process ended with {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise WorkerError(str(found["error"]))
        return found
