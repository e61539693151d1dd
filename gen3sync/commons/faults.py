"""Says what went wrong on the wire: an exception of requests, urllib3 or the socket becomes `Broken`."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

import requests
from urllib3 import exceptions as u3

from gen3sync.commons.adapter import Guard
from gen3sync.commons.replies import Broken, BrokenCause


def fault_of(error: BaseException, guard: Guard, host: str, *, writes: bool) -> Broken:
    """`error` as data. The text is written here: an exception's own text can quote headers and proxies' passwords."""
    cause, what = _cause(error, guard)
    landed = writes and guard.sent and cause not in {BrokenCause.RESOLVE, BrokenCause.CONNECT, BrokenCause.TLS}
    return Broken(f"{host}: {what}.", cause, None, may_have_landed=landed)


def _cause(error: BaseException, guard: Guard) -> tuple[BrokenCause, str]:
    if guard.cancelled:
        return BrokenCause.CANCELLED, "given up because gen3sync is stopping"
    if guard.expired:
        return BrokenCause.TIMEOUT, f"no complete answer within {guard.seconds:g} s"
    chain = tuple(_chain(error))
    if _any(chain, u3.NameResolutionError, socket.gaierror):
        return BrokenCause.RESOLVE, "the name has no address (DNS); check commons.url and this machine's network"
    if not guard.sent:
        return _before_sending(chain)
    if _any(chain, u3.ReadTimeoutError, requests.ReadTimeout, TimeoutError):
        return BrokenCause.TIMEOUT, "no answer in time"
    return BrokenCause.RESET, "the connection ended before the answer was complete"


def _before_sending(chain: tuple[BaseException, ...]) -> tuple[BrokenCause, str]:
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            return (
                BrokenCause.TLS,
                f"its certificate is not accepted ({link.verify_message}); name your site's CA in commons.ca_file",
            )
    if _any(chain, ssl.SSLError, u3.SSLError, requests.exceptions.SSLError):
        return BrokenCause.TLS, "no TLS connection could be made; is there a web server behind this address and port?"
    if _any(chain, u3.ProxyError, requests.exceptions.ProxyError):
        return BrokenCause.CONNECT, "the proxy named in the environment does not answer"
    number = next((link.errno for link in chain if isinstance(link, OSError) and (link.errno or 0) > 0), None)
    if number is not None:
        return BrokenCause.CONNECT, f"not reachable ({os.strerror(number)})"
    if _any(chain, u3.ConnectTimeoutError, requests.ConnectTimeout, TimeoutError):
        return BrokenCause.CONNECT, "no connection within the time allowed"
    return BrokenCause.CONNECT, "no connection could be made"


def _any(chain: tuple[BaseException, ...], *kinds: type[BaseException]) -> bool:
    return any(isinstance(link, kinds) for link in chain)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, what it wraps (`reason`, `args`) and what it came from, each once."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner = (*link.args, getattr(link, "reason", None), link.__cause__, link.__context__)
        waiting.extend(item for item in inner if isinstance(item, BaseException))
