"""Where messages go, and that nobody reads it anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from gen3sync import redaction
from gen3sync.config import NotifySettings
from gen3sync.errors import ConfigError
from gen3sync.notify.targets import find_targets

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
MAIL = "mailto://lab:correct%20horse@mail.example.org/?to=ann@example.org"


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_secrets", set())


def settings(*urls: str, file: Path | None = None) -> NotifySettings:
    return NotifySettings(urls=tuple(SecretStr(url) for url in urls), urls_file=file)


def test_nothing_is_configured() -> None:
    assert find_targets(settings(), {}) == ()


def test_from_the_configuration_and_its_file_each_once(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text(f"# ours\n{SLACK}\n\n  {MAIL}\n")
    file.chmod(0o600)
    targets = find_targets(settings(SLACK, file=file), {"GEN3SYNC_NOTIFY_URLS": "json://elsewhere"})
    assert [target.label for target in targets] == ["slack (1)", "mailto (2)"]


def test_from_the_environment_then_from_systemd(tmp_path: Path) -> None:
    (tmp_path / "notify-urls").write_text(MAIL)
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    (tmp_path / "notify-urls").chmod(0o440)
    assert [target.url for target in find_targets(settings(), env)] == [MAIL]
    assert [target.url for target in find_targets(settings(), env | {"GEN3SYNC_NOTIFY_URLS": f"{SLACK} "})] == [SLACK]


@pytest.mark.parametrize(("mode", "text"), [(0o644, MAIL), (0o600, "tops3cret"), (0o600, f"{SLACK[8:]} x")])
def test_a_file_that_will_not_do_is_told_without_its_words(tmp_path: Path, mode: int, text: str) -> None:
    file = tmp_path / "urls"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        find_targets(settings(file=file), {})
    assert text not in str(caught.value)
    assert str(file) in str(caught.value)
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        find_targets(settings(file=file), {})


def test_addresses_and_their_secrets_are_hidden_wherever_they_turn_up() -> None:
    targets = find_targets(settings(SLACK, MAIL, "json://127.0.0.1:8080/hooks/x"), {})
    for text in (SLACK, MAIL, "TIiajkdnlazkcOXrIdevi7FQ", "T1JJ3T3L2", "correct horse", "correct%20horse"):
        assert text not in redaction.redact(f"POST {text} failed")
    assert redaction.redact("127.0.0.1 mail.example.org") == "127.0.0.1 mail.example.org"
    assert "T1JJ" not in repr(targets)
    assert len({target.mark for target in targets}) == 3
