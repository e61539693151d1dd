"""Each step of a refresh is refused (docs/reference/mirror-faults.md, "The steps before an export")."""

from __future__ import annotations

from pathlib import Path

import pytest

from gen3sync.errors import Gen3SyncError
from gen3sync.ledger import Outcome
from gen3sync.sandbox.faults import Kind
from tests.scenario.inbox_house import House, study
from tests.scenario.mirror_faults.kit import FILE, fresh, later, mirrored, read, same_as_commons, settled, truth

STEPS = {
    "token": "/user/credentials",
    "rights": "/user/user",
    "dictionary": "/_dictionary",
    "programs": "/api/v0/submission/$",
    "projects": "/api/v0/submission/DEV$",
    "graphql": "/graphql$",
    "export": "/export",
}
REASONS = {
    400: r"The commons refuses the export: no\. ",
    401: r"The export failed\. The commons does not accept the key's token: no\. Make a new API key",
    403: r"no\. The key has no read permission on the project \(any more\): ask for it again\. ",
    429: r"The export failed\. The commons is busy: 429 Too Many Requests\. Try again later\. ",
    404: r"The export failed\. no\. Check the name",
}
ANSWERS = (400, 401, 403, 404, 429, 500, 502, 503, 504)


def strike(h: House, step: str, status: int) -> None:
    h.sandbox.faults.answer(status, times=None, path=STEPS[step], body='{"message": "no"}' if status < 429 else None)


def renewed(h: House) -> None:
    """As after an hour: nothing of the commons is known from memory, and the token has ended."""
    h.catalog.refresh()


@pytest.mark.parametrize("status", ANSWERS)
def test_export_refused(tmp_path: Path, status: int) -> None:
    with settled(tmp_path) as (h, before):
        strike(h, "export", status)
        h.look()
        before.stands(h, Outcome.FAILED, REASONS.get(status, f"The commons .*{status}.*[.] "))
        h.sandbox.faults.clear()
        h.client.tokens.forget_failure()
        fresh(h)


@pytest.mark.parametrize("status", ANSWERS)
def test_token_refused(tmp_path: Path, status: int) -> None:
    """After a restart there is no token in memory; what was known of the commons is on disk."""
    with settled(tmp_path) as (h, before):
        strike(h, "token", status)
        h.restart()
        h.look()
        before.stands(h, Outcome.FAILED, "token|key|Key")
        assert read(h).mirror().stale is False, "two hours are not yet two intervals and a quarter of an hour"
        later(h)
        assert read(h).mirror().stale
        assert "1 mirror older than it should be" in read(h).reasons
        h.sandbox.faults.clear()
        h.client.tokens.forget_failure()
        fresh(h)


@pytest.mark.parametrize("status", ANSWERS)
def test_graphql_refused(tmp_path: Path, status: int) -> None:
    """GraphQL is an accelerator: without it the export alone decides."""
    with settled(tmp_path) as (h, _):
        strike(h, "graphql", status)
        fresh(h)
        assert h.exports() == 2
        assert h.look()[FILE].outcome is Outcome.UNCHANGED
        assert h.exports() == 3, "nothing is known, so it is exported again rather than believed unchanged"


@pytest.mark.parametrize("status", ANSWERS)
@pytest.mark.parametrize("step", ["rights", "dictionary"])
def test_what_is_known_of_the_commons_cannot_be_renewed(tmp_path: Path, step: str, status: int) -> None:
    """The mirrors go on with what was known; nothing is forgotten because it could not be asked."""
    with settled(tmp_path) as (h, _):
        strike(h, step, status)
        h.client.tokens.forget_failure()
        renewed(h)
        fresh(h)
        h.restart()
        assert h.look()[FILE].outcome is Outcome.UNCHANGED
        assert same_as_commons(h)


@pytest.mark.parametrize("status", ANSWERS)
@pytest.mark.parametrize("step", ["programs", "projects"])
def test_projects_refused(tmp_path: Path, step: str, status: int) -> None:
    """A refused list is no empty list, unless the commons says that the program is closed to us."""
    with settled(tmp_path) as (h, before):
        strike(h, step, status)
        renewed(h)
        if step == "projects" and status in (403, 404):
            h.look()
            before.stands(h, Outcome.GUARDED, "can no longer read DEV/test")
            h.sandbox.faults.clear()
            renewed(h)
        fresh(h)


