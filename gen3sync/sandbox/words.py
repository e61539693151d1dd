"""What the submission service says of an upload, word for word."""

from __future__ import annotations

INTERNAL = "Internal server error. Sorry, something unexpected went wrong!"
DRY_RUN_MESSAGE = (
    "Transaction would have been successful. User selected dry run option, transaction aborted, no data written to"
    " database."
)


def said(invalid: int, errors: int, *, dry_run: bool) -> str:
    """The `message` of an answer, by the number of entities that are not valid and of errors of the whole."""
    if not invalid and not errors:
        return DRY_RUN_MESSAGE if dry_run else "Transaction successful."
    reasons = []
    if invalid:
        reasons.append(f"{invalid} invalid {'entities' if invalid > 1 else 'entity'}")
    if errors:
        reasons.append(f"{errors} transactional error(s)")
    return f"Transaction aborted due to {' and '.join(reasons)}."
