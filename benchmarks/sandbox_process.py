"""The sandbox as a process of its own, so that what it takes is not counted as gen3sync's.

Arguments as JSON: projects, credentials (where to write the key), synthetic ([project id, node, rows], …), settings.
Prints its address and serves until its standard input ends.
"""

from __future__ import annotations

import json
import sys

from gen3sync.sandbox import Sandbox


def main() -> None:
    """Until standard input ends."""
    given = json.loads(sys.argv[1])
    sandbox = Sandbox(projects=given["projects"], keep_bodies=0)
    sandbox.write_api_key(given["credentials"])
    for project_id, node, rows in given["synthetic"]:
        sandbox.synthetic(project_id, node, rows)
    sandbox.faults.set(**given["settings"])
    with sandbox:
        print(json.dumps({"url": sandbox.url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
