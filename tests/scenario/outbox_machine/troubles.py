"""What goes wrong with the commons, the network and the disk, as data that Hypothesis draws, and how it is made."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from gen3sync.outbox.failpoint import STEPS
from gen3sync.sandbox.faults import Hold
from tests.crash.points import DISK, FILES, LEDGER
from tests.scenario.outbox_machine.town import SUBMIT, Town

Trouble = tuple[Any, ...]
POINTS = st.sampled_from([*STEPS, *STEPS, *LEDGER, *FILES, *DISK])
SPOILT = ("html", "content_type", "invalid_json", "broken_gzip")
LONG = 1500
"""Seconds that a commons asks for."""
TROUBLES: st.SearchStrategy[Trouble] = st.one_of(
    st.tuples(
        st.just("lose"),
        st.sampled_from(["before_body", "during_body", "received", "before_commit", "after_commit", "after_log"]),
        st.sampled_from(["close", "reset", 504, 502, 500]),
        st.integers(1, 2),
    ),
    st.tuples(
        st.just("kill"), st.sampled_from(["started", "before_commit", "after_commit"]), st.sampled_from([502, "close"])
    ),
    st.tuples(
        st.just("refuse"),
        st.sampled_from([500, 502, 503, 504, 429, 413]),
        st.sampled_from([SUBMIT, "/graphql", "/export", ""]),
    ),
    st.tuples(st.just("wait"), st.sampled_from([429, 503]), st.sampled_from([SUBMIT, "/graphql"])),
    st.tuples(st.just("spoil"), st.sampled_from(SPOILT), st.sampled_from([SUBMIT, SUBMIT, "/graphql", "/export"])),
    st.tuples(st.just("cut"), st.integers(0, 3)),
    st.tuples(
        st.just("late"), st.sampled_from([504, "close"]), st.sampled_from(["started", "before_commit", "after_commit"])
    ),
    st.tuples(st.just("slow"), st.sampled_from(["received", "started", "before_commit", "after_commit", "after_log"])),
    st.tuples(
        st.just("full"), st.sampled_from(["state/drops", "/sent/", "/rejected/", "receipt.json"]), st.integers(1, 3)
    ),
)
CHANGES: st.SearchStrategy[Trouble] = st.sampled_from(
    [
        *[("state", state) for state in ("open", "open", "closed", "review")],
        *[("rights", *methods) for methods in ((), (), ("update",), ("create", "update"), ("read",))],
        *[("graphql", mode) for mode in ("on", "on", "missing", "denied", "error", "down")],
        *[("key", word) for word in ("new", "new", "revoked")],
    ]
)


def make(town: Town, trouble: Trouble, held: list[tuple[Hold, float]]) -> bool:
    """Brings it about. True when it holds a request whose answer the engine waits for."""
    faults = town.sandbox.faults
    match trouble:
        case ("lose", when, how, times):
            faults.lose(when, how=how, method="PUT", path=SUBMIT, times=times)
            town.strike("lost")
        case ("kill", when, how):
            faults.kill(when, how=how, method="PUT", path=SUBMIT)
            town.strike("lost")
        case ("refuse", status, path):
            headers = {"Retry-After": "3"} if status in (429, 503) else {}
            faults.answer(status, path=path or None, headers=headers)
            town.strike(str(status))
        case ("wait", status, path):
            faults.answer(status, path=path, headers={"Retry-After": str(LONG)})
        case ("spoil", how, path):
            faults.add(how, path=path)
            town.strike("lost")
        case ("cut", rows):
            faults.cut_export(rows=rows)
        case ("full", where, times):
            town.ask("full", where=where, times=times)
        case ("late", how, point) if not held:
            # The answer is lost at once, and the work goes on for as long as the commons likes.
            # Not "reset": the sandbox resets a connection only when the work has ended.
            faults.lose("received", how=how, method="PUT", path=SUBMIT)
            held.append((faults.hold(point, method="PUT", path=SUBMIT), town.clock.seconds()))
            town.strike("lost")
        case ("slow", point) if not held:
            # A request takes its time; the engine waits for the answer meanwhile.
            held.append((faults.hold(point, method="PUT", path=SUBMIT), town.clock.seconds()))
            return True
        case _:
            pass
    return False


def change(town: Town, project: str, what: Trouble) -> None:
    """What somebody with rights on the commons does, and what holds until the next such change."""
    match what:
        case ("state", state):
            town.sandbox.set_project(project, state=state)
        case ("rights", *methods):
            town.sandbox.allow(project)
            if methods:
                town.sandbox.deny(project, *methods)
            if "read" in methods:
                town.strike("read")
        case ("graphql", mode):
            town.sandbox.faults.set(graphql=mode)
        case ("key", "revoked"):
            town.sandbox.revoke_key()
        case ("key", _):
            town.sandbox.write_api_key(town.folder / "key.json")
