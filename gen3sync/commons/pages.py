"""Turns what a failing server writes (fence's HTML pages, nginx's HTML, JSON of several shapes) into one sentence.

Nothing is decided from these sentences: they are shown to people. What is decided from prose stands in `sentences.py`.
"""

from __future__ import annotations

import json
from html.parser import HTMLParser

from gen3sync.commons.parsing import parse
from gen3sync.names import printable
from gen3sync.redaction import redact

_LIMIT = 500
_PAGE = 16 * 1024
"""Characters of a page that are looked at: html.parser takes seconds for four times as many that are all `<`."""
_UUID_LENGTH = 36


class _Page(HTMLParser):
    """Collects what fence puts into `<p class="introduction">` (error id, then message), and title and headings."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.introductions: list[str] = []
        self.headings: list[str] = []
        self.title = ""
        self._open: str | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = (dict(attrs).get("class") or "").split()
        if tag == "p" and "introduction" in classes:
            self._begin("introduction")
        elif tag in {"h1", "h2", "title"}:
            self._begin(tag)
        elif tag in {"script", "style"}:
            self._open = None

    def handle_endtag(self, tag: str) -> None:
        if self._open is None or tag not in {"p", "h1", "h2", "title"}:
            return
        text = " ".join("".join(self._text).split())
        if text and self._open == "introduction":
            self.introductions.append(text)
        elif text and self._open == "title":
            self.title = text
        elif text:
            self.headings.append(text)
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._text.append(data)

    def _begin(self, what: str) -> None:
        self._open, self._text = what, []


def looks_like_html(body: bytes) -> bool:
    """The body begins as an HTML page does, whatever the Content-Type says."""
    start = body[:512].lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<body"))


def sentence_of_page(text: str) -> str:
    """The one readable sentence of an HTML page, or "" when there is none.

    fence writes two `<p class="introduction">`: an error identifier and the message (fence/templates/error.html). For
    server errors it leaves the message out, and then the identifier is worth telling its operators.
    """
    page = _Page()
    page.feed(text)
    page.close()
    messages = [text for text in page.introductions if len(text) != _UUID_LENGTH or text.count("-") != 4]
    if messages:
        return messages[-1]
    if page.introductions:
        return f"{' '.join(page.headings[-2:])} (error identifier {page.introductions[0]})"
    return page.title or " ".join(page.headings[:2])


def prose(body: bytes) -> str:
    """What an error body says, as one printable line without secrets; "" when it says nothing."""
    text = body[: 64 * 1024].decode("utf-8", "replace")
    said = sentence_of_page(text[:_PAGE]) if looks_like_html(body) else (_from_json(text) or text)
    return printable(redact(" ".join(said.split())), _LIMIT)


def _from_json(text: str) -> str:
    try:
        data = parse(text)
    except ValueError:
        return ""
    match data:
        case {"message": str(said)} | {"error": str(said)} | {"error": {"message": str(said)}}:
            return said
        case {"errors": [*errors]}:
            return "; ".join(error_text(error) for error in errors)
        case {"errors": str(said)} | str(said):
            return said
        case _:
            return ""


def error_text(error: object) -> str:
    """The text of a GraphQL or transactional error, which is a string or `{"message": …}` depending on the layer."""
    match error:
        case str():
            return error
        case {"message": message}:
            return str(message)
        case _:
            return json.dumps(error, default=str)
