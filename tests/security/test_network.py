"""Where requests go: variables, proxies, `.netrc` and plain http cannot lead keys elsewhere or weaken TLS."""

from __future__ import annotations

import json
import os
import ssl
from pathlib import Path

import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from gen3sync.clock import ManualClock
from gen3sync.commons.adapter import Adapter, trust
from gen3sync.commons.connect import open_commons
from gen3sync.commons.credentials import CredentialsSource
from gen3sync.commons.replies import Broken
from gen3sync.commons.tokens import TokenManager
from gen3sync.commons.transport import Request, Transport
from gen3sync.config import load_settings
from gen3sync.errors import ConfigError, CredentialsError, Gen3SyncError
from tests.unit.cli.calling import call
from tests.unit.commons.support import START, House, Seen, Site, as_json, make_key, save_key


@pytest.mark.parametrize(
    "url", ["http://commons.example.org", "http://10.0.0.7:8080", "http://localhost.example.org", "http://a.localhost"]
)
def test_plain_http_leaves_no_machine(tmp_path: Path, url: str) -> None:
    """Refused where it is configured, and where a key names it as its issuer."""
    config = tmp_path / "gen3sync.toml"
    config.write_text(
        f'[commons]\nurl = "{url}"\n[outbox]\npath = "o"\n[inbox]\npath = "i"\n[state]\npath = "s"\n', encoding="utf-8"
    )
    said = call("check", "-c", config)
    assert said.code == 78
    assert "https" in said.out
    key = save_key(tmp_path / "key.json", {"api_key": make_key(url, START), "key_id": "k"})
    tokens = TokenManager(Transport(proxies={}), CredentialsSource(key, {}), ManualClock(START))
    with pytest.raises(ConfigError, match="plain http"):
        tokens.token()
    with pytest.raises(ConfigError, match="plain http"):
        TokenManager(Transport(proxies={}), CredentialsSource(key, {}), ManualClock(START), url)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"])
def test_this_machine_is_asked_without_a_proxy(home: House, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """http://127.0.0.1 is allowed because nobody else hears it: a proxy would, and would get the key."""
    proxy = Site(lambda seen: as_json({"taken": True}), home.clock)
    try:
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        transport = Transport()
        tokens = TokenManager(transport, home.source, home.clock)
        assert tokens.token()
        transport.send(Request("GET", f"{home.site.url}/x", auth=tokens))
        assert proxy.seen == []
        assert home.site.count("/x") == 1
    finally:
        proxy.close()


def test_a_proxy_sees_of_tls_only_the_host(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Site(lambda seen: as_json({}), home.clock)
    try:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http://", "http://lab:pass-word-canary@"))
        broken = Transport().send(
            Request("PUT", "https://commons.example.org/api?q=1", {"Authorization": "bearer canary"}, body=b"canary")
        )
        assert isinstance(broken, Broken)
        assert "canary" not in broken.message
        seen = [json.dumps([each.method, each.path, each.headers, each.body.decode()]) for each in proxy.seen]
        assert not [each for each in seen if "bearer" in each or "q=1" in each]
    finally:
        proxy.close()


def test_netrc_is_not_read(home: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password pass-word-canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    seen: list[Seen] = []

    def answer(request: Seen) -> object:
        seen.append(request)
        return as_json({})

    home.serve(answer)  # type: ignore[arg-type]
    home.transport.send(Request("GET", f"{home.site.url}/x"))
    assert "authorization" not in seen[0].headers


WEAKER = {
    "REQUESTS_CA_BUNDLE": "mine.pem",
    "CURL_CA_BUNDLE": "mine.pem",
    "PYTHONHTTPSVERIFY": "0",
    "GIT_SSL_NO_VERIFY": "1",
    "NODE_TLS_REJECT_UNAUTHORIZED": "0",
}


def test_no_variable_and_no_argument_turns_verification_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.pem").write_text("not a certificate")
    for name, value in WEAKER.items():
        monkeypatch.setenv(name, str(tmp_path / value) if value.endswith(".pem") else value)
    context = trust(None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2

    class Connection:
        cert_reqs = ca_certs = ca_cert_dir = None

    connection = Connection()
    Adapter(context).cert_verify(connection, "https://commons.example.org", False, None)
    assert connection.cert_reqs == "CERT_REQUIRED"


@pytest.mark.parametrize("least", [ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_3])
def test_a_python_with_another_least_version_of_tls(monkeypatch: pytest.MonkeyPatch, least: ssl.TLSVersion) -> None:
    """A distribution's own may take any that OpenSSL has; an administrator's may take the newest alone."""
    make = ssl.create_default_context

    def of_that_python(cafile: str | None = None) -> ssl.SSLContext:
        context = make(cafile=cafile)
        context.minimum_version = least
        return context

    monkeypatch.setattr(ssl, "create_default_context", of_that_python)
    assert trust(None).minimum_version == max(least, ssl.TLSVersion.TLSv1_2)


def test_no_setting_turns_verification_off(tmp_path: Path) -> None:
    config = tmp_path / "gen3sync.toml"
    for key in ("verify", "verify_tls", "insecure", "tls_verify", "ssl_verify"):
        config.write_text(
            f'[commons]\n{key} = false\n[outbox]\npath = "o"\n[inbox]\npath = "i"\n[state]\npath = "s"\n',
            encoding="utf-8",
        )
        with pytest.raises(ConfigError, match=key):
            load_settings(config, {})


def test_keys_of_connections_are_not_written_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Python's contexts write them where SSLKEYLOGFILE says; whoever reads that file can read the API key."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    for context in (trust(None), Adapter(trust(None))._context):
        assert context is not None
        assert context.keylog_filename is None


def test_a_named_ca_is_the_only_one(tmp_path: Path) -> None:
    pem = Path(DEFAULT_CA_BUNDLE_PATH).read_text(encoding="utf-8")
    one = pem[pem.index("-----BEGIN CERTIFICATE-----") : pem.index("-----END CERTIFICATE-----")]
    path = tmp_path / "ca.pem"
    path.write_text(one + "-----END CERTIFICATE-----\n", encoding="utf-8")
    assert len(trust(path).get_ca_certs()) == 1


def test_a_key_goes_to_no_other_commons(home: House, tmp_path: Path) -> None:
    """Not where the configuration points by mistake, and not where a key that was put in its place comes from."""

    class Settings:
        url, credentials, ca_file = "https://other.example.org", home.key_file, None
        connect_timeout = read_timeout = deadline = 5.0

    client = open_commons(Settings(), {}, home.clock)
    with pytest.raises(CredentialsError, match="not sent there"):
        client.tokens.token()
    client.close()
    assert home.site.seen == []
    # The daemon runs; somebody replaces the key file by one that another site issued.
    home.tokens.token()
    other = Site(lambda seen: as_json({}), home.clock)
    try:
        stranger = {"api_key": make_key("https://evil.example.org", home.clock.now().replace(year=2027)), "key_id": "k"}
        save_key(home.key_file, stranger)
        os.utime(home.key_file, (1, 1))
        home.tokens.drop(home.tokens.token().value)
        with pytest.raises(Gen3SyncError, match="not sent there"):
            home.tokens.token()
        assert other.seen == []
    finally:
        other.close()
