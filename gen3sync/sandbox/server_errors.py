"""Below the service: streams that break off, compression, and the application server's own errors."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from gen3sync.sandbox.message import Response

_PAGE = """<html>
  <head>
    <title>Internal Server Error</title>
  </head>
  <body>
    <h1><p>Internal Server Error</p></h1>
{blank}
  </body>
</html>
""".format(blank=" " * 4)


class BrokenStream(Exception):  # noqa: N818 - tells the server to drop the connection
    """The stream ends here without its end mark."""


def gunicorn_error() -> Response:
    """The application server's own 500, seen only without a proxy in front."""
    return Response(500, _PAGE.encode(), "text/html", close=True)


def long_line(length: int, limit: int) -> Response:
    """The application server's answer to a request line with too many ids in it."""
    reason = f"Request Line is too large ({length} &gt; {limit})"
    head = "<html>\n  <head>\n    <title>Bad Request</title>\n  </head>\n  <body>\n    <h1><p>Bad Request</p></h1>\n"
    return Response(400, f"{head}    {reason}\n  </body>\n</html>\n".encode(), "text/html", close=True)


def gzipped(blocks: Iterable[bytes]) -> Iterable[bytes]:
    """Each block by itself, so that a stalled stream shows what it has."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for block in blocks:
        # Each block is flushed, as nginx does for a stream: a stalled export shows what it has.
        yield packer.compress(block) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()
