"""The container file that ships can be built from the tree, runs what there is, and not as root."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import tomli

from gen3sync.cli import VERBS
from gen3sync.config import load_settings

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "systemd/container"
HOW_TO = ROOT / "docs/how-to/run-in-a-container.md"


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its words, long lines joined."""
    text = (FOLDER / "Containerfile").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ").splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines if line.strip()]


def last(name: str) -> str:
    return [words for instruction, words in instructions() if instruction == name][-1]


def test_what_is_copied_exists_and_is_all_that_building_needs() -> None:
    copied = set()
    for instruction, words in instructions():
        if instruction == "COPY" and not words.startswith("--from"):
            *sources, _target = words.split()
            copied |= set(sources)
    assert not [source for source in copied if not (ROOT / source).exists()]
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        *("pyproject.toml", project["project"]["readme"], *project["project"]["license-files"], *wheel["packages"]),
        *wheel["force-include"],
        *wheel["shared-data"],
    }
    assert not [path for path in needed if not any(path == one or path.startswith(f"{one}/") for one in copied)]


def test_it_runs_the_daemon_and_not_as_root() -> None:
    assert json.loads(last("ENTRYPOINT")) == ["gen3sync"]
    (verb,) = json.loads(last("CMD"))
    assert verb in VERBS
    user, group = last("USER").split(":")
    assert user.isdigit()
    assert int(user) > 0
    assert int(group) > 0
    after = [name for name, _ in instructions()][::-1].index("USER")
    assert "RUN" not in [name for name, _ in instructions()][-after:], "nothing is installed by the user it runs as"
    assert last("STOPSIGNAL") == "SIGTERM"
    assert "gen3sync status" in last("HEALTHCHECK")


def test_no_secret_and_no_configuration_is_in_the_image() -> None:
    text = (FOLDER / "Containerfile").read_text(encoding="utf-8")
    assert not re.search(r"GEN3_API_KEY|credentials\.json|ADD ", text)
    assert "CREDENTIALS_DIRECTORY=/run/secrets" in text


def test_the_sample_configuration_lies_in_the_volumes() -> None:
    settings = load_settings(FOLDER / "gen3sync.toml", {})
    volumes = [Path(volume) for volume in json.loads(last("VOLUME"))]
    outbox = settings.outbox
    for folder in (outbox.path, outbox.sent, outbox.rejected, settings.inbox.path, settings.state.path):
        assert any(folder.is_relative_to(volume) for volume in volumes), folder


def test_the_quadlet_and_the_page_say_the_same() -> None:
    quadlet = (FOLDER / "gen3sync.container").read_text(encoding="utf-8")
    page = HOW_TO.read_text(encoding="utf-8")
    for words in (
        *("keep-id:uid=1000,gid=1000", "api-key,type=mount,mode=0400,uid=1000,gid=1000"),
        *(":/data:Z", ":/state:Z", ":/etc/gen3sync/gen3sync.toml:ro,Z", "localhost/gen3sync"),
    ):
        assert words in quadlet
        assert words in page
    (user, _group) = last("USER").split(":")
    assert f"uid={user}" in quadlet
    assert "TimeoutStopSec=90" in quadlet
    assert "--stop-timeout 90" in page


@pytest.mark.parametrize("name", ["Containerfile", "gen3sync.container", "gen3sync.toml"])
def test_the_page_names_each_file(name: str) -> None:
    assert f"systemd/container/{name}" in HOW_TO.read_text(encoding="utf-8")
