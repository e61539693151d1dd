"""Links of records on their way in: finding the parents, and the dictionary's rules about how many there may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gen3sync.sandbox.dictionary import Link
from gen3sync.sandbox.entity import Entity
from gen3sync.sandbox.store import Store, pg_lower


def resolve_links(
    entity: Entity,
    store: Store,
    project: str,
    project_id: str,
    drafts: Mapping[tuple[str, str], Entity],
    by_id: Mapping[str, Entity],
) -> None:
    """Fills `entity.parents` with ids; parents match in any case, also among this transaction's own records."""
    assert entity.node_type is not None
    for name, link in entity.node_type.links.items():
        given = entity.doc.get(name)
        if not given:
            continue
        for item in [given] if isinstance(given, dict) else given:
            found = _targets(item, link, store, project_id, drafts, by_id)
            if link.target == "project":
                found = _own_project(entity, found, store, project)
            if len(found) > 1:
                entity.error(f"More than one link destination found for {name}", [name], type="INVALID_LINK")
            elif not found:
                entity.error(_missing(name, item, link, store, project_id), [name], type="INVALID_LINK")
            else:
                parent = store.by_id(found[0])
                if parent is not None and parent.project_id != project_id:
                    text = f"Relationship to {parent.node} {parent.id} in project {parent.project_id} not allowed"
                    entity.error(text, type="INVALID_LINK")
                parents = entity.parents.setdefault(name, [])
                if found[0] not in parents:
                    parents.append(found[0])


def _unique_keys(item: Mapping[str, Any], link: Link, store: Store, project_id: str) -> list[dict[str, Any]]:
    target = store.dictionary.nodes[link.target]
    source = {**({"project_id": project_id} if target.submittable else {}), **item}
    return [{name: source.get(name) for name in names} for names in target.unique_keys]


def _missing(name: str, item: Mapping[str, Any], link: Link, store: Store, project_id: str) -> str:
    by_id = f", id='{item['id']}'" if item.get("id") else ""
    return f"No link destination found for {name}{by_id}, unique_keys='{_unique_keys(item, link, store, project_id)}'"


def _targets(
    item: Mapping[str, Any],
    link: Link,
    store: Store,
    project_id: str,
    drafts: Mapping[tuple[str, str], Entity],
    by_id: Mapping[str, Entity],
) -> list[str]:
    keys = _unique_keys(item, link, store, project_id)
    whole = bool(keys) and all(all(found.values()) for found in keys)
    target_id = item.get("id")
    if link.target == "project":
        wanted = pg_lower(str(item.get("code") or ""))
        return [
            node.id
            for node in store.projects.values()
            if (not target_id or node.id == target_id) and (not wanted or pg_lower(node.code) == wanted)
        ]
    if target_id:
        draft = by_id.get(str(target_id))
        record = store.by_id(str(target_id))
        node = draft.node_type.name if draft and draft.node_type else record.node if record else None
        if node != link.target:
            return []
        if whole:
            stored = (draft.draft or {}).get("submitter_id") if draft else record.submitter_id if record else None
            if pg_lower(str(stored)) != pg_lower(str(item["submitter_id"])):
                return []
        return [str(target_id)]
    if not whole:  # nothing to look for: the service's query then matches every record of the type
        return [record.id for table in store.tables_of(link.target) for record in list(table)[:2]]
    key = pg_lower(str(item["submitter_id"]))
    draft = drafts.get((link.target, key))
    if draft is not None and keys[0].get("project_id") == project_id:
        return [str(draft.id)]
    record = store.find(str(keys[0]["project_id"]), link.target, str(item["submitter_id"]))
    return [record.id] if record else []


def _own_project(entity: Entity, found: list[str], store: Store, project: str) -> list[str]:
    for node in list(store.projects.values()):
        if node.id in found and node.code != project:
            text = f"Cannot link entity to project {node.code} under {project} endpoint"
            entity.error(text, type="INVALID_PERMISSIONS")
    return found


def check_links(entity: Entity, store: Store) -> None:
    """The dictionary's numbers: required links, one parent only, exclusive groups."""
    assert entity.node_type is not None
    current = store.by_id(str(entity.id)) if entity.action == "update" else None
    linked = entity.merged_links(current)
    for entry in entity.node_type.link_tree:
        if "subgroup" in entry:
            _check_group(entry, entity, linked, store)
        elif "name" in entry:
            _check_edge(entry, entity, linked, store)


def _check_group(
    group: Mapping[str, Any], entity: Entity, linked: Mapping[str, tuple[str, ...]], store: Store
) -> tuple[int, str]:
    names: list[str] = []
    given = 0
    edges = 0
    for entry in group["subgroup"]:
        check = _check_group if "subgroup" in entry else _check_edge
        length, name = check(entry, entity, linked, store)
        given += length > 0
        edges += length
        names.append(name)
    if group.get("required") is True and not given:
        text = ", ".join([*names[:-2], " or ".join(names[-2:])])
        entity.error(f"Entity is missing a required link to {text}", names)
    if group.get("exclusive") is True and given > 1:
        entity.error(f"Links to {names} are exclusive.  More than one was provided.", names)
    return edges, ", ".join(names)


def _check_edge(
    entry: Mapping[str, Any], entity: Entity, linked: Mapping[str, tuple[str, ...]], store: Store
) -> tuple[int, str]:
    name = str(entry["name"])
    targets = linked.get(name, ())
    kind = entry.get("multiplicity")
    if targets:
        if kind in ("many_to_one", "one_to_one") and len(targets) > 1:
            entity.error(f"'{name}' link has to be {kind}", [name])
        if kind in ("one_to_many", "one_to_one"):
            assert entity.node_type is not None
            for target in targets:
                others = {
                    child
                    for child in store.children.get(target, ())
                    if (found := store.by_id(child))
                    and found.node == entity.node_type.name
                    and target in found.links.get(name, ())
                } - {entity.id}
                if others:
                    backref = f"target node {entry['target_type']} already has {entry['backref']}"
                    text = f"'{name}' link has to be {kind}, {backref}"
                    entity.error(text, [name])
    elif entry.get("required") is True:
        entity.error(f"Entity is missing required link to {name}", [name])
    return len(targets), name
