"""`gen3sync run` on a fast clock, as a process of its own: daemon.py CONFIG EPOCH."""

from __future__ import annotations

import faulthandler
import sys
from pathlib import Path

from gen3sync import logs
from gen3sync.config import load_settings
from gen3sync.daemon.loop import STOP_WITHIN, Daemon
from gen3sync.daemon.memory import few_pools
from tests.soak.fast import SCALE, FastClock, hurry_scheduler, stretch_daemon


def main(config: str, epoch: str) -> int:
    faulthandler.enable()
    few_pools()
    clock = FastClock(float(epoch))
    hurry_scheduler(clock)
    stretch_daemon()
    env = {"HOME": "/nonexistent"}
    logs.set_up("info", "keyvalue", env)
    return Daemon(lambda: load_settings(Path(config), env), clock, env, stop_within=STOP_WITHIN * SCALE).run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
