"""Threads of a watch that die under it."""

from __future__ import annotations

from gen3sync.outbox.watch import Watch


def kill_observer(watch: Watch) -> None:
    watch._observer.stop()
    watch._observer.join(60)


def kill_emitter(watch: Watch) -> None:
    for emitter in watch._observer.emitters:
        emitter.stop()
        emitter.join(60)
