"""The one place that knows apprise, which speaks to mail, chat and webhooks and may not be installed.

apprise logs what it does, addresses and all; here its log ends, and only its reasons for not delivering come through.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any, Protocol

from gen3sync.errors import ConfigError
from gen3sync.names import printable
from gen3sync.notify.targets import Target
from gen3sync.notify.words import Message
from gen3sync.redaction import redact

_MISSING = "Notifications are configured, but apprise is not installed."
_INSTALL = "Install gen3sync with its extra: pip install '.[notify]' in its source folder; or take [notify] out."


class Post(Protocol):
    """Delivers."""

    def send(self, target: Target, message: Message) -> str:
        """Empty when the target took the message, else why it did not. Blocks for a minute at most."""
        ...


def open_post() -> Post:
    """Raises ConfigError where apprise is not installed."""
    if find_spec("apprise") is None:
        raise ConfigError(_MISSING, _INSTALL)
    return _Apprise()


class _Ear(logging.Handler):
    """Hears why apprise could not deliver. One message is sent at a time."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


class _Apprise:
    def __init__(self) -> None:
        self._ear = _Ear()
        logger = logging.getLogger("apprise")
        logger.handlers[:] = [self._ear]
        logger.propagate = False
        logger.setLevel(logging.WARNING)

    def send(self, target: Target, message: Message) -> str:
        try:
            import apprise

            self._ear.heard.clear()
            asset = apprise.AppriseAsset(
                app_id="gen3sync", app_desc="gen3sync", app_url="", async_mode=False, secure_logging=True
            )
            box: Any = apprise.Apprise(asset=asset)
            if not box.add(target.url):
                # What apprise says of it quotes the address.
                return "apprise does not understand this address"
            for service in box:
                if "overflow=" not in target.url:
                    # A service takes so much and no more; what is too long would be refused again and again.
                    service.overflow_mode = apprise.OverflowMode.SPLIT
            kind = apprise.NotifyType.INFO if message.good else apprise.NotifyType.WARNING
            taken = box.notify(
                body=message.body, title=message.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
            )
        except Exception as error:  # noqa: BLE001 - a plugin for one of a hundred services; whatever it raises
            return _plain(f"{type(error).__name__}: {error}")
        if taken:
            return ""
        return _plain(self._ear.heard[-1] if self._ear.heard else "it did not take the message and gave no reason")


def _plain(text: str) -> str:
    return printable(redact(text), 300).rstrip(".")
