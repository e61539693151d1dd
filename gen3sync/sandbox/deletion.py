"""One deletion: which records go, which depend on them, what the answer says (sheepdog's `DeletionTransaction`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gen3sync.sandbox.store import Record, Store
from gen3sync.sandbox.transactions import Transaction, TransactionLog


@dataclass
class Deletion:
    """`look_up`, `finish_checks`, and when that was true `commit`."""

    store: Store
    log: TransactionLog
    entry: Transaction
    user: str
    targets: list[dict[str, Any]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    dependents: list[str] = field(default_factory=list)

    @property
    def success(self) -> bool:
        return all(target["valid"] for target in self.targets)

    @property
    def code(self) -> int:
        return 200 if self.success else 400

    def look_up(self, ids: list[str]) -> None:
        """Finds the records of this project and those that would lose a required parent."""
        found = [r for r in self.store.by_ids(ids) if r.project_id == self.entry.project_id]
        self.records = found
        known = {record.id for record in found}
        for record in found:
            target = self._target(record)
            lost = self._dependents(record, set(known))
            if lost:
                self.dependents += [item.id for item in lost]
                text = (
                    f"Unable to delete entity because at least {len(lost)} other(s) directly or indirectly depend on"
                    " it. You can only delete this entity by deleting its dependents prior to, or during the same"
                    " transaction as this one."
                )
                target["errors"].append(
                    {
                        "message": text,
                        "keys": [],
                        "type": "INVALID_LINK",
                        "dependents": [{"id": item.id, "type": item.node} for item in lost],
                    }
                )
                target["valid"] = False
            self.targets.append(target)
        for record_id in dict.fromkeys(ids):
            if record_id not in known:
                error = {"message": "Entity not found.", "keys": ["id"], "id": record_id, "type": "NOT_FOUND"}
                self.targets.append({**self._target(None), "valid": False, "errors": [error]})

    @staticmethod
    def _target(record: Record | None) -> dict[str, Any]:
        keys = [{"project_id": record.project_id, "submitter_id": record.submitter_id}] if record else []
        return {
            "valid": True,
            "action": "delete",
            "type": record.node if record else None,
            "id": record.id if record else None,
            "errors": [],
            "warnings": [],
            "unique_keys": keys,
        }

    def _dependents(self, record: Record, going: set[str]) -> list[Record]:
        """The first child that cannot do without it, and in turn that child's first: the service stops at one."""
        for child_id in list(self.store.children.get(record.id, ())):
            child = self.store.by_id(child_id)
            if child is None or child_id in going or self._can_stay(child, going | {record.id}):
                continue
            return [child, *self._dependents(child, going | {child_id})]
        return []

    def _can_stay(self, child: Record, going: set[str]) -> bool:
        node = self.store.dictionary.nodes[child.node]
        left = {name for name, ids in child.links.items() if any(parent not in going for parent in ids)}
        if any(link.required and link.name not in left for link in node.links.values()):
            return False
        groups = [entry for entry in node.link_tree if "subgroup" in entry and entry.get("required")]
        return all(any(entry.get("name") in left for entry in group["subgroup"]) for group in groups)

    def finish_checks(self) -> bool:
        """Records the outcome in the log. True when there is something to commit."""
        self.entry.submitter = self.user
        self.log.add_document(self.entry, None, "N/A", 0)
        return self.log.conclude_checks(self.entry, self.body(), success=self.success)

    def commit(self) -> None:
        with self.store.changed:
            for record in self.records:
                self.log.add_snapshot(self.entry, record.id, "delete", {}, record.props)
                self.store.remove(record.id)
            self.store.changed.notify_all()

    def body(self) -> dict[str, Any]:
        """The answer's body."""
        count = len(self.targets)
        if not self.success:
            message = "Deletion transaction failed."
        elif self.entry.is_dry_run:
            message = f"Dry run successful. Would have deleted {count} entities"
        else:
            message = f"Successfully deleted {count} entities"
        return {
            "transaction_id": self.entry.id,
            "success": self.success,
            "code": self.code,
            "message": message,
            "deleted_entity_count": count if self.success else 0,
            "dependent_ids": ",".join(self.dependents),
            "entity_error_count": sum(not target["valid"] for target in self.targets),
            "transactional_error_count": 0,
            "transactional_errors": [],
            "entities": self.targets,
        }
