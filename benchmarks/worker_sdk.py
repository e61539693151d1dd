"""Runs in the SDK's own environment: `submit_file` and `export_node`, timed. Knows nothing of gen3sync.

Started with the key file as its argument; speaks as worker.py expects.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import sys
import time
from typing import Any


def main() -> None:
    """Until standard input ends."""
    out, sys.stdout = sys.stdout, sys.stderr
    with contextlib.redirect_stdout(None):
        Gen3Auth = importlib.import_module("gen3.auth").Gen3Auth  # noqa: N806 - not in the project's own environment
        Gen3Submission = importlib.import_module("gen3.submission").Gen3Submission  # noqa: N806
    logging.disable(logging.WARNING)
    print(json.dumps({"ready": True}), file=out, flush=True)
    sdk: Any = None
    for line in sys.stdin:
        asked = json.loads(line)
        answer: dict[str, Any] = {}
        start = time.perf_counter()
        try:
            with contextlib.redirect_stdout(None):
                if sdk is None:
                    sdk = Gen3Submission(Gen3Auth(refresh_file=sys.argv[1]))
                if asked["verb"] == "submit":
                    found = sdk.submit_file(asked["project"], asked["file"])
                    answer = {"landed": len(set(found["succeeded"])), "requests": len(found["responses"])}
                else:
                    program, _, code = asked["project"].partition("-")
                    text = sdk.export_node(program, code, asked["node"], asked["format"], asked["file"])
                    answer = {"bytes": len(text)}
                    del text
        except Exception as error:  # noqa: BLE001 - told to the other side, which stops
            answer = {"error": f"the SDK: {type(error).__name__}: {error}"}
        answer["seconds"] = time.perf_counter() - start
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
