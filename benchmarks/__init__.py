"""Benchmarks: gen3sync beside the alternatives, on the same commons, in the same run.

- `submit.py`   what the way out takes, beside the official SDK's `submit_file`; `submit_daemon.py` its daemon cases
- `mirror.py`   what the way in takes, beside `curl` and the SDK's `export_node`

Results are ratios, never tests with a clock: machines differ, and what a commons takes is not ours. The sandbox, set to
what a real server takes, is the default commons; any other can be named. docs/reference/benchmarks.md explains both.

The parts: `commons.py` the commons measured against (`sandbox_process.py` when it is the sandbox), `rows.py` made-up
rows, `worker.py` a process that is measured (`worker_gen3sync.py`, `worker_sdk.py`), `daemon.py` the daemon measured as
a whole, `sampling.py` memory and processor time, `sdk.py` the SDK's environment, `report.py` what is printed.
"""
