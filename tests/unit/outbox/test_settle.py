"""When a file is taken: never while it is being written, and always at last."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gen3sync.files import Fingerprint
from gen3sync.outbox.settle import Ripeness, Settling, seems_finished


def mark(size: int = 10, mtime: int = 1, inode: int = 7) -> Fingerprint:
    return Fingerprint(size, mtime, inode, 1)


def test_a_quiet_whole_file_is_ripe_after_settle() -> None:
    one = Settling(mark(), since=0.0, settle=2.0)
    assert one.ripeness(1.9) is Ripeness.WAIT
    assert one.ripeness(2.0) is Ripeness.LOOK
    one.ends(whole=True)
    assert one.ripeness(2.0) is Ripeness.RIPE


def test_a_file_that_stops_in_the_middle_of_a_line_waits_ten_times_as_long() -> None:
    one = Settling(mark(), since=0.0, settle=2.0)
    one.ends(whole=False)
    assert one.ripeness(19.9) is Ripeness.WAIT
    assert one.ripeness(20.0) is Ripeness.RIPE


def test_every_change_and_every_event_starts_the_time_again() -> None:
    for changed in (mark(size=11), mark(mtime=2), mark(inode=8)):
        one = Settling(mark(), since=0.0, settle=2.0)
        one.ends(whole=True)
        assert not one.seen(mark(), 1.0)
        assert one.seen(changed, 1.5)
        assert one.ripeness(3.0) is Ripeness.WAIT
        assert one.whole is None
    one = Settling(mark(), since=0.0, settle=2.0)
    one.seen(mark(), 1.5, event=True)
    assert one.ripeness(3.0) is Ripeness.WAIT
    one.seen(mark(), 3.0)
    assert one.ripeness(3.5) is Ripeness.LOOK


@given(
    st.lists(st.tuples(st.floats(0.01, 5), st.integers(1, 3), st.booleans()), max_size=30),
    st.floats(0, 3),
    st.booleans(),
)
def test_ripe_means_quiet_for_settle_and_due_is_when_it_gets_ripe(
    looks: list[tuple[float, int, bool]], settle: float, whole: bool
) -> None:
    now, last_change = 0.0, 0.0
    size = 1
    one = Settling(mark(size), now, settle)
    for pause, new_size, event in looks:
        now += pause
        if event or new_size != size:
            last_change, size = now, new_size
        one.seen(mark(size), now, event=event)
        if one.ripeness(now) is Ripeness.LOOK:
            one.ends(whole=whole)
        if one.ripeness(now) is Ripeness.RIPE:
            assert now - last_change >= settle * (1 if whole else 10) - 1e-6
    one.ends(whole=whole)
    assert one.ripeness(one.due + 1e-6) is Ripeness.RIPE


def test_what_ends_like_a_finished_file() -> None:
    assert seems_finished("a.tsv", 5, b"x\ty\n")
    assert seems_finished("a.tsv", 5, b"x\ty\r")
    assert seems_finished("a.csv", 6, b"x,y\r\n")
    assert seems_finished("utf16.tsv", 6, b"x\0\n\0")
    assert not seems_finished("a.tsv", 3, b"x\ty")
    assert not seems_finished("a.tsv", 0, b"")
    assert seems_finished("a.json", 4, b"[{}]")
    assert seems_finished("a.JSON", 4, b"{}\n ")
    assert not seems_finished("a.json", 4, b'[{"a": 1},\n')
    assert seems_finished("a.tsv.gz", 9, b"\x1f\x8b")