LIES = {
    "an empty dictionary": ("dictionary", "{}"),
    "a dictionary of nothing that can be submitted": ("dictionary", '{"program": {"properties": {}}}'),
    "an error document for a dictionary": ("dictionary", '{"message": "try later"}'),
    "a web page for a dictionary": ("dictionary", None),
    "a web page for projects": ("projects", None),
    "an error document for projects": ("projects", '{"message": "try later"}'),
    "an error document for programs": ("programs", '{"message": "try later"}'),
    "a web page for rights": ("rights", None),
    "an empty document for rights": ("rights", "{}"),
    "a web page for GraphQL": ("graphql", None),
    "no data from GraphQL": ("graphql", '{"data": null}'),
    "GraphQL with errors": ("graphql", '{"data": {"project": []}, "errors": ["no"]}'),
}


@pytest.mark.parametrize("lie", LIES)
def test_200_and_yet_no_answer(tmp_path: Path, lie: str) -> None:
    step, body = LIES[lie]
    with settled(tmp_path) as (h, _):
        if body is None:
            h.sandbox.faults.add(Kind.HTML, times=None, path=STEPS[step])
        else:
            h.sandbox.faults.answer(200, times=None, path=STEPS[step], body=body, content_type="application/json")
        renewed(h)
        fresh(h)
        assert '"followed": true' in h.text("DEV/test/.gen3sync.json")


EMPTY = {
    "no programs": ("programs", '{"links": []}'),
    "no projects": ("projects", '{"links": []}'),
}


@pytest.mark.parametrize("lie", EMPTY)
def test_nothing_can_be_read_any_more(tmp_path: Path, lie: str) -> None:
    """It may be true, and it may be a commons half started: the mirrors stay, and say so."""
    step, body = EMPTY[lie]
    with settled(tmp_path) as (h, before):
        h.sandbox.faults.answer(200, times=None, path=STEPS[step], body=body, content_type="application/json")
        renewed(h)
        h.look()
        before.stands(h, Outcome.GUARDED, "can no longer read DEV/test: permission was taken away, or the project")
        h.sandbox.faults.clear()
        renewed(h)
        fresh(h)


@pytest.mark.parametrize("step", ["token", "dictionary", "programs"])
def test_nothing_is_known_at_the_first_start(tmp_path: Path, step: str) -> None:
    with mirrored(tmp_path) as h:
        study(h.sandbox, "ST-1")
        strike(h, step, 503)
        with pytest.raises(Gen3SyncError, match=r"503|token|commons"):
            h.look()
        assert h.files() == set()
        assert any("cannot be found out" in problem for problem in read(h).reasons)
        h.sandbox.faults.clear()
        h.client.tokens.forget_failure()
        later(h)
        fresh(h)


def test_permission_lost_and_regained(tmp_path: Path) -> None:
    with settled(tmp_path) as (h, _):
        h.look()
        before = truth(h)
        study(h.sandbox, "ST-7")
        later(h, 600)
        h.sandbox.deny("DEV-test", "read")
        h.look()
        before.stands(h, Outcome.FAILED, "no read permission on the project")
        renewed(h)
        h.look()
        before.stands(h, Outcome.GUARDED, "can no longer read DEV/test")
        h.restart()
        h.look()
        before.stands(h, Outcome.GUARDED, "can no longer read DEV/test")
        h.sandbox.allow()
        renewed(h)
        fresh(h)


def test_graphql_blind_to_the_project(tmp_path: Path) -> None:
    """Without read access GraphQL answers 200 with 0 and []: that is never taken for an empty project."""
    with settled(tmp_path) as (h, _):
        h.sandbox.faults.set(graphql="denied")
        fresh(h)


def test_a_revoked_key(tmp_path: Path) -> None:
    with settled(tmp_path) as (h, before):
        h.sandbox.revoke_key()
        h.restart()
        h.look()
        before.stands(h, Outcome.FAILED, "key")
        h.sandbox.write_api_key(tmp_path / "key.json")
        fresh(h)


def test_a_commons_restored_from_a_backup(tmp_path: Path) -> None:
    """It counts fewer transactions than before. All is exported again, and that is said."""
    with settled(tmp_path) as (h, _):
        h.look()
        log = h.sandbox.commons.log
        with h.sandbox.commons.changed:
            for name in ("ST-5", "ST-6"):
                h.sandbox.sql_delete("DEV-test", "study", name)
            log.entries.popitem()
        later(h)
        fresh(h)
        assert any("counts fewer transactions than before" in event.text for event in read(h).status.events)
