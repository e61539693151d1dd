"""The TSVs of the demo: a small study of the sandbox's own dictionary. Three subjects are wrong in one way each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

STUDIES = 2
SUBJECTS = 10
BAD_SUBJECTS = 3
SAMPLES = 20
ALIQUOTS = 5


def _tsv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in [columns, *rows])


def studies() -> str:
    columns = ("type", "submitter_id", "projects.code", "title", "study_design", "is_public")
    return _tsv(
        columns,
        [
            ("study", "HEART", "test", "Hearts of a small town", "Cohort", "true"),
            ("study", "KIDNEY", "test", "Kidneys of the next one", "Case-Control", "false"),
        ],
    )


def subjects() -> str:
    columns = ("type", "submitter_id", "studies.submitter_id", "sex", "year_of_birth", "height_cm")
    rows: list[Sequence[object]] = [
        ("subject", f"S-{n:02}", "HEART" if n % 2 else "KIDNEY", "female" if n % 3 else "male", 1950 + n, 160 + n)
        for n in range(1, SUBJECTS + 1)
    ]
    rows[3:3] = [
        ("subject", "S-11", "HEART", "f", 1971, 171),
        ("subject", "S-12", "HEART", "female", "unknown", 172),
        ("subject", "S-13", "KIDNEY", "male", 1973, 1730),
    ]
    return _tsv(columns, rows)


CORRECTIONS = (("\tf\t1971", "\tfemale\t1971"), ("\tunknown\t172", "\t1972\t172"), ("\t1730", "\t173"))
"""What a person would correct in the rejects file."""


def samples() -> str:
    columns = ("type", "submitter_id", "subjects.submitter_id", "sample_type", "volume_ml", "is_frozen")
    return _tsv(
        columns,
        [
            ("sample", f"B-{n:02}", f"S-{(n - 1) % SUBJECTS + 1:02}", "Blood" if n % 2 else "Plasma", n / 2, "true")
            for n in range(1, SAMPLES + 1)
        ],
    )


def aliquots() -> str:
    columns = ("type", "submitter_id", "samples.submitter_id", "amount_ng")
    return _tsv(columns, [("aliquot", f"A-{n}", f"B-{n:02},B-{n + 10:02}", n * 10) for n in range(1, ALIQUOTS + 1)])
