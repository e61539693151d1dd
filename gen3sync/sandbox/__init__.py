"""A small Gen3 commons in one process on loopback, for trying gen3sync and for its tests.

A tool for trying and testing, never a place for data: everything is in memory and gone when it stops, and it is as
wrong as a real commons can be, on purpose and on request.

It stands alone: nothing here imports the daemon's rooms, so that the two cannot share a mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gen3sync.sandbox.dictionary import Dictionary
    from gen3sync.sandbox.faults import Fault, Faults, Hold, Kind, Point, Settings
    from gen3sync.sandbox.requestlog import LoggedRequest
    from gen3sync.sandbox.sandbox import Sandbox
    from gen3sync.sandbox.serving import run, send_fault
    from gen3sync.sandbox.transactions import State, Transaction

__all__ = [
    "Dictionary",
    "Fault",
    "Faults",
    "Hold",
    "Kind",
    "LoggedRequest",
    "Point",
    "Sandbox",
    "Settings",
    "State",
    "Transaction",
    "run",
    "send_fault",
]

_HOMES = {
    "Dictionary": "dictionary",
    "Fault": "faults",
    "Faults": "faults",
    "Hold": "faults",
    "Kind": "faults",
    "LoggedRequest": "requestlog",
    "Point": "faults",
    "Sandbox": "sandbox",
    "Settings": "faults",
    "State": "transactions",
    "Transaction": "transactions",
    "run": "serving",
    "send_fault": "serving",
}


def __getattr__(name: str) -> Any:
    """Loads on use: most of the command line never needs the sandbox."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
