"""The three pages: alive, ready, and all figures."""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus

import pytest

from gen3sync import redaction
from gen3sync.clock import ManualClock
from gen3sync.metrics.pages import Page, Question
from gen3sync.metrics.site import Site
from gen3sync.status import CommonsStatus, DaemonState, InboxStatus, MirrorStatus
from tests.unit.metrics.exposition import read
from tests.unit.metrics.shown import NOW, Beats, at, busy, status


class Stand:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.beats = Beats()
        self.site = Site(self.clock, self.beats)

    def ask(self, target: str, method: str = "GET", **headers: str) -> Page:
        return self.site.pages.answer(Question(method, target, headers))

    def text(self, target: str) -> tuple[int, str]:
        page = self.ask(target)
        return int(page.status), page.body.decode()


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_a_daemon_that_starts_is_alive_and_not_ready(stand: Stand) -> None:
    assert stand.text("/healthz") == (200, "alive\n")
    assert stand.text("/readyz") == (503, "not ready: the daemon is starting\nhealth: down\n- the daemon is starting\n")


def test_a_daemon_that_is_well(stand: Stand) -> None:
    stand.site.picture.show(status(), ())
    assert stand.text("/healthz") == (200, "alive\n")
    assert stand.text("/readyz") == (200, "ready\nhealth: well\n")
    page = stand.ask("/metrics?x=1")
    assert page.media_type.startswith("text/plain; version=0.0.4")
    assert "gen3sync_ready" in read(page.body.decode())


def test_a_commons_that_does_not_answer_is_no_reason_to_take_no_files(stand: Stand) -> None:
    stand.site.picture.show(replace(status(), commons=CommonsStatus("https://c", reachable=False, problem="gone")), ())
    assert stand.text("/readyz") == (200, "ready\nhealth: degraded\n- the commons does not answer: gone\n")


@pytest.mark.parametrize("state", [DaemonState.STARTING, DaemonState.STOPPING, DaemonState.STOPPED])
def test_a_daemon_that_comes_or_goes_is_not_ready(stand: Stand, state: DaemonState) -> None:
    stand.site.picture.show(status(state), ())
    code, text = stand.text("/readyz")
    assert code == 503
    assert text.startswith(f"not ready: the daemon is {state}\n")


def test_what_keeps_files_from_being_taken(stand: Stand) -> None:
    stand.site.picture.show(status(problem="/srv/outbox is gone"), ("/srv/outbox is gone",))
    assert stand.text("/healthz")[0] == 200
    assert stand.text("/readyz") == (
        503,
        "not ready: /srv/outbox is gone\nhealth: degraded\n- /srv/outbox is gone\n",
    )


def test_a_hung_loop_is_neither_alive_nor_ready(stand: Stand) -> None:
    stand.site.picture.show(status(), ())
    stand.beats.late = ("lane DEV/test",)
    assert stand.text("/healthz") == (503, "no sign of life from lane DEV/test\n")
    assert stand.text("/readyz")[0] == 503


def test_a_main_loop_that_says_nothing_any_more_is_missed(stand: Stand) -> None:
    stand.site.picture.show(status(), ())
    stand.clock.advance(59)
    assert stand.text("/healthz")[0] == 200
    stand.clock.advance(2)
    assert stand.text("/healthz") == (503, "no sign of life from main\n")
    assert "has not written its status for 61 s" in stand.text("/readyz")[1]


def test_a_reload_may_take_its_time(stand: Stand) -> None:
    stand.site.picture.show(status(), ())
    stand.site.picture.expect(300)
    stand.clock.advance(200)
    assert stand.text("/healthz")[0] == 200
    stand.clock.advance(101)
    assert stand.text("/healthz")[0] == 503


def test_a_wall_clock_that_jumps_kills_nobody(stand: Stand) -> None:
    stand.site.picture.show(status(), ())
    stand.clock.jump(86_400)
    assert stand.text("/healthz")[0] == 200
    assert stand.text("/readyz") == (200, "ready\nhealth: well\n")


def test_as_json(stand: Stand) -> None:
    stand.site.picture.show(busy(), ("the ledger is full",))
    page = stand.ask("/readyz", accept="application/json")
    told = json.loads(page.body)
    assert (page.status, page.media_type) == (HTTPStatus.SERVICE_UNAVAILABLE, "application/json")
    assert told["ready"] is False
    assert told["not_ready"] == ["the ledger is full"]
    assert told["health"] == "degraded"
    assert "the commons does not answer: no answer" in told["reasons"]
    alive = json.loads(stand.ask("/healthz", accept="application/json, text/plain").body)
    assert alive["alive"] is True
    assert alive["silent"] == []


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain, application/json", "text/html"])
def test_text_where_json_is_not_wanted_first(stand: Stand, accept: str) -> None:
    assert stand.ask("/healthz", accept=accept).media_type.startswith("text/plain")


def test_what_is_not_there(stand: Stand) -> None:
    for target in ("/", "/metrics/", "/status.json", "//metrics", "/../metrics"):
        assert stand.ask(target).status == HTTPStatus.NOT_FOUND
    page = stand.ask("/metrics", "POST")
    assert (page.status, page.allow) == (HTTPStatus.METHOD_NOT_ALLOWED, "GET, HEAD")


def test_no_secret_is_said_on_any_page(stand: Stand) -> None:
    redaction.register("a-very-secret-word")
    try:
        jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
        mirror = MirrorStatus(f"DEV/{jwt}/case.tsv", "a-very-secret-word", "case", "tsv", "updated", at(0), 1, 1)
        shown = replace(
            status(problem=f"refused: Authorization: bearer {jwt}"),
            inbox=InboxStatus("/in", (mirror,), ("a-very-secret-word matches nothing",)),
        )
        stand.site.picture.show(shown, ("a-very-secret-word",))
        said = stand.ask("/metrics").body + stand.ask("/readyz").body
        said += stand.ask("/readyz", accept="application/json").body
        assert b"a-very-secret-word" not in said
        assert b"eyJ" not in said
        assert read(stand.ask("/metrics").body.decode())["gen3sync_mirror_rows"].samples
    finally:
        redaction.forget("a-very-secret-word")


def test_prose_of_a_server_stays_on_its_line(stand: Stand) -> None:
    stand.site.picture.show(status(problem="one\ntwo\x1b[2J"), ())
    assert "- one\n" in stand.text("/readyz")[1]
    assert "\x1b" not in stand.text("/readyz")[1]
