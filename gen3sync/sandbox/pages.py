"""Bodies that do not come from the submission service itself: fence's HTML pages, nginx's and the proxy's errors."""

from __future__ import annotations

import html
import uuid
from http import HTTPStatus

from gen3sync.sandbox.message import HTTPFailure, Response

SERVICE_FAILURE = b'{ "error": "service failure - try again later"}'

_FENCE_PAGE = """<!doctype html>

<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>{status}</title>
    <link href='https://fonts.googleapis.com/css?family=Source+Sans+Pro' rel='stylesheet' type='text/css'>
  </head>

  <body>
    <main>
      <img class="error-page__logo" src="/user/static/img/logo.svg" />
      <div class="error-page">
        <div class="error-page__banner">
          <h1>Gen3 Data Commons</h1>
        </div>
        <div class="error-page__status-code">
          <div class="error-page__status-code-text">
            <h1>{status}</h1>
            <h2>{title}</h2>
          </div>
          <img class="error-page__picture" src="/user/static/img/404.svg" />
        </div>
        <div class="error-page__information">
          <p class="body">Error Identifier:</p>
          <p class="introduction">{identifier}</p>

          <p class="body">Error Message:</p>
          <p class="introduction">{message}</p>

          <div>

            <p class="body">Please try again!</p>

          </div>
        </div>
      </div>
    </main>
  </body>
  <style type="text/css">

  .body {{
    font-size: 16px;
    color: #9b9b9b;
    margin: 0;
  }}

  .introduction {{
    font-size: 18px;
    font-weight: 500;
  }}

  </style>
</html>"""


_NGINX_WORDS = {413: "Request Entity Too Large", 414: "Request-URI Too Large"}
"""nginx's own words where they differ from the standard library's, which also change from one Python to the next."""


def fence_error(status: int, message: str) -> HTTPFailure:
    """The token service's refusal: an HTML page, the message in the second `<p class="introduction">`."""
    page = _FENCE_PAGE.format(
        status=status,
        title=HTTPStatus(status).phrase,
        identifier=uuid.uuid4(),
        message=html.escape(message, quote=False),
    )
    return HTTPFailure(Response(status, page.encode(), "text/html; charset=utf-8"))


def service_failure(status: int = 500) -> Response:
    """What the proxy answers for any 5xx of a service behind it; the service's own body never gets through."""
    return Response(
        status, SERVICE_FAILURE, "application/octet-stream", close=status == HTTPStatus.INTERNAL_SERVER_ERROR
    )


def nginx_error(status: int) -> Response:
    """nginx's own page, as for 413 and 414."""
    title = f"{status} {_NGINX_WORDS.get(status) or HTTPStatus(status).phrase}"
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Response(status, page.encode(), "text/html", close=True)
