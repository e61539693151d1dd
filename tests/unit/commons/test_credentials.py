"""Where the key is found, and every way in which it cannot be used, each named with its remedy."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gen3sync.commons.credentials import CredentialsSource, check_issuer, parse_key
from gen3sync.errors import CredentialsError
from tests.unit.commons.support import make_key, make_token, save_key

ENDS = datetime(2026, 6, 1, tzinfo=UTC)
URL = "https://commons.example.org"


def _key(url: str = URL) -> dict[str, str]:
    return {"api_key": make_key(url, ENDS), "key_id": "k"}


def _source(tmp_path: Path, explicit: Path | None = None, **env: str) -> CredentialsSource:
    return CredentialsSource(explicit, {"HOME": str(tmp_path), **env})


def test_a_key_says_where_it_is_from_and_when_it_ends(tmp_path: Path) -> None:
    key = _source(tmp_path, save_key(tmp_path / "key", _key(f"{URL}:8443"))).load()
    assert (key.origin, key.expires_at, key.key_id) == ("https://commons.example.org:8443", ENDS, "k")


def test_the_order_of_places(tmp_path: Path) -> None:
    def at(name: str) -> dict[str, str]:
        return _key(f"https://{name}.example.org")

    (tmp_path / ".gen3").mkdir()
    (tmp_path / "credentials").mkdir()
    save_key(tmp_path / ".gen3" / "credentials.json", at("home"))
    save_key(tmp_path / "credentials" / "api-key", at("systemd"))
    variable = save_key(tmp_path / "variable", at("variable"))
    explicit = save_key(tmp_path / "explicit", at("explicit"))
    systemd = str(tmp_path / "credentials")

    def origin(source: CredentialsSource) -> str:
        return source.load().origin.removeprefix("https://").removesuffix(".example.org")

    assert origin(_source(tmp_path)) == "home"
    assert origin(_source(tmp_path, CREDENTIALS_DIRECTORY=systemd)) == "systemd"
    assert origin(_source(tmp_path, CREDENTIALS_DIRECTORY=systemd, GEN3_API_KEY=str(variable))) == "variable"
    assert origin(_source(tmp_path, CREDENTIALS_DIRECTORY=systemd, GEN3_API_KEY=json.dumps(at("json")))) == "json"
    everything = _source(tmp_path, explicit, CREDENTIALS_DIRECTORY=systemd, GEN3_API_KEY=str(variable))
    assert origin(everything) == "explicit"


def test_no_credentials_at_all(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="There is no API key") as caught:
        _source(tmp_path).load()
    assert f"chmod 600 {tmp_path}/.gen3/credentials.json" in caught.value.remedy
    assert _source(tmp_path).fingerprint() is None


def test_a_systemd_directory_without_the_key_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".gen3").mkdir()
    save_key(tmp_path / ".gen3" / "credentials.json", _key())
    assert _source(tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path / "none")).load().origin == URL


def test_read_again_when_the_file_changes(tmp_path: Path) -> None:
    path = save_key(tmp_path / "key", _key())
    source = _source(tmp_path, path)
    first = source.load()
    assert source.load() is first
    save_key(tmp_path / "new", _key("https://new.example.org")).rename(path)
    assert source.load().origin == "https://new.example.org"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = save_key(tmp_path / "key", _key(), mode)
    with pytest.raises(CredentialsError, match=f"mode {mode:04o}") as caught:
        _source(tmp_path, path).load()
    assert caught.value.remedy == f"Run: chmod 600 {path}"


@pytest.mark.parametrize(("mode", "fine"), [(0o400, True), (0o440, True), (0o444, False)])
def test_systemd_credentials_may_be_group_readable(tmp_path: Path, mode: int, fine: bool) -> None:
    save_key(tmp_path / "api-key", _key(), mode)
    source = _source(tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path))
    if fine:
        assert source.load().origin == URL
    else:
        with pytest.raises(CredentialsError, match="everybody"):
            source.load()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("{", "not valid JSON (line 1): it may have been saved only in part"),
        ("[]", "a JSON list"),
        ('{"key_id": "k"}', "has no api_key (it has: key_id)"),
        ('{"access_token": "x"}', "That is an access token, which lives an hour"),
        ('{"api_key": ""}', "has an api_key that is empty or no text"),
        ('{"api_key": 7}', "has an api_key that is empty or no text"),
        ('{"api_key": "not-a-jwt"}', "not a JWT: it is cut off"),
        (make_key(URL, ENDS), "a bare token without the JSON"),
        (json.dumps(make_key(URL, ENDS)), "a bare token without the JSON"),
        (make_token(ENDS), "an access token, not an API key"),
        (json.dumps({"api_key": make_token(ENDS)}), "an access token, not an API key"),
        (json.dumps({"api_key": make_key("", ENDS)}), "does not say which commons"),
        (json.dumps({"api_key": make_key("ftp://x", ENDS)}), "does not say which commons"),
        (json.dumps({"api_key": make_key(URL, ENDS)[:60]}), "not a JWT"),
    ],
)
def test_text_that_is_no_api_key(text: str, says: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        parse_key(text, "the-file")
    assert says in caught.value.what
    assert "the-file" in caught.value.what
    assert caught.value.remedy
    assert "eyJ" not in str(caught.value)


def test_files_that_are_no_credentials(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "huge").write_bytes(b"{" * 100_000)
    for name in ("binary", "huge"):
        (tmp_path / name).chmod(0o600)
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name, says in [
        ("binary", "not a text file"),
        ("huge", "too large"),
        ("fifo", "is not a file"),
        ("none", "does not exist"),
    ]:
        with pytest.raises(CredentialsError, match=says):
            _source(tmp_path, tmp_path / name).load()


@pytest.mark.parametrize(
    ("commons", "fine"),
    [
        ("https://commons.example.org", True),
        ("https://COMMONS.example.org:443/", True),
        ("https://commons.example.org:8443", False),
        ("http://commons.example.org", False),
        ("https://commons.example.org.evil.example", False),
    ],
)
def test_a_key_belongs_to_its_issuer(commons: str, fine: bool) -> None:
    key = parse_key(json.dumps(_key()), "f")
    if fine:
        check_issuer(key, commons)
    else:
        with pytest.raises(CredentialsError, match=r"issued by https://commons\.example\.org"):
            check_issuer(key, commons)


def test_two_names_of_this_machine_are_the_same() -> None:
    check_issuer(parse_key(json.dumps(_key("http://localhost:80")), "f"), "http://127.0.0.1:9000")
    with pytest.raises(CredentialsError):
        check_issuer(parse_key(json.dumps(_key()), "f"), "http://127.0.0.1:9000")
