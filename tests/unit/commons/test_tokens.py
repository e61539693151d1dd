"""One token for all threads, renewed ahead of need, and what happens when there is none."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from gen3sync.commons.exchange import Token
from gen3sync.commons.replies import Broken, BrokenCause, Forbidden, Unauthorised
from gen3sync.commons.tokens import TokenManager
from gen3sync.errors import ConfigError, CredentialsError, UnreachableError
from tests.unit.commons.support import (
    PROJECT,
    TOKEN_PATH,
    House,
    Reply,
    Seen,
    as_json,
    fence_page,
    house,
    make_key,
    save_key,
)

DYING = "Cannot issue an access token that would expire after the provided API key does. Please obtain a new API key"


def _fifty(home: House) -> list[object]:
    """What fifty threads get that ask at the same moment."""
    start = threading.Barrier(50)

    def ask(_: int) -> object:
        start.wait()
        try:
            return home.tokens.token().value
        except (UnreachableError, CredentialsError) as error:
            return str(error)

    with ThreadPoolExecutor(50) as pool:
        return list(pool.map(ask, range(50)))


def test_fifty_threads_make_one_request(home: House) -> None:
    assert len(set(_fifty(home))) == 1
    assert home.site.count(TOKEN_PATH) == 1


def test_fifty_threads_finding_an_expired_token_make_one_request(home: House) -> None:
    first = home.tokens.token().value
    home.clock.advance(3600)
    renewed = set(_fifty(home))
    assert len(renewed) == 1
    assert first not in renewed
    assert home.site.count(TOKEN_PATH) == 2


def test_a_key_that_takes_the_place_of_another_is_used_at_once(home: House) -> None:
    first = home.tokens.token().value
    save_key(home.key_file, home.site.key(sub="8"))
    second = home.tokens.token().value
    assert second != first
    assert home.tokens.subject == "8"
    save_key(home.key_file, "half a ke")
    assert [home.tokens.token().value for _ in range(3)] == [second] * 3
    assert home.tokens.status().problem
    assert home.site.count(TOKEN_PATH) == 2


def test_fifty_threads_share_a_failure(home: House) -> None:
    home.site.answer = lambda seen: Reply(503, b'{ "error": "service failure - try again later"}')
    said = set(_fifty(home))
    assert len(said) == 1
    assert "503" in str(said)
    assert "service failure" in str(said)
    assert home.site.count(TOKEN_PATH) == 1


def test_a_dead_fence_is_not_hammered(home: House) -> None:
    home.site.answer = lambda seen: Reply(502)
    pauses = []
    for _ in range(9):
        asked = home.site.count(TOKEN_PATH)
        waited = 0.0
        while home.site.count(TOKEN_PATH) == asked:
            with pytest.raises(UnreachableError):
                home.tokens.token()
            home.clock.advance(0.5)
            waited += 0.5
        pauses.append(waited)
    assert pauses[0] <= 1
    assert pauses == sorted(pauses)
    assert 30 <= pauses[-1] <= 61


def test_retry_after_is_kept(home: House) -> None:
    home.site.answer = lambda seen: Reply(429, b"", {"Retry-After": "40"})
    with pytest.raises(UnreachableError):
        home.tokens.token()
    home.serve(as_json({}))
    home.clock.advance(39)
    with pytest.raises(UnreachableError):
        home.tokens.token()
    home.clock.advance(2)
    assert home.tokens.token().value


def test_a_person_who_says_retry_does_not_wait(home: House) -> None:
    home.site.answer = lambda seen: Reply(502)
    with pytest.raises(UnreachableError):
        home.tokens.token()
    home.serve(as_json({}))
    home.tokens.forget_failure()
    assert home.tokens.token().value


def test_a_new_key_is_tried_at_once(home: House) -> None:
    home.site.answer = lambda seen: fence_page(401, "[401] - blacklisted")
    with pytest.raises(CredentialsError):
        home.tokens.token()
    home.serve(as_json({}))
    assert not home.tokens.refused_key_is_gone()
    save_key(home.key_file, home.site.key(lifetime=86400))
    assert home.tokens.refused_key_is_gone()
    assert home.tokens.mended == 0
    assert home.tokens.token().value
    assert not home.tokens.refused_key_is_gone()
    assert home.tokens.mended == 1
    home.tokens.drop(home.tokens.token().value)
    assert home.tokens.token().value
    assert home.tokens.mended == 1, "nothing had failed"
    assert home.tokens.status().key_expires_at == home.clock.now() + timedelta(days=1)


@pytest.mark.parametrize("ahead", [-3600, 0, 3600])
def test_the_commons_clock_counts_not_ours(home: House, ahead: float) -> None:
    """The server's clock differs by `ahead` seconds; a token of an hour is still a token of an hour."""
    theirs = type(home.clock)(home.clock.now() + timedelta(seconds=ahead))
    home.site.clock = theirs
    save_key(home.key_file, home.site.key())
    token = home.tokens.token()
    assert token.lifetime == pytest.approx(3600, abs=1.5)
    assert home.tokens.status().clock_skew == pytest.approx(ahead, abs=1.5)
    home.clock.advance(3500)
    assert home.tokens.token().value == token.value
    home.clock.advance(90)
    theirs.advance(3590)
    assert home.tokens.token().value != token.value


