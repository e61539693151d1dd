"""The commons, one method per endpoint used. Every method returns its success type or a failure of `replies.py`.

Questions asked through GraphQL (find records, transactions, signatures) are in `queries.py`, on top of `graphql`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gen3sync.commons import sentences
from gen3sync.commons.addresses import last_segment, project_path, segment
from gen3sync.commons.answers import failure_of, graphql_reply, json_of, refusal_of, submit_reply
from gen3sync.commons.asking import portions
from gen3sync.commons.body import BodyError
from gen3sync.commons.export import NodeExport
from gen3sync.commons.pages import looks_like_html
from gen3sync.commons.permissions import Permissions, User
from gen3sync.commons.replies import (
    Broken,
    BrokenCause,
    Failure,
    GraphqlData,
    Missing,
    Refused,
    SubmitReply,
    Version,
)
from gen3sync.commons.tokens import TokenManager
from gen3sync.commons.transport import Answer, Request, Timeouts, Transport
from gen3sync.errors import Gen3SyncError
from gen3sync.names import Project, printable

Record = dict[str, Any]
"""A record as the commons exports it: id, submitter_id, project_id, type, properties, and links as lists."""

_SUBMISSION = "/api/v0/submission"
_IDS_AT_ONCE = 500
_RECORDS_LIMIT = 512 * 1024 * 1024


class CommonsClient:
    """Thread-safe. Blocks for at most the deadline per exchange; `close` ends everything in flight."""

    def __init__(self, transport: Transport, tokens: TokenManager) -> None:
        self._transport = transport
        self.tokens = tokens

    @property
    def url(self) -> str:
        """Scheme, host and port of the commons. Raises CredentialsError when neither setting nor key says it."""
        return self.tokens.origin

    def close(self) -> None:
        """Ends what is in flight (as CANCELLED) and refuses anything new."""
        self._transport.close()

    def submit(
        self, project: Project, body: bytes, *, content_type: str, document_name: str, dry_run: bool = False
    ) -> SubmitReply:
        """PUT of records (TSV, CSV or JSON, as `content_type` says exactly). One request, one transaction.

        `document_name` is stored with the transaction and finds it again; make it unique and keep it below 200
        characters of ASCII. A failure with `may_have_landed` has to be found out about, never simply repeated.
        """
        answer = self._send(
            "PUT",
            project_path(project) + ("/_dry_run" if dry_run else ""),
            headers={"Content-Type": content_type, "X-Document-Name": document_name},
            body=body,
            writes=not dry_run,
        )
        return answer if isinstance(answer, Broken) else submit_reply(answer)

    def export_node(
        self, project: Project, node: str, *, deadline: float | None = None
    ) -> NodeExport | Refused | Failure:
        """Streams `{"data": [records]}` of one node, JSON only. An unknown project answers 200 with no records."""
        query = {"node_label": node, "format": "json"}
        return self._export("GET", project, params=query, media="json", deadline=deadline)

    def export_text(
        self, project: Project, *, node: str | None = None, ids: Sequence[str] = (), format: str = "tsv"
    ) -> NodeExport | Refused | Failure:
        """Streams an export as the commons writes it, by node or by ids, as tsv or json. For people, not mirrors."""
        media = "json" if format == "json" else "octet-stream"
        if node is not None:
            query = {"node_label": node, "format": format}
            return self._export("GET", project, params=query, media=media)
        body = json.dumps({"ids": list(ids), "format": format}).encode()
        return self._export("POST", project, body=body, media=media)

    def export_records(self, project: Project, ids: Sequence[str]) -> tuple[Record, ...] | Refused | Failure:
        """Records of **one node type** by id, with null properties and links; ids not in this project are left out.

        Mixed node types make the commons fail with 500 (sheepdog's ExportFile cannot name such a file).
        """
        records: list[Record] = []
        for some in portions(ids, _IDS_AT_ONCE):
            found = self._records(project, tuple(some))
            if not isinstance(found, tuple):
                return found
            records.extend(found)
        return tuple(records)

    def graphql(
        self, query: str, variables: Mapping[str, object] | None = None, *, silence: float | None = None
    ) -> GraphqlData | Refused | Failure:
        """A GraphQL query. Zero and [] in the data may also mean that the user may not read. After `silence` seconds
        without a word it counts as not answered."""
        document = {"query": query} | ({"variables": dict(variables)} if variables else {})
        answer = self._send(
            "POST",
            f"{_SUBMISSION}/graphql",
            headers={"Content-Type": "application/json"},
            body=json.dumps(document).encode(),
            silence=silence,
        )
        return answer if isinstance(answer, Broken) else graphql_reply(answer)

    def programs(self) -> tuple[str, ...] | Failure:
        """Names of all programs; those the user may not read are listed too."""
        return self._names(f"{_SUBMISSION}/")

    def projects(self, program: str) -> tuple[Project, ...] | Failure:
        """The projects of a program."""
        names = self._names(f"{_SUBMISSION}/{segment(program)}")
        return tuple(Project(program, name) for name in names) if isinstance(names, tuple) else names

    def dictionary(self) -> dict[str, Any] | Failure:
        """The whole data dictionary, `{node: schema}` with `_definitions` and the like. Needs no token."""
        return self._object(f"{_SUBMISSION}/_dictionary/_all", auth=False)

    def template(self, node: str) -> str | Failure:
        """The commons' own TSV template of a node: `*` marks required columns."""
        answer = self._send("GET", f"{_SUBMISSION}/template/{segment(node)}", params={"format": "tsv"})
        if isinstance(answer, Broken):
            return answer
        if (failure := _failed(answer)) is not None:
            return failure
        if looks_like_html(answer.body):
            return Broken(
                "The commons answered with a web page instead of a template.", BrokenCause.CONTENT, answer.status
            )
        return answer.body.decode("utf-8", "replace")

    def version(self) -> Version | Failure:
        """Versions of the submission service and its dictionary; empty where the commons does not say."""
        data = self._object("/api/_version", auth=False)
        if not isinstance(data, dict):
            return data
        inner = data.get("dictionary")
        named = inner if isinstance(inner, dict) else {}
        told = (data.get("version"), data.get("commit"), named.get("version"), named.get("commit"))
        return Version(*map(_short, told))

    def whoami(self) -> User | Failure:
        """The user of the key and what it may do."""
        data = self._object("/user/user")
        if not isinstance(data, dict):
            return data
        name = data.get("username") or data.get("name") or data.get("preferred_username")
        return User(_short(name), _short(data.get("email")), Permissions.from_json(data.get("authz")))

    def permissions(self) -> Permissions | Failure:
        """What the key may do. fence answers an empty map when its authorisation service is down, so then ask that."""
        user = self.whoami()
        if isinstance(user, User) and user.permissions.known:
            return user.permissions
        data = self._object("/authz/mapping")
        if isinstance(data, dict):
            return replace(Permissions.from_json(data), known=True)
        return user.permissions if isinstance(user, User) else user

    def _records(self, project: Project, ids: tuple[str, ...]) -> tuple[Record, ...] | Refused | Failure:
        answer = self._send(
            "POST",
            f"{project_path(project)}/export",
            headers={"Content-Type": "application/json"},
            body=json.dumps({"ids": list(ids), "format": "json"}).encode(),
            limit=_RECORDS_LIMIT,
        )
        if isinstance(answer, Broken):
            return answer
        match failure_of(answer):
            case Missing(message) if sentences.is_no_such_ids(message, ids):
                return ()
            case None:
                pass
            case failure:
                return failure
        if answer.status == 400:
            return refusal_of(answer)
        data = json_of(answer)
        if isinstance(data, Broken):
            return data
        if not isinstance(data, list) or not all(isinstance(record, dict) for record in data):
            return Broken(
                "The commons answered an export by ids with something else.", BrokenCause.CONTENT, answer.status
            )
        return tuple(data)

    def _export(
        self,
        method: str,
        project: Project,
        *,
        media: str,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        deadline: float | None = None,
    ) -> NodeExport | Refused | Failure:
        request = self._request(
            method,
            f"{project_path(project)}/export",
            params=params,
            body=body,
            headers={"Content-Type": "application/json"} if body else {},
        )
        if isinstance(request, Broken):
            return request
        limits = self._transport.timeouts
        stream = self._transport.open(
            request, timeouts=Timeouts(limits.connect, limits.read, deadline or limits.deadline)
        )
        if isinstance(stream, Broken):
            return stream
        export = NodeExport(stream)
        if stream.status == 200 and media in stream.headers.get("content-type", "").lower():
            return export
        with export:
            try:
                answer = Answer(stream.status, stream.headers, stream.body.read(256 * 1024))
            except BodyError as error:
                return error.broken
        if stream.status == 400:
            return refusal_of(answer)
        kind = printable(answer.media_type or "no Content-Type", 80)
        wrong = Broken(f"The commons answered an export with {kind}.", BrokenCause.CONTENT, stream.status)
        return failure_of(answer) or wrong

    def _names(self, path: str) -> tuple[str, ...] | Failure:
        data = self._object(path)
        if not isinstance(data, dict):
            return data
        links = data.get("links")
        if not isinstance(links, list):
            return Broken("The commons answered a listing with something else.", BrokenCause.CONTENT, 200)
        return tuple(sorted(last_segment(link) for link in links if isinstance(link, str)))

    def _object(self, path: str, *, auth: bool = True) -> dict[str, Any] | Failure:
        answer = self._send("GET", path, auth=auth)
        if isinstance(answer, Broken):
            return answer
        if (failure := _failed(answer)) is not None:
            return failure
        data = json_of(answer)
        if isinstance(data, dict | Broken):
            return data
        return Broken("The commons answered with JSON of another kind.", BrokenCause.CONTENT, answer.status)

    def _send(
        self, method: str, path: str, *, limit: int = 64 * 1024 * 1024, silence: float | None = None, **parts: Any
    ) -> Answer | Broken:
        request, limits = self._request(method, path, **parts), self._transport.timeouts
        limits = replace(limits, read=min(limits.read, silence or limits.read))
        return request if isinstance(request, Broken) else self._transport.send(request, limit=limit, timeouts=limits)

    def _request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        auth: bool = True,
        writes: bool = False,
    ) -> Request | Broken:
        try:
            url = self.url + path
        except Gen3SyncError as error:
            return Broken(str(error), BrokenCause.CREDENTIALS, remedy=error.remedy)
        return Request(method, url, headers or {}, params, body, self.tokens if auth else None, writes)


def _failed(answer: Answer) -> Failure | None:
    """The failure of an endpoint that refuses nothing: its 400 is as unexpected as a 500."""
    refused = refusal_of(answer) if answer.status == 400 else None
    if isinstance(refused, Refused):
        return Broken(f"The commons answered 400: {refused.message}", BrokenCause.STATUS, 400)
    return refused or failure_of(answer)


def _short(value: object) -> str:
    return printable(value, 200) if isinstance(value, str) else ""
