"""When GraphQL is waited for, when it is given up, and when it is looked at again."""

from __future__ import annotations

from gen3sync.clock import ManualClock
from gen3sync.outbox.backoff import LOOK_AGAIN
from gen3sync.outbox.graphql import PATIENCE, TRIES, GraphqlWatch


def watch() -> tuple[GraphqlWatch, ManualClock, list[str]]:
    clock, told = ManualClock(), list[str]()
    return GraphqlWatch(clock, told.append), clock, told


def fail(it: GraphqlWatch, clock: ManualClock) -> float:
    return it.failed("502", clock.monotonic()).wait


def test_it_is_given_up_after_a_few_tries_and_a_minute() -> None:
    it, clock, told = watch()
    tries = 0
    while not it.given_up:
        assert clock.monotonic() < PATIENCE + 20
        wait = fail(it, clock)
        tries += 1
        clock.advance(wait)
    assert tries >= TRIES
    assert clock.monotonic() - wait >= PATIENCE
    assert len(told) == 1
    assert "GraphQL does not answer: 502" in told[0]


def test_questions_that_break_together_are_one_try() -> None:
    it, clock, _ = watch()
    for _n in range(10):
        fail(it, clock)
    clock.advance(PATIENCE)
    fail(it, clock)
    assert not it.given_up


def test_a_question_that_hung_counts_from_when_it_was_put() -> None:
    it, clock, _ = watch()
    for _n in range(TRIES):
        asked_at = clock.monotonic()
        clock.advance(PATIENCE)
        clock.advance(it.failed("timeout", asked_at).wait)
    assert it.given_up


def test_one_answer_ends_a_doubt() -> None:
    it, clock, told = watch()
    fail(it, clock)
    assert (it.doubted, it.pause() is None) == (True, False)
    it.answered()
    assert (it.doubted, it.pause() is None) == (False, True)
    clock.advance(PATIENCE * 2)
    fail(it, clock)
    assert not it.given_up
    assert told == []


def test_given_up_it_is_looked_at_by_one_and_now_and_then() -> None:
    it, clock, told = watch()
    it.at_once()
    fail(it, clock)
    assert it.given_up
    assert not it.may_look()
    clock.advance(LOOK_AGAIN)
    assert [it.may_look(), it.may_look()] == [True, False]
    fail(it, clock)
    clock.advance(LOOK_AGAIN)
    assert it.may_look()
    it.answered()
    assert not it.given_up
    assert told[-1] == "GraphQL answers again."
    assert len(told) == 2


def test_a_commons_that_is_down_as_a_whole_gives_no_reason() -> None:
    it, clock, _ = watch()
    fail(it, clock)
    clock.advance(PATIENCE * 10)
    it.all_down()
    assert it.doubted
    assert it.pause() is None
    fail(it, clock)
    assert not it.given_up
