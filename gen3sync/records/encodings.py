"""Tells what a file that is not UTF-8 text seems to be, so that the remedy can be named. Guesses, never conversions."""

from __future__ import annotations

import codecs
import re
from typing import IO

from gen3sync.names import printable
from gen3sync.records.problems import Problem, ProblemKind

_MAGIC = (
    (b"PK\x03\x04", "an Excel workbook (.xlsx) or another zip archive", "Save it as tab-separated text (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "Save it as tab-separated text (UTF-8)"),
    (b"%PDF-", "a PDF document", "Drop the table it was made from"),
    (b"SQLite format 3\x00", "an SQLite database", "Export the table as tab-separated text"),
    (b"PAR1", "a Parquet file", "Export it as tab-separated text"),
    (b"\x89PNG", "a picture", "Metadata is dropped as tab-separated text; data files are uploaded by other means"),
    (b"\xff\xd8\xff", "a picture", "Metadata is dropped as tab-separated text; data files are uploaded by other means"),
    (b"BZh", "a bzip2 archive", "Unpack it, or pack it with gzip"),
    (b"\xfd7zXZ\x00", "an xz archive", "Unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "Unpack it, or pack it with gzip"),
    (b"BAM\x01", "a BAM file", "Metadata is dropped as tab-separated text; data files are uploaded by other means"),
)
_AS_UTF8 = "Save the file as UTF-8 (in Excel: 'CSV UTF-8'; in a terminal: iconv -f {0} -t UTF-8) and drop it again."
_COMMON = frozenset("äöüÄÖÜßéèêëàâçñøåæÅØÆñíóúáôîïõãœ°µ±§©®™–—‘’“”„…•€×²³½¼¾·ŠšŽž")
#: What no language writes: three accented Latin letters in a row, an accented capital between small letters, a dash or
#: a quotation mark within a word.
_ODD = re.compile(
    "[\u00c0-\u024f]{3,}|(?<=[A-Za-z\u00c0-\u024f])[\u00c0-\u00d6\u00d8-\u00de](?=[a-z\u00df-\u00ff])"
    "|(?<=[a-z\u00df-\u024f])[\u2013\u2014\u2018\u201c\u201d\u201e\u2026](?=[a-z\u00df-\u024f])"
)
#: As likely as letters: text editors put quotes and dashes in by themselves, and measurements have units.
_SIGNS = frozenset("–—‘’“”„…€½¼¾°±µ×²³")
_CANDIDATES = (
    "cp1252",
    "iso8859-15",
    "mac_roman",
    "cp437",
    "cp850",
    "cp1250",
    "cp1251",
    "shift_jis",
    "gb18030",
    "euc_kr",
)


def look_at_start(head: bytes, *, packed: bool) -> tuple[bool, list[Problem]]:
    """Whether a UTF-8 byte order mark leads, and what the first bytes show to be wrong."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return False, [_utf16("UTF-32")]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False, [_utf16("UTF-16")]
    if head.startswith(b"\x1f\x8b") and not packed:
        remedy = "Give it a name that ends in .gz (for example case.tsv.gz), or drop it unpacked."
        return False, [Problem(ProblemKind.BINARY, "The file is a gzip archive without .gz in its name.", remedy)]
    for magic, what, remedy in _MAGIC:
        if head.startswith(magic):
            return False, [Problem(ProblemKind.BINARY, f"The file is {what}, not a table.", f"{remedy}.")]
    zeros = head.count(0)
    if zeros:
        if _looks_utf16(head):
            return False, [_utf16("UTF-16 without a byte order mark")]
        if zeros * 20 > len(head) or _controls(head) * 20 > len(head):
            remedy = "Drop tab-separated text in UTF-8; if the file was damaged in copying, copy it again."
            return False, [Problem(ProblemKind.BINARY, "The file holds binary data, not text.", remedy)]
    bom = head.startswith(codecs.BOM_UTF8)
    if not head.removeprefix(codecs.BOM_UTF8).strip():
        return bom, [Problem(ProblemKind.EMPTY, "The file is empty.", "Was it still being written? Drop it again.")]
    return bom, []


def encoding_problem(raw: IO[bytes]) -> Problem:
    """Finds the first bytes that are not UTF-8 and names the encoding they seem to be in."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 0
    tail = b""  # what has been read of the current line
    while True:
        chunk = raw.read(1 << 16)
        pending = decoder.getstate()[0]
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as wrong:
            whole = pending + chunk
            before, at = whole[: wrong.start], whole[wrong.start :]
            line_start = (tail[: len(tail) - len(pending)] if pending else tail) + before
            breaks = lines + _line_ends(before)
            rest = (at + raw.read(4096))[:4096]
            text = line_start[_last_line(line_start) :] + rest[: _first_end(rest)]
            return _not_utf8(breaks + 1, text[:2000], whole[wrong.start])
        if not chunk:  # only reached when the caller's own decoding failed for another reason
            return _not_utf8(None, b"", 0)
        lines += _line_ends(chunk)
        tail = (tail + chunk)[_last_line(tail + chunk) :][-4096:]


def guess_encoding(text: bytes) -> tuple[str, str]:
    """The likeliest legacy encoding of a line that is not UTF-8, and the line in it."""
    scored: list[tuple[int, int, str, str]] = []
    for rank, name in enumerate(_CANDIDATES):
        try:
            decoded = text.decode(name)
        except UnicodeDecodeError:
            continue
        strange = [character for character in decoded if ord(character) > 127]
        known = sum(character in _COMMON for character in strange)
        letters = sum(character.isalpha() or character in _SIGNS for character in strange)
        ugly = sum(not character.isprintable() for character in strange)
        odd = sum(len(run) for run in _ODD.findall(decoded))
        signs = sum(not character.isalpha() and character not in _COMMON for character in strange)
        score = 4 * known + letters - 6 * ugly - 6 * odd - 4 * signs - len(strange)
        scored.append((score, -rank, name, decoded))
    if not scored:
        return "latin-1", text.decode("latin-1")
    _, _, name, decoded = max(scored)
    high = [byte for byte in text if byte > 127]
    if name in ("cp1252", "iso8859-15") and high and min(high) >= 0xA0:
        return "latin-1", decoded
    return name, decoded


def _not_utf8(line: int | None, text: bytes, byte: int) -> Problem:
    if not text:
        return Problem(ProblemKind.ENCODING, "The file is not UTF-8 text.", _AS_UTF8.format("latin-1"))
    name, decoded = guess_encoding(text)
    at = next((place for place, character in enumerate(decoded) if ord(character) > 127), 0)
    start = max(decoded.rfind(mark, 0, at) for mark in "\t,;") + 1
    sample = printable(re.split("[\t,;]", decoded[max(start, at - 25) : at + 25])[0].strip(), 60)
    shown = {"cp1252": "Windows-1252", "latin-1": "Latin-1 (ISO 8859-1)", "mac_roman": "Mac Roman"}.get(name, name)
    what = f"The file is not UTF-8 (byte 0x{byte:02X}); it seems to be {shown}, in which the place reads '{sample}'."
    return Problem(ProblemKind.ENCODING, what, _AS_UTF8.format(name), line)


def _utf16(what: str) -> Problem:
    remedy = "Save it as UTF-8 (in Excel: 'CSV UTF-8' rather than 'Unicode Text') and drop it again."
    return Problem(ProblemKind.UTF16, f"The file is {what}, which the commons cannot read.", remedy)


def _looks_utf16(head: bytes) -> bool:
    even, odd = head[0:4096:2], head[1:4096:2]
    few, many = sorted((even.count(0) / max(1, len(even)), odd.count(0) / max(1, len(odd))))
    return many > 0.6 and few < 0.1


def _controls(head: bytes) -> int:
    return sum(byte < 32 and byte not in b"\t\n\r\x0b\x0c" for byte in head[:8192])


def _line_ends(data: bytes) -> int:
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


def _last_line(data: bytes) -> int:
    return max(data.rfind(b"\n"), data.rfind(b"\r")) + 1


def _first_end(data: bytes) -> int:
    ends = [place for place in (data.find(b"\n"), data.find(b"\r")) if place >= 0]
    return min(ends) if ends else len(data)
