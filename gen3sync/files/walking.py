"""Looks through folders that others may write to: links are not followed, and nobody is led down without end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

DEEPEST = 64
"""Folders inside one another that are looked into. Systems allow thousands; `os.walk` falls over at a thousand."""


def walk(root: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Each folder from `root` down, at most `DEEPEST` below it, and the names of what is no folder in it. Links are not
    followed; folders that cannot be read are left out."""
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        names: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        names.append(entry.name)
                    elif depth < DEEPEST:
                        waiting.append((folder / entry.name, depth + 1))
        except OSError:
            continue
        yield folder, tuple(names)
