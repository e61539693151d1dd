"""People who drop files into the soak's outbox, and what they know of what they wrote."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.commons import PROJECTS, Commons

Key = tuple[str, str, str]
"""Project id, node, submitter_id."""
Cells = dict[str, str]
SEXES = ("female", "male", "other", "unknown")


@dataclass(frozen=True)
class Written:
    """What one file says. `bad`: records whose row the commons must refuse."""

    path: str
    rows: Mapping[Key, Cells]
    bad: frozenset[Key] = frozenset()
    broken: bool = False


@dataclass
class People:
    """One seed, one story. `contents` are all files ever written, by SHA-256."""

    outbox: Path
    chance: random.Random
    contents: dict[str, Written] = field(default_factory=dict)
    finals: dict[str, str] = field(default_factory=dict)
    """Files that nobody wrote over while they lay there: path and SHA-256."""
    known: dict[Key, Cells] = field(default_factory=dict)
    """Subjects of the rounds before."""
    number: int = 0

    def hour(self, size: int) -> list[tuple[str, bytes]]:
        """What is dropped in one round, in this order; no record is named by two paths of it."""
        files: list[tuple[str, bytes]] = []
        for project in PROJECTS:
            self.number += 1
            study = f"S-{self.number}"
            born: dict[Key, Cells] = {}
            for _ in range(size):
                rows = {self._key(project, "subject"): self._subject(study) for _ in range(self.chance.randint(1, 4))}
                born |= rows
                files.append(self._file(project, "new", rows))
            samples = {
                self._key(project, "sample"): self._sample(key[2])
                for key in self.chance.sample(sorted(born), size // 2)
            }
            files.append(self._file(project, "samples", samples))
            files.append(self._file(project, "study", {(project, "study", study): self._study(project)}))
            files += self._edits(project, size // 2)
            files.append(self._bad_rows(project, study))
            files.append(self._broken(project))
            self.known |= born
        # Children come before their parents half of the time.
        self.chance.shuffle(files)
        # One of them is written again in the meantime, one that went long ago comes once more.
        path, content = files[0]
        files.append((path, content.replace(b"Homo sapiens", b"Mus musculus")))
        self._note(*files[-1], like=content)
        return files

    def write(self, path: str, content: bytes) -> None:
        """Whole at once: on the fast clock a file that stays empty for a second was left empty."""
        target = self.outbox / path
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}")
        aside.write_bytes(content)
        aside.replace(target)
        self.finals[path] = _sha(content)

    def foreign(self, commons: Commons) -> int:
        """Somebody else's records, without gen3sync."""
        project = self.chance.choice(PROJECTS)
        self.number += 1
        code = project.partition("-")[2]
        study = {"type": "study", "submitter_id": f"F-{self.number}", "projects": {"code": code}, "title": "foreign"}
        subject = {
            "type": "subject",
            "submitter_id": f"FS-{self.number}",
            "studies": {"submitter_id": f"F-{self.number}"},
            "year_of_birth": 1900 + self.number % 100,
        }
        return commons.write(project, [study, subject])

    def _edits(self, project: str, size: int) -> list[tuple[str, bytes]]:
        mine = [key for key in self.known if key[0] == project]
        chosen = self.chance.sample(mine, min(len(mine) // 2, size) * 2)
        files = []
        for pair in zip(chosen[::2], chosen[1::2], strict=True):
            rows = {key: self._subject(self.known[key]["studies.submitter_id"]) for key in pair}
            files.append(self._file(project, "edit", rows))
        return files

    def _bad_rows(self, project: str, study: str) -> tuple[str, bytes]:
        good = {self._key(project, "subject"): self._subject(study) for _ in range(3)}
        bad = self._key(project, "subject")
        rows = {**good, bad: {**self._subject(study), "sex": "nonsense"}}
        return self._file(project, "bad", rows, frozenset([bad]))

    def _broken(self, project: str) -> tuple[str, bytes]:
        self.number += 1
        path = f"{project.replace('-', '/')}/broken-{self.number}.tsv"
        content = f"type\tsubmitter_id\tno_such_column\nno_such_node\tX-{self.number}\t1\n".encode()
        self.contents[_sha(content)] = Written(path, {}, broken=True)
        return path, content

    def _file(
        self, project: str, kind: str, rows: dict[Key, Cells], bad: frozenset[Key] = frozenset()
    ) -> tuple[str, bytes]:
        self.number += 1
        path = f"{project.replace('-', '/')}/{kind}-{self.number}.tsv"
        columns = list(next(iter(rows.values())))
        lines = ["\t".join(["type", "submitter_id", *columns])]
        lines += ["\t".join([node, name, *cells.values()]) for (_, node, name), cells in rows.items()]
        content = ("\n".join(lines) + "\n").encode()
        self.contents[_sha(content)] = Written(path, rows, bad)
        return path, content

    def _note(self, path: str, content: bytes, *, like: bytes) -> None:
        before = self.contents[_sha(like)]
        rows = {
            key: {name: cell.replace("Homo sapiens", "Mus musculus") for name, cell in cells.items()}
            for key, cells in before.rows.items()
        }
        self.contents[_sha(content)] = Written(path, rows, before.bad, before.broken)

    def _key(self, project: str, node: str) -> Key:
        self.number += 1
        return project, node, f"{node[:3].upper()}-{self.number}"

    def _study(self, project: str) -> Cells:
        return {"projects.code": project.partition("-")[2], "title": f"study {self.number}"}

    def _subject(self, study: str) -> Cells:
        return {
            "studies.submitter_id": study,
            "sex": self.chance.choice(SEXES),
            "year_of_birth": str(self.chance.randint(1900, 2020)),
            "species": "Homo sapiens",
            "height_cm": f"{self.chance.randint(400, 800) / 4:g}",
        }

    def _sample(self, subject: str) -> Cells:
        self.number += 1
        return {"subjects.submitter_id": subject, "sample_type": "Blood", "comment": f"tube {self.number}"}


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
