"""What gen3sync tells a monitoring system, and the loopback port it is asked on. Used by the daemon alone.

- `counts.py`   counters and histograms: an `observe.Observer` that the rooms tell what they do
- `gauges.py`   how things are now, from the status last gathered
- `process.py`  what the process itself uses
- `picture.py`  what the daemon last showed, and from it: alive? ready? how well?
- `pages.py`    /metrics, /healthz and /readyz: a question in, an answer out
- `server.py`   HTTP on one address: bounded in threads, time and size; knows no page
- `site.py`     all of them put together

prometheus-client is imported in this room only, and the room only where `[metrics] listen` is set: it costs memory and
time that nobody else should pay. Every metric stands in docs/reference/metrics.md.
"""
