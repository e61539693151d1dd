"""Telling people who are not looking: what is news, and how it reaches them.

- `news.py`     what is worth telling, from two pictures of how things are and the lines of history between them; pure
- `words.py`    how it is said: a message of one notice or of many, the daily digest, the test message; pure
- `targets.py`  where it goes: addresses from the configuration, a file or the environment, which are secrets
- `post.py`     the one place that knows apprise, which may not be installed
- `outgoing.py` messages that wait: which targets have taken them, when they are tried again, when nobody tries any more
- `teller.py`   what was told and what waits, remembered in the ledger; the thread that delivers

The daemon hands over each status it writes and is never held up: nothing here stops it, whatever goes wrong. Knows no
outbox and no inbox; the ledger's history and status.json say all that is told. Nothing is imported here, so that a
daemon without targets pays nothing.
"""
