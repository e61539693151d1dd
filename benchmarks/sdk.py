"""The official SDK in an environment of its own, so that its pins and ours never meet.

Made once with pip and kept in the user's cache; `--sdk-env` names another, `--no-sdk` leaves the SDK out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PACKAGE = "gen3"


def default_folder() -> Path:
    """Below the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "gen3sync-benchmarks" / "sdk"


def python_of(folder: Path) -> Path:
    """The interpreter of an environment with the SDK, which is made when it is missing.

    Raises subprocess.CalledProcessError when pip cannot install it.
    """
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, PACKAGE], check=True, stdout=sys.stderr)
        (folder / ".installed").touch()
    return python


def version_of(python: Path) -> str:
    """The SDK's version."""
    code = f"from importlib.metadata import version; print(version({PACKAGE!r}))"
    return subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout.strip()
