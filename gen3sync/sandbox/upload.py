"""One upload: documents in, a transaction out (sheepdog's `UploadTransaction` and `UploadEntity`).

The steps and their order are the service's, because its lies come from them: records are looked up when the
documents are read, written when the transaction commits, and a violated unique index is explained by looking
for the *submitted* keys, which names bystanders or nobody.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from gen3sync.sandbox.clock import iso
from gen3sync.sandbox.dictionary import NodeType
from gen3sync.sandbox.entity import Entity, merge_record, unstorable
from gen3sync.sandbox.links import check_links, resolve_links
from gen3sync.sandbox.schema import problems
from gen3sync.sandbox.store import Record, Store, pg_lower
from gen3sync.sandbox.transactions import State, Transaction, TransactionLog
from gen3sync.sandbox.words import INTERNAL, said


class IntegrityError(Exception):
    """The database's unique index or primary key was violated."""


class InternalError(Exception):
    """Something the service did not foresee; it answers 400 with INTERNAL and names no row."""


@dataclass
class Upload:
    """Everything one upload needs. Call `run` once; `result` afterwards gives status and body."""

    store: Store
    log: TransactionLog
    entry: Transaction
    user: str
    entities: list[Entity] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)

    @property
    def project_id(self) -> str:
        return self.entry.project_id

    @property
    def success(self) -> bool:
        return not self.errors and all(entity.valid for entity in self.entities)

    @property
    def valid_entities(self) -> list[Entity]:
        return [entity for entity in self.entities if entity.valid]

    # -- reading ------------------------------------------------------------------------------------------------

    def read(self, name: str | None, doc_format: str, size: int, documents: list[Any]) -> None:
        """Parses, validates and looks up all documents. Raises InternalError for what the log cannot keep."""
        for document in documents:
            self._add(document)
        if unstorable(documents):
            raise InternalError
        if self.entry.is_dry_run:
            self.entry.documents_data = documents
        self._validate_schema()
        with self.store.changed:
            for entity in self.valid_entities:
                self._instantiate(entity)
        seen: set[Any] = set()
        for entity in self.valid_entities:
            keys = entity.keys(self.project_id)
            if keys and keys in seen:
                self.errors.append({"message": f"Entity is not unique, {keys}", "type": "NOT_UNIQUE"})
            seen.add(keys)
        self._name_errors()
        self.log.add_document(self.entry, name, doc_format, size)

    def _add(self, document: Any) -> None:
        entity = Entity(document if isinstance(document, dict) else {})
        self_type = None
        if isinstance(document, dict):
            for key in list(document):
                document[key.lstrip("*")] = document.pop(key)
            self_type = self.store.dictionary.get(document.get("type"))
            if self_type is None:
                text = f'Node type "{document.get("type")}" not found in dictionary'
                self.errors.append({"message": f"Unable to parse entity. Details: {text}"})
                return
            entity.node_type = self_type
            entity.parse(self.entry.role)
        else:
            kind = type(document).__name__
            entity.error(f"Entity document must be an object, not a {kind}", type="INVALID_VALUE")
        self.entities.append(entity)

    def _validate_schema(self) -> None:
        for entity in self.entities:
            if entity.node_type is None:
                entity.error("'type' is a required property", ["type"])
                break  # the service stops here: later documents are not validated
            for problem in problems(entity.doc, entity.node_type.schema):
                keys = [".".join(str(step) for step in problem.path)] if problem.path else []
                if not keys and problem.message.endswith(" is a required property"):
                    keys = [problem.message.split("'")[1]]
                context = f": {' and '.join(problem.context)}" if problem.context else ""
                entity.error(problem.message + context, keys)

    def _name_errors(self) -> None:
        for entity in self.entities:
            entity.name_errors(self.store.dictionary)

    def _lookup(self, entity: Entity, node: NodeType) -> list[Record]:
        """The service's query: by id if given, and by keys if all of them are; with neither, everything matches."""
        keys = entity.keys(self.project_id)
        if not entity.id and not keys:
            return []
        project_id, submitter_id = (*keys[0], None, None)[:2] if keys else (None, None)
        whole = bool(keys) and all(all(key) for key in keys)
        if entity.id:
            found = self.store.by_id(entity.id)
            if found is None or found.node != node.name:
                return []
            if whole and (found.project_id, pg_lower(found.submitter_id or "")) != (
                project_id,
                pg_lower(str(submitter_id)),
            ):
                return []
            return [found]
        if whole:
            record = self.store.find(str(project_id), node.name, str(submitter_id))
            return [record] if record else []
        every: list[Record] = []
        for table in self.store.tables_of(node.name):
            for record in table:
                every.append(record)
                if len(every) > 1:
                    return every
        return every

    def _instantiate(self, entity: Entity) -> None:
        node = entity.node_type
        assert node is not None
        found = self._lookup(entity, node)
        if self.entry.role == "create":
            # Without an id the service looks for its own new random one and finds nothing; the index does, later.
            if entity.id and found:
                text = "Cannot create entity that already exists. Try updating entity (PUT instead of POST)"
                entity.error(text, ["id"], type="NOT_UNIQUE")
                return
            self._create(entity, node)
        elif not found:
            self._create(entity, node)
        elif len(found) > 1:
            keys = entity.keys(self.project_id)
            entity.error(f"Entity is not unique, multiple entities found with {keys}", type="NOT_UNIQUE")
            return
        else:
            merge_record(entity, node, found[0], self.project_id, self.store)
        if entity.draft is not None:
            entity.set_properties(node, self.project_id)

    def _create(self, entity: Entity, node: NodeType) -> None:
        entity.id = entity.id or str(uuid.uuid4())
        for key, value in node.system_defaults.items():
            if entity.doc.get(key) is None:
                entity.doc[key] = value
        entity.action = "create"
        entity.draft = dict.fromkeys(node.property_types)
        entity.draft["project_id"] = self.project_id
        if node.is_file and "object_id" in node.property_types:
            fingerprint = (str(entity.doc.get("md5sum")), int(entity.doc.get("file_size") or 0))
            known = self.store.files.get(fingerprint)
            object_id = entity.doc.get("object_id") or known or str(uuid.uuid4())
            self.store.files[fingerprint] = object_id  # also for dry runs and refusals: the index is not rolled back
            entity.doc["object_id"] = object_id

    # -- checking and writing -----------------------------------------------------------------------------------

    def flush(self) -> None:
        """Raises IntegrityError where the database's unique index would, among the drafts and against the store."""
        keys: set[tuple[str, str]] = set()
        ids: set[str] = set()
        with self.store.changed:
            for entity in self.valid_entities:
                node, draft = entity.node_type, entity.draft
                assert node is not None
                assert draft is not None
                if draft.get("submitter_id") is not None:
                    key = (node.name, pg_lower(str(draft["submitter_id"])))
                    other = self.store.find(self.project_id, node.name, str(draft["submitter_id"]))
                    if key in keys or (other is not None and other.id != entity.id):
                        raise IntegrityError
                    keys.add(key)
                if entity.action == "create":
                    if entity.id in ids or self.store.by_id(str(entity.id)) is not None:
                        raise IntegrityError
                    ids.add(str(entity.id))

    def validate_links(self) -> None:
        """Finds the parents, in the store and among this transaction's own records."""
        with self.store.changed:
            drafts = {
                (entity.node_type.name, pg_lower(str(entity.draft["submitter_id"]))): entity
                for entity in self.valid_entities
                if entity.draft is not None and entity.node_type and entity.draft.get("submitter_id") is not None
            }
            by_id = {str(entity.id): entity for entity in self.valid_entities}
            for entity in self.valid_entities:
                resolve_links(entity, self.store, self.entry.project, self.project_id, drafts, by_id)
            for entity in self.valid_entities:
                check_links(entity, self.store)
        self._name_errors()

    def finish_checks(self) -> bool:
        """Records the outcome in the log. True when there is something to commit."""
        if not self.entities:
            self.errors.append("Nothing to submit")
        self.entry.submitter = self.user
        return self.log.conclude_checks(self.entry, self.body(), success=self.success)

    def commit(self) -> None:
        """Writes the records whole, as read at the start plus this upload's values: lie 7 is here.

        Raises IntegrityError when another transaction took a key meanwhile.
        """
        moment = iso(self.entry.created)
        with self.store.changed:
            self.flush()
            for entity in self.entities:
                assert entity.draft is not None
                assert entity.node_type is not None
                current = self.store.by_id(str(entity.id))
                if entity.action == "update" and current is None:
                    raise InternalError
                links = entity.merged_links(current)
                if current is not None and entity.draft == entity.old:
                    props = current.props  # nothing changed: no UPDATE is sent, updated_datetime stays
                else:
                    props = entity.draft
                    if "updated_datetime" in props:
                        props["updated_datetime"] = moment
                    if current is None and "created_datetime" in props:
                        props["created_datetime"] = moment
                if current is None or props is not current.props or links != current.links:
                    self.store.put(Record(str(entity.id), entity.node_type.name, self.project_id, props, links))
                self.log.add_snapshot(self.entry, str(entity.id), str(entity.action), entity.old, props)
            self.store.changed.notify_all()

    def explain_integrity_error(self) -> None:
        """The service blames whoever is in the database under a submitted key, and otherwise nobody."""
        for entity in self.valid_entities:
            node, draft = entity.node_type, entity.draft
            assert node is not None
            assert draft is not None
            props = {"project_id": draft["project_id"], "submitter_id": draft.get("submitter_id")}
            if self.store.find(self.project_id, node.name, str(props["submitter_id"])) is not None:
                entity.error(f"{node.name} with {props} already exists in the DB", list(props))

    def fail_internally(self) -> None:
        self.errors.append(INTERNAL)
        self.entry.submitter = self.user
        self.log.set_state(self.entry, State.ERRORED)
        self.log.answer(self.entry, self.body())

    # -- answering ----------------------------------------------------------------------------------------------

    @property
    def code(self) -> int:
        if self.entry.is_dry_run:
            return 200
        if not self.success:
            return 400
        return 201 if self.entry.role == "create" else 200

    @property
    def message(self) -> str:
        return said(len(self.entities) - len(self.valid_entities), len(self.errors), dry_run=self.entry.is_dry_run)

    def body(self) -> dict[str, Any]:
        """The answer's body as of now."""
        done = self.success
        return {
            "transaction_id": self.entry.id,
            "success": done,
            "code": self.code,
            "message": self.message,
            "created_entity_count": sum(entity.action == "create" for entity in self.entities) if done else 0,
            "updated_entity_count": sum(entity.action == "update" for entity in self.entities) if done else 0,
            "entity_error_count": sum(not entity.valid for entity in self.entities),
            "transactional_error_count": len(self.errors),
            "transactional_errors": list(self.errors),
            "entities": [entity.json(self.project_id) for entity in self.entities],
        }
