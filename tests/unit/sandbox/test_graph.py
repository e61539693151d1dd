"""GraphQL beyond the recordings: what the daemon's own questions rely on."""

from __future__ import annotations

from gen3sync.sandbox import Sandbox
from tests.unit.sandbox.client import Client


def test_spellings_of_one_submitter_id_find_its_record_once(sandbox: Sandbox, client: Client) -> None:
    sandbox.synthetic("DEV-test", "subject", 3)
    query = '{subject(project_id:["DEV-test"],submitter_id:["SYN-0000001","syn-0000001","Syn-0000001"]){submitter_id}}'
    assert client.graphql(query).json()["data"]["subject"] == [{"submitter_id": "SYN-0000001"}]


def test_other_spellings_alone_find_nothing(sandbox: Sandbox, client: Client) -> None:
    sandbox.synthetic("DEV-test", "subject", 3)
    query = '{subject(project_id:["DEV-test"],submitter_id:["syn-0000001"]){submitter_id}}'
    assert client.graphql(query).json()["data"]["subject"] == []
