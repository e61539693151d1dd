"""Sentences of the commons about a row that need no more than other words: pattern, then what gen3sync says instead.

Data only; `wording.py` puts them to use. Groups of a pattern may stand in the words as `{name}`, `{node}` is the row's
node type. Sources: sheepdog `transactions/upload/{entity,sub_entities,transaction}.py`, `globals.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ASK = "Ask the commons' staff."
_INDEX = "The commons' file index"


@dataclass(frozen=True, slots=True)
class Phrase:
    """`rule` holds for every row alike; `message` says it of the row at hand, where that is more."""

    pattern: re.Pattern[str]
    rule: str
    column: str | None = None
    remedy: str = ""
    message: str = ""


PHRASES = tuple(
    Phrase(re.compile(pattern, re.DOTALL), *words)
    for pattern, *words in (
        # links
        (
            r"Links to \[(?P<names>.*)\] are exclusive",
            "The row has parents in more than one of {names}, where one excludes the other",
            None,
            "Keep one.",
        ),
        (
            r"Cannot link entity to project (?P<code>\S+) under (?P<project>\S+) endpoint",
            "`projects.code` must be {project}, the project that the row is sent to",
            "projects.code",
            "",
            "`projects.code` must be {project}, the project that the row is sent to, not {code}.",
        ),
        # whose record it is
        (
            r"Entity is owned by project (?P<project>\S+), not ",
            "The record with this id belongs to another project, {project}",
            "id",
            "Delete the cell `id`.",
        ),
        (
            r"Existing .* entity found with (type|id) different from",
            "The id belongs to another record of the commons",
            "id",
            "Delete the cell `id`.",
        ),
        (
            r"Cannot create entity with custom id that is not a UUID",
            "`id` must be a UUID",
            "id",
            "Leave it out: the commons makes ids.",
        ),
        (
            r"Case submitter_id '(?P<sid>.*)' not found in dbGaP",
            "The case is not registered in dbGaP, which this commons asks of every case",
            "submitter_id",
            "Register it there, or look at the spelling of its submitter_id.",
        ),
        (
            r"Unable to validate case against dbGaP",
            "The commons could not ask dbGaP for the case",
            "submitter_id",
            "Drop the row again later.",
        ),
        # type
        (
            r"(Invalid entity type: (?P<type>\S+)\.|specified type: \S+ is not in the current data model)",
            "`type` must be a node type of the commons' dictionary",
            "type",
        ),
        (
            r"\S+ is not an entity that can be upload",
            "`type` must be a node type whose records belong to a project",
            "type",
        ),
        (r"(missing 'type'|'type' is a required property)", "`type` is missing", "type", "Name it in each row."),
        # files
        (
            r"Could not find exact file match in index for id: (?P<id>\S+)",
            f"{_INDEX} has no file with this id together with these hashes and this size",
            None,
            "Compare `object_id`, `md5sum` and `file_size` with the file that was uploaded.",
        ),
        (
            r"(Provided id for indexed file|Graph ID and index file ID)",
            f"{_INDEX} knows this file (by its hashes and size) under another id",
            "id",
            "Delete the cell `id`.",
        ),
        (
            r"The object_id of an indexed file must be provided",
            "`object_id` must name the file as it was uploaded",
            "object_id",
            "Fill it in.",
        ),
        (
            r"Provided object_id (?P<id>\S+) does not match any indexed file",
            "`object_id` names no file that was uploaded",
            "object_id",
            "Upload the file first, or correct the id.",
            "`object_id` names no file that was uploaded: {id}.",
        ),
        (
            r"Indexed file of id (?P<id>\S+) is not ready",
            "The uploaded file has no hashes and no size yet: the commons is still reading it",
            "object_id",
            "Drop the row again later.",
        ),
        (
            r"Provided hash \(.*\) and size \(.*\) do not match those of indexed file",
            "`md5sum` or `file_size` differs from the file that was uploaded",
            "md5sum",
            "Correct them, or upload the file again.",
        ),
        (
            r"Failed to update acl and uploader fields in indexd",
            "The file was uploaded by another user, or belongs to a project already",
            "object_id",
            ASK,
        ),
        (
            r"This file is already in file_state '(?P<state>[^']*)'",
            "The file is already {state}, and the commons lets nobody change its record",
            "file_state",
            ASK,
        ),
        (
            r"409 Client Error: ",
            f"{_INDEX} was changed meanwhile: another row, or somebody else, names the same file (by hashes and size)",
            None,
            "Drop the row again.",
        ),
        (
            r"Existing index is required for file creation",
            f"{_INDEX} does not know the file",
            "object_id",
            "Upload the file first.",
        ),
        # of a row that was sent alone
        (
            r"Internal server error\. Sorry",
            "The commons fails on this row (Internal server error), also when it is sent alone",
            None,
            f"Look for unusual characters or numbers in it. {ASK}",
        ),
        (
            r"Unable to parse entity\. Details: (?P<details>.*)$",
            "The commons cannot read the row",
            None,
            ASK,
            "The commons cannot read the row: {details}.",
        ),
        (
            r".* already exists in the DB$",
            "The commons says that the record exists already and does not update it",
            None,
            "Drop the row again later; if it has a cell `id`, delete that.",
        ),
    )
)
