"""Logs: one line an event, with its facts, and nothing in it that should not be read. The only home of structlog.

Modules log with the standard library (`logging.getLogger(__name__)`, facts in `extra`); this is where their records become
lines for people or JSON for programs, and where passwords, tokens and addresses are taken out, whoever wrote them.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

#: What follows these words is nobody's business. Every part has its longest length: without one a long line takes minutes.
_SECRET = re.compile(
    r"(?i)(?<!\w)([\w-]{0,40}?(?:pass(?:word|wd|phrase)?|pwd|secret|token|bearer|authorization|cookie|api[_-]?key)"
    r"(?:_(?!file)\w{1,20})?\\{0,4}[\"']?"
    r"|auth (?:plain|login))"
    r"(\s*[=: ]\s*)(\"[^\"]*\"|'[^']*'|(?:(?:bearer|basic|plain) )?\S+)"
)
_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,40}://[^\s:/@]{0,200}):[^\s@/]{1,4000}@")
_ADDRESS = re.compile(r"([^\s<>@\"'(),;:]{1,64})@([\w-]+(?:\.[\w-]+)+)")
_KEYS = re.compile(r"(?i)pass|secret|token|cookie|authorization")
#: Characters that would make one event look like two, or play tricks on a terminal.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
HIDDEN = "***"


def clean(text: str) -> str:
    """A text without secrets, with addresses shortened to their first letter, on one line."""
    text = _URL.sub(rf"\1:{HIDDEN}@", text)
    text = _SECRET.sub(rf"\1\2{HIDDEN}", text)
    text = _ADDRESS.sub(lambda found: f"{found[1][0]}{HIDDEN}@{found[2]}", text)
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def _cleaned(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key.startswith("_"):
            continue
        if _KEYS.search(key):
            event[key] = HIDDEN
        elif isinstance(value, str):
            event[key] = "\n".join(clean(line) for line in value.split("\n")) if key == "exception" else clean(value)
        elif not isinstance(value, int | float | bool | None):
            event[key] = clean(str(value))
    return event


def configure(form: str = "lines", level: str = "info", stream: TextIO | None = None) -> None:
    """Sends the logs of all modules to a stream (standard error), as `lines` for people or as `json` for programs."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _cleaned,
    ]
    last: Any = structlog.processors.JSONRenderer(ensure_ascii=False) if form == "json" else _line
    handler = _Steady(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # what libraries say at these levels is about their own insides
    for name in ("apscheduler", "alembic", "asyncio", "transitions", "aiosmtplib", "sqlalchemy", "mail.log"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    head = f"{event.pop('timestamp')} {event.pop('level'):<7} {event.pop('logger')}: {event.pop('event')}"
    trouble = event.pop("exception", "")
    facts = " ".join(f"{key}={value}" for key, value in event.items() if value not in (None, "", 0, {}, [], "{}", "[]"))
    return head + (f"  {facts}" if facts else "") + (f"\n{trouble}" if trouble else "")


class _Steady(logging.StreamHandler[TextIO]):
    """Goes on when nobody reads any more, or the disk of the log is full: an engine does not stop for its diary."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the standard library's name
        """Says nothing: there is nowhere to say it."""