def test_a_clock_that_is_set_loses_no_token_and_uses_no_dead_one(home: House) -> None:
    token = home.tokens.token()
    home.clock.jump(-7200)
    assert home.tokens.token().value == token.value
    home.clock.jump(7200)
    home.clock.advance(3600)
    home.clock.jump(-7200)
    assert home.tokens.token().value != token.value


def test_renewed_before_need(home: House) -> None:
    assert not home.tokens.renew_if_due()  # nobody needed one yet
    first = home.tokens.token()
    assert not home.tokens.renew_if_due()
    home.clock.advance(3001)
    assert home.tokens.token().value == first.value
    assert home.tokens.renew_if_due()
    assert home.tokens.token().value != first.value
    assert home.site.count(TOKEN_PATH) == 2


def test_a_failed_renewal_ahead_of_need_keeps_the_token(home: House) -> None:
    first = home.tokens.token()
    home.clock.advance(3001)
    home.site.answer = lambda seen: Reply(502)
    assert not home.tokens.renew_if_due()
    assert home.tokens.token().value == first.value
    assert "502" in str(home.tokens.status().problem)


def test_short_tokens_are_used_too(home: House) -> None:
    home.site.lifetime = 5
    first = home.tokens.token()
    home.clock.advance(2)
    assert home.tokens.token().value == first.value
    home.clock.advance(2)
    assert home.tokens.renew_if_due()


def test_a_401_drops_the_token_and_repeats_once(home: House) -> None:
    refused = home.tokens.token().value
    home.serve(lambda seen: as_json({"message": "expired"}, 401) if seen.token == refused else as_json({"links": []}))
    assert home.client.programs() == ()
    assert [seen.path for seen in home.site.seen[1:]] == ["/api/v0/submission/", TOKEN_PATH, "/api/v0/submission/"]


def test_a_401_with_a_fresh_token_is_unauthorised(home: House) -> None:
    home.serve(as_json({"code": 401, "error": "request to arborist failed"}, 401))
    assert home.client.programs() == Unauthorised("request to arborist failed")
    assert home.site.count("/api/v0/submission/") == 2


def test_a_401_after_another_thread_renewed_asks_for_no_new_token(home: House) -> None:
    refused = home.tokens.token().value

    def answer(seen: Seen) -> Reply:
        if seen.token != refused:
            return as_json({"links": []})
        home.tokens.drop(refused)  # the other thread: it was refused first,
        home.tokens.token()  # and has a new token already
        return as_json({"message": "expired"}, 401)

    home.serve(answer)
    assert home.client.programs() == ()
    assert home.site.count(TOKEN_PATH) == 2


def test_a_403_is_an_answer(home: House) -> None:
    home.serve(as_json({"message": "You don't have access to this resource: user is unauthorized"}, 403))
    assert isinstance(home.client.programs(), Forbidden)
    assert home.site.count("/api/v0/submission/") == 1
    assert home.site.count(TOKEN_PATH) == 1


def test_in_the_keys_last_hour_shorter_tokens_are_asked_for(home: House) -> None:
    save_key(home.key_file, home.site.key(lifetime=1800))
    token = home.tokens.token()
    assert home.site.seen[0].query == {"expires_in": "1790"}
    assert token.lifetime == pytest.approx(1790, abs=1)
    home.clock.advance(1760)
    assert not home.tokens.renew_if_due()  # it would gain nothing


def test_a_commons_that_gives_longer_tokens_is_understood(home: House) -> None:
    """fence refuses the plain request although the key has more than an hour: the sentence is recognised."""
    save_key(home.key_file, home.site.key(lifetime=7000))
    home.site.lifetime = 7200
    home.site.answer = lambda seen: home.site.token_reply(seen) if seen.query else fence_page(400, DYING)
    assert home.tokens.token().lifetime == pytest.approx(6990, abs=1)
    assert [seen.query for seen in home.site.seen] == [{}, {"expires_in": "6990"}]


