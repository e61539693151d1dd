"""TLS: a certificate nobody vouches for is refused, a named authority is enough, and nothing turns verification off."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.commons.replies import Broken, BrokenCause
from gen3sync.commons.transport import Answer, Request, Timeouts, Transport
from gen3sync.errors import ConfigError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with the openssl command")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    return folder


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://localhost:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


def _ask(url: str, ca_file: Path | None) -> Answer | Broken:
    return Transport(timeouts=Timeouts(20, 20, 20), ca_file=ca_file, proxies={}).send(Request("GET", url))


def test_an_unknown_authority_is_refused_with_a_remedy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    broken = _ask(url, None)
    assert isinstance(broken, Broken)
    assert (broken.cause, broken.may_have_landed) == (BrokenCause.TLS, False)
    assert "commons.ca_file" in broken.message


def test_a_named_authority_is_enough(url: str, certificate: Path) -> None:
    answer = _ask(url, certificate / "cert.pem")
    assert isinstance(answer, Answer)
    assert answer.status == 200


def test_another_host_under_the_same_certificate_is_refused(url: str, certificate: Path) -> None:
    broken = _ask(url.replace("localhost", "127.0.0.1"), certificate / "cert.pem")
    assert isinstance(broken, Broken)
    assert broken.cause is BrokenCause.TLS


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_a_ca_file_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        Transport(ca_file=path)
