"""A few lines of HTTP for the sandbox's own tests, so that they do not lean on the daemon's client."""

from __future__ import annotations

from typing import Any

import requests

from gen3sync.sandbox import Sandbox

TSV = "text/tab-separated-values"


class Client:
    """Speaks to one sandbox with a good token. Every answer is a plain `requests.Response`."""

    def __init__(self, sandbox: Sandbox, project: str = "DEV/test") -> None:
        self.sandbox = sandbox
        self.base = f"{sandbox.url}/api/v0/submission"
        self.project = project

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"bearer {self.sandbox.access_token()}", **options.pop("headers", {})}
        return requests.request(method, url, headers=headers, timeout=60, **options)

    def put(self, body: str | bytes, *, kind: str = TSV, name: str = "", method: str = "PUT") -> requests.Response:
        data = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": kind, **({"X-Document-Name": name} if name else {})}
        return self.request(method, f"{self.base}/{self.project}", data=data, headers=headers)

    def put_json(self, *records: dict[str, Any]) -> requests.Response:
        return self.request("PUT", f"{self.base}/{self.project}", json=list(records))

    def dry_run(self, body: str) -> requests.Response:
        url = f"{self.base}/{self.project}/_dry_run"
        return self.request("PUT", url, data=body.encode(), headers={"Content-Type": TSV})

    def export(self, node: str, kind: str = "json", **options: Any) -> requests.Response:
        url = f"{self.base}/{self.project}/export/?node_label={node}&format={kind}"
        return self.request("GET", url, **options)

    def graphql(self, query: str, **variables: Any) -> requests.Response:
        return self.request("POST", f"{self.base}/graphql", json={"query": query, "variables": variables})

    def state(self, transaction_id: int) -> str:
        found = self.graphql(f'{{transaction_log(id:"{transaction_id}"){{state}}}}').json()
        return str(found["data"]["transaction_log"][0]["state"])


def errors(answer: requests.Response) -> list[tuple[str, str, list[str]]]:
    """Type, message and keys of every entity error."""
    found = answer.json()["entities"]
    return [(e["type"], e["message"], e["keys"]) for entity in found for e in entity["errors"]]