def test_a_dying_key_seen_by_a_wrong_clock(home: House) -> None:
    """Our clock is behind: the key seems to have hours, the commons' Date says half an hour."""
    home.site.clock = type(home.clock)(home.clock.now() + timedelta(hours=5))
    save_key(home.key_file, home.site.key(lifetime=1800))
    home.site.answer = lambda seen: home.site.token_reply(seen) if seen.query else fence_page(400, DYING)
    assert home.tokens.token().lifetime == pytest.approx(1790, abs=2)


@pytest.mark.parametrize(
    ("lifetime", "status", "page", "says"),
    [
        (-60, 401, "[401] - Authentication Error: Signature has expired", "expired on 2025-12-31 23:59 UTC"),
        (86400, 401, "[401] - token is blacklisted", "was revoked"),
        (86400, 401, "[401] - Not enough segments", "Not enough segments"),
        (86400, 400, "Please provide an api_key in payload", "Please provide an api_key"),
    ],
)
def test_a_bad_key_is_named_with_its_remedy(home: House, lifetime: float, status: int, page: str, says: str) -> None:
    save_key(home.key_file, home.site.key(lifetime=lifetime))
    home.site.answer = lambda seen: fence_page(status, page)
    with pytest.raises(CredentialsError) as caught:
        home.tokens.token()
    assert says in caught.value.what
    assert f"{home.site.url}/identity" in caught.value.remedy
    assert "<" not in str(caught.value)
    broken = home.client.programs()
    assert isinstance(broken, Broken)
    assert (broken.cause, broken.may_have_landed) == (BrokenCause.CREDENTIALS, False)
    assert home.site.count(TOKEN_PATH) == 1


def test_a_key_of_another_port_of_this_machine_is_refused_by_who_was_asked(home: House) -> None:
    save_key(home.key_file, home.site.key(iss="http://localhost:81/user"))
    home.site.answer = lambda seen: fence_page(401, "[401] - Signature verification failed")
    tokens = TokenManager(home.transport, home.source, home.clock, home.site.url)
    with pytest.raises(CredentialsError) as caught:
        tokens.token()
    assert caught.value.what.startswith(f"{home.site.url} does not accept the API key")
    assert caught.value.what.endswith("The key was issued by http://localhost:81.")


def test_no_token_means_nothing_was_sent(home: House) -> None:
    home.site.answer = lambda seen: Reply(503)
    reply = home.client.submit(PROJECT, b"x", content_type="text/tsv", document_name="d")
    assert isinstance(reply, Broken)
    assert not reply.may_have_landed
    assert [seen.path for seen in home.site.seen] == [TOKEN_PATH]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html><title>Log in</title></html>", {"Content-Type": "text/html"}),
        as_json({"access_token": "not a jwt"}),
        as_json({"token": 1}),
        as_json([]),
        Reply(200, b"{", {"Content-Type": "application/json"}),
    ],
)
def test_something_else_instead_of_a_token(home: House, reply: Reply) -> None:
    home.site.answer = lambda seen: reply
    with pytest.raises(UnreachableError, match=r"commons\.url"):
        home.tokens.token()


def test_the_key_goes_only_to_its_own_commons(tmp_path: Path) -> None:
    with house(tmp_path, url="https://other.example.org") as home:
        with pytest.raises(CredentialsError, match=r"issued by http://127\.0\.0\.1"):
            home.tokens.token()
        assert home.site.seen == []


def test_a_new_key_of_another_commons_is_refused_not_followed(home: House) -> None:
    home.tokens.token()
    key = make_key("https://other.example.org", home.clock.now() + timedelta(days=1))
    save_key(home.key_file, {"api_key": key, "key_id": "k"})
    home.clock.advance(3600)
    with pytest.raises(CredentialsError, match=r"issued by https://other\.example\.org"):
        home.tokens.token()
    assert home.client.url == home.site.url


def test_plain_http_is_for_loopback(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plain http"), house(tmp_path, url="http://commons.example.org"):
        pass


def test_a_token_is_put_on_requests_to_the_commons_only(home: House) -> None:
    import requests

    from gen3sync.commons.transport import NoTokenError

    request = requests.Request("GET", "http://127.0.0.1:1/elsewhere", auth=home.tokens)
    with pytest.raises(NoTokenError):
        request.prepare()


def test_repr_and_str_hide(home: House) -> None:
    token = home.tokens.token()
    assert isinstance(token, Token)
    shown = f"{token!r} {token} {home.tokens!r} {home.tokens.status()!r} {home.source.load()!r}"
    assert token.value not in shown
    assert home.source.load().value not in shown
