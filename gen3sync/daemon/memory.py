"""Gives memory back to the machine that the daemon runs on for months.

Python frees what it no longer needs, but glibc keeps the pages: each thread takes from a pool of its own, and a few
bytes still in use hold on to what was freed around them. With threads that come and go that grows for weeks, to a
multiple of what is in use. Both calls do nothing where there is no glibc.
"""

from __future__ import annotations

import ctypes
from typing import Any

_ARENA_MAX = -8
_ARENAS = 2


def few_pools() -> None:
    """At the start: threads share two pools. Python lets one thread run at a time, so nobody waits for that."""
    if (libc := _glibc()) is not None:
        libc.mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Pages that hold nothing any more go back; a few milliseconds."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> Any:
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):  # no shared library there is
        return None
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None
