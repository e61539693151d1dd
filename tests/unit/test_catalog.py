"""What is known of the commons: renewed when old, kept through outages and restarts, and honest about its age."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gen3sync.catalog import Catalog
from gen3sync.errors import Gen3SyncError, UnreachableError
from gen3sync.names import Project
from tests.unit.commons.support import House, Reply, Seen, as_json, house, save_key

DICTIONARY = {
    "case": {
        "id": "case",
        "category": "administrative",
        "properties": {
            "type": {"type": "string"},
            "project_id": {"type": "string"},
            "submitter_id": {"type": "string"},
        },
        "links": [],
        "required": ["submitter_id", "type"],
    }
}
RIGHTS = {"/programs/DEV": [{"service": "*", "method": "*"}], "/programs/OPEN": [{"service": "*", "method": "read"}]}


def _commons(seen: Seen) -> Reply:
    match seen.path:
        case "/api/v0/submission/_dictionary/_all":
            return as_json(DICTIONARY)
        case "/api/v0/submission/":
            return as_json({"links": ["/v0/submission/DEV", "/v0/submission/OPEN", "/v0/submission/SHUT"]})
        case "/api/v0/submission/DEV":
            return as_json({"links": ["/v0/submission/DEV/test", "/v0/submission/DEV/.."]})
        case "/api/v0/submission/OPEN":
            return as_json({"links": ["/v0/submission/OPEN/data"]})
        case "/api/v0/submission/SHUT":
            return as_json({"message": "no"}, 403)
        case "/user/user":
            return as_json({"username": "u", "email": "e", "authz": RIGHTS})
        case "/api/_version":
            return as_json({"version": "5", "commit": "c", "dictionary": {"version": "1", "commit": "d"}})
        case _:
            return Reply(404)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        built.serve(_commons)
        yield built


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir()
    return made


def _everything(catalog: Catalog) -> tuple[object, ...]:
    return (
        tuple(catalog.dictionary().nodes),
        catalog.projects(),
        catalog.readable(),
        catalog.writable(),
        catalog.user().username,
        catalog.version().version,
    )


KNOWN = (
    ("case",),
    (Project("DEV", "test"), Project("OPEN", "data")),
    (Project("DEV", "test"), Project("OPEN", "data")),
    (Project("DEV", "test"),),
    "u",
    "5",
)


def test_what_is_known(home: House, folder: Path) -> None:
    catalog = Catalog(home.client, home.clock, folder)
    assert [part.fetched_at for part in catalog.knowledge()] == [None] * 4
    assert _everything(catalog) == KNOWN
    asked = len(home.site.seen)
    home.clock.advance(3599)
    assert _everything(catalog) == KNOWN
    assert len(home.site.seen) == asked
    home.clock.advance(2)
    catalog.version()
    assert home.site.seen[asked].path == "/api/_version"


def test_projects_with_names_that_cannot_be_used_are_told_apart(home: House, folder: Path) -> None:
    catalog = Catalog(home.client, home.clock, folder)
    assert catalog.unusable() == (Project("DEV", ".."),)
    assert Project("DEV", "..") not in catalog.projects()


def test_kept_through_an_outage_and_a_restart(home: House, folder: Path) -> None:
    Catalog(home.client, home.clock, folder).refresh()
    fetched = home.clock.now()
    home.serve(Reply(502))
    home.clock.advance(86400)
    catalog = Catalog(home.client, home.clock, folder)
    assert _everything(catalog) == KNOWN
    knowledge = catalog.knowledge()
    assert {part.fetched_at for part in knowledge} == {fetched}
    assert all("502" in str(part.problem) for part in knowledge)
    asked = len(home.site.seen)
    assert _everything(catalog) == KNOWN  # not asked again at once
    assert len(home.site.seen) == asked
    home.serve(_commons)
    home.clock.advance(61)
    assert _everything(catalog) == KNOWN
    assert {part.problem for part in catalog.knowledge()} == {None}
    assert {part.fetched_at for part in catalog.knowledge()} == {fetched + timedelta(seconds=86461)}


def test_nothing_known_at_all(home: House, folder: Path) -> None:
    home.serve(Reply(502))
    catalog = Catalog(home.client, home.clock, folder)
    with pytest.raises(UnreachableError, match="502"):
        catalog.dictionary()
    with pytest.raises(UnreachableError):
        catalog.projects()


def test_a_fresh_file_saves_asking(home: House, folder: Path) -> None:
    Catalog(home.client, home.clock, folder).refresh()
    asked = len(home.site.seen)
    home.clock.advance(1800)
    assert _everything(Catalog(home.client, home.clock, folder)) == KNOWN
    assert len(home.site.seen) == asked


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"commons": 1, "fetched_at": 5, "data": 5}'])
def test_a_damaged_file_is_fetched_again(home: House, folder: Path, text: str) -> None:
    Catalog(home.client, home.clock, folder).refresh()
    for path in folder.iterdir():
        path.write_text(text)
    assert _everything(Catalog(home.client, home.clock, folder)) == KNOWN


def test_a_file_of_another_commons_is_not_used(home: House, folder: Path) -> None:
    Catalog(home.client, home.clock, folder).refresh()
    path = folder / "projects.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "commons": "https://other.example.org"}))
    home.serve(Reply(502))
    with pytest.raises(UnreachableError):
        Catalog(home.client, home.clock, folder).projects()


def test_the_person_is_asked_for_anew_when_the_key_is_another_person_s(home: House, folder: Path) -> None:
    catalog = Catalog(home.client, home.clock, folder)
    assert catalog.user().username == "u"
    asked = len(home.site.seen)
    save_key(home.key_file, home.site.key(sub="7", azp="a new key of the same person"))
    assert catalog.user().username == "u"
    assert len(home.site.seen) == asked
    home.serve(lambda seen: as_json({"username": "v", "email": "w", "authz": RIGHTS}))
    save_key(home.key_file, home.site.key(sub="8"))
    home.client.tokens.token()
    assert catalog.user().username == "v"
    assert Catalog(home.client, home.clock, folder).user().username == "v"


def test_a_dictionary_that_is_none_does_not_replace_a_good_one(home: House, folder: Path) -> None:
    catalog = Catalog(home.client, home.clock, folder)
    catalog.refresh()
    home.serve(as_json({}))
    catalog.refresh()
    assert tuple(catalog.dictionary().nodes) == ("case",)
    assert any(part.problem for part in catalog.knowledge())


def test_a_disk_that_is_full_is_only_told(home: House, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder.rmdir()
    with caplog.at_level(logging.WARNING):
        assert _everything(Catalog(home.client, home.clock, folder)) == KNOWN
    assert "not kept on disk" in caplog.text


def test_many_threads_ask_once(home: House, folder: Path) -> None:
    catalog = Catalog(home.client, home.clock, folder)
    start = threading.Barrier(10)
    found: list[int] = []

    def ask() -> None:
        start.wait()
        found.append(len(catalog.dictionary().nodes))

    workers = [threading.Thread(target=ask) for _ in range(10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [1] * 10
    assert home.site.count("/api/v0/submission/_dictionary/_all") == 1


def test_unknown_rights_open_reading_but_not_writing(home: House, folder: Path) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.path == "/user/user":
            return as_json({"username": "u", "email": "e", "authz": {}})
        return Reply(502) if seen.path == "/authz/mapping" else _commons(seen)

    home.serve(answer)
    catalog = Catalog(home.client, home.clock, folder)
    assert len(catalog.readable()) == 2
    assert catalog.writable() == ()


def test_no_rights_at_all_are_known_when_the_authority_says_so(home: House, folder: Path) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.path == "/user/user":
            return as_json({"username": "u", "email": "e", "authz": {}})
        return as_json({}) if seen.path == "/authz/mapping" else _commons(seen)

    home.serve(answer)
    Catalog(home.client, home.clock, folder).refresh()
    home.serve(Reply(502))
    catalog = Catalog(home.client, home.clock, folder)
    assert catalog.permissions().known
    assert catalog.readable() == ()


def test_no_credentials(home: House, folder: Path) -> None:
    home.key_file.unlink()
    with pytest.raises(Gen3SyncError, match="does not exist"):
        Catalog(home.client, home.clock, folder).projects()
