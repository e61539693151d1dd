"""Ways in which an answer breaks off or comes from below the service."""

from __future__ import annotations

from gen3sync.sandbox.message import Response

_PAGE = """<html>
  <head>
    <title>Internal Server Error</title>
  </head>
  <body>
    <h1><p>Internal Server Error</p></h1>
    
  </body>
</html>
"""


class BrokenStream(Exception):  # noqa: N818 - tells the server to drop the connection
    """The stream ends here without its end mark."""


def gunicorn_error() -> Response:
    """The application server's own 500, seen only without a proxy in front."""
    return Response(500, _PAGE.encode(), "text/html", close=True)
