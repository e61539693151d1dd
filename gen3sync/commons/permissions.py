"""What the user of the key may do: arborist's mapping of resource paths (`GET /user/user`, `GET /authz/mapping`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gen3sync.names import Project

SHEEPDOG = "sheepdog"
PEREGRINE = "peregrine"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Granted (service, method) pairs by resource path. A path grants all below it; `*` is any service or method.

    `known` is False when the commons could not tell (fence answers an empty map when its authorisation service is
    down): then nothing follows from a missing permission.
    """

    mapping: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    known: bool = True

    @classmethod
    def from_json(cls, raw: object) -> Permissions:
        """Reads `{path: [{"service", "method"}, …]}`; parts of another shape grant nothing."""
        mapping: dict[str, frozenset[tuple[str, str]]] = {}
        for path, grants in raw.items() if isinstance(raw, dict) else ():
            pairs = {
                (str(grant.get("service", "*")), str(grant["method"]))
                for grant in (grants if isinstance(grants, list) else [])
                if isinstance(grant, dict) and "method" in grant
            }
            mapping[_normal(str(path))] = frozenset(pairs)
        return cls(mapping, known=bool(mapping))

    def to_json(self) -> dict[str, list[dict[str, str]]]:
        """The form that `from_json` reads."""
        return {
            path: [{"service": service, "method": method} for service, method in sorted(pairs)]
            for path, pairs in self.mapping.items()
        }

    def allows(self, method: str, project: Project, service: str = SHEEPDOG) -> bool:
        """`method` (read, create, update, delete …) on `project`, asked of `service`."""
        return any(
            granted_service in {service, "*"} and granted_method in {method, "*"}
            for path in _ancestors(f"/programs/{project.program}/projects/{project.code}")
            for granted_service, granted_method in self.mapping.get(path, ())
        )

    def may_submit(self, project: Project) -> bool:
        """PUT needs both rights."""
        return self.allows("create", project) and self.allows("update", project)

    def may_read(self, project: Project) -> bool:
        """Exporting needs it of sheepdog; GraphQL of peregrine."""
        return self.allows("read", project)

    def may_query(self, project: Project) -> bool:
        """GraphQL sees the project."""
        return self.allows("read", project, PEREGRINE)

    def named_projects(self) -> tuple[Project, ...]:
        """Projects that the mapping names one by one; rights on a whole program name none."""
        found = []
        for path in self.mapping:
            match path.strip("/").split("/"):
                case ["programs", program, "projects", code] if program and code:
                    found.append(Project(program, code))
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class User:
    """Who the key belongs to."""

    username: str
    email: str
    permissions: Permissions


def _normal(path: str) -> str:
    return "/" + path.strip("/")


def _ancestors(path: str) -> Iterable[str]:
    parts = path.strip("/").split("/")
    yield "/"
    for length in range(1, len(parts) + 1):
        yield "/" + "/".join(parts[:length])
