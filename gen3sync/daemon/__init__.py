"""The daemon: the one place where the rooms are put together, started, reloaded and stopped.

- `compose.py`     builds the rooms from settings; `push`, `pull` and `once` use the same rooms without a daemon
- `jobs.py`        its regular work: pulse, tokens, a look at the commons, housekeeping
- `locks.py`       the locks on outbox, inbox and state folders
- `loop.py`        the daemon's life: signals, orders from the command line, reload, status, watchdog
- `orders.py`      wishes of `push`, `pull` and `retry` carried out while the daemon runs
- `gather.py`      what status.json says, gathered from ledger and rooms
- `recall.py`      what is remembered between two of them: drops that ended, reasons, changes, pace
- `passes.py`      the status that `gen3sync once` leaves behind
- `heartbeats.py`  who is alive
- `memory.py`      what is no longer needed given back to the machine
- `vigil.py`       the watchdog fed while all are, and people told when one is not
- `line.py`        systemd's status line
- `port.py`        the port on which metrics and health are served

Nothing is imported here, so that `gen3sync status` and `check` pay only for what they use.
"""
