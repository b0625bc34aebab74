"""What is sent and what became of it: drafts, messages, outcomes, and the one way a channel is spoken to."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr
from types import TracebackType
from typing import NamedTuple, Protocol

from email_validator import EmailNotValidError, validate_email


class Draft(NamedTuple):
    """A message before it is rendered, as the outbox keeps it."""

    recipient: str
    kind: str
    language: str
    #: JSON, encoded once and shared by all who are told the same.
    facts: bytes
    #: The same message is queued once, however often it is asked for.
    key: str
    #: What it is about, opaque to this package (an issue's number).
    about: str = ""
    #: Whom it is for, opaque to this package (a party's code).
    party: str = ""
    urgent: bool = False
    not_before: datetime | None = None


class Message(NamedTuple):
    """A rendered message for one recipient."""

    sender: str
    sender_name: str
    recipient: str
    subject: str
    text: str
    html: str
    message_id: str
    #: The root of the conversation that mail programs show together.
    thread_id: str
    date: datetime
    reply_to: str = ""
    headers: Mapping[str, str] = {}


class Sent(NamedTuple):
    """The server has taken it."""

    note: str = ""


class TryAgain(NamedTuple):
    """Not now. `host`: the whole server is in trouble, not this message."""

    reason: str
    host: bool = False


class GiveUp(NamedTuple):
    """Never: this address or this message will not be taken."""

    reason: str


class Hold(NamedTuple):
    """Our own configuration is wrong: keep everything, tell somebody, and do not hammer the server."""

    reason: str


Outcome = Sent | TryAgain | GiveUp | Hold


class Channel(Protocol):
    """A way out: used as an async context manager, one outcome a message, never an exception."""

    async def __aenter__(self) -> "Channel": ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def send(self, message: Message) -> Outcome:
        """Hands one message over and says what became of it."""
        ...


class BadAddress(ValueError):
    """Not one mail address."""


def check_address(text: str) -> str:
    """The address as it is written on an envelope: one, with an ASCII local part and its domain in A-labels.

    Raises BadAddress with a sentence.
    """
    try:
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True, globally_deliverable=False)
    except EmailNotValidError as error:
        raise BadAddress(f"{text!r} is no mail address: {error}") from error
    if found.ascii_email is None:
        raise BadAddress(f"{text!r}: the part before the @ must be ASCII; most servers take no other")
    return found.ascii_email


#: Control characters, bidi overrides, zero-width characters: none of them belongs into a header.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def clean(text: str) -> str:
    """A header's text on one line, without characters that cannot be seen."""
    return " ".join(_UNSEEN.sub(" ", text).split())


def to_bytes(message: Message) -> bytes:
    """The message as it goes over the wire (RFC 5322): text first, HTML second, UTF-8 in base64, CRLF.

    Built with the older MIME classes on purpose: the modern ones are three times slower, parsed they are equal.
    """
    whole = MIMEMultipart("alternative")
    whole.attach(MIMEText(message.text, "plain", "utf-8"))
    whole.attach(MIMEText(message.html, "html", "utf-8"))
    whole["Subject"] = Header(clean(message.subject), "utf-8", header_name="Subject").encode()
    whole["From"] = _address(message.sender_name, message.sender)
    whole["To"] = message.recipient
    if message.reply_to:
        whole["Reply-To"] = message.reply_to
    whole["Date"] = format_datetime(message.date)
    whole["Message-ID"] = message.message_id
    if message.thread_id and message.thread_id != message.message_id:
        whole["In-Reply-To"] = message.thread_id
        whole["References"] = message.thread_id
    whole["Auto-Submitted"] = "auto-generated"
    whole["X-Auto-Response-Suppress"] = "All"
    for name, value in message.headers.items():
        whole[name] = clean(value)
    return re.sub(rb"\r?\n", b"\r\n", whole.as_bytes())


def _address(name: str, address: str) -> str:
    return formataddr((clean(name), address), "utf-8") if name else address
