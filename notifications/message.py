"""What is sent and what became of it: drafts, messages, outcomes, and the one way a channel is spoken to."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import format_datetime, quote
from struct import Struct
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Protocol
from urllib.parse import quote as quoted
from zlib import crc32

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email


class Attachment(NamedTuple):
    """A file that goes with a message."""

    name: str
    content_type: str
    data: bytes


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
    #: What it is a part of that somebody must approve before it is sent; opaque to this package.
    approval: str = ""
    attachment: Attachment | None = None
    #: By which way it goes: mail, or a channel that the configuration names; that is then its recipient.
    channel: str = "mail"


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
    headers: Mapping[str, str] = MappingProxyType({})
    attachments: tuple[Attachment, ...] = ()
    #: What it is about, for programs that read it (an issue's number).
    about: str = ""


class Sent(NamedTuple):
    """The server has taken it, and what it said."""

    code: int = 250
    note: str = ""


class TryAgain(NamedTuple):
    """Not now. `host`: the whole server is in trouble, not this message."""

    reason: str
    host: bool = False


class Down(NamedTuple):
    """Nobody is to be spoken to there. The message had no part in it and keeps its tries; its lane is quiet for a minute."""

    reason: str


class GiveUp(NamedTuple):
    """Never: this address or this message will not be taken."""

    reason: str


class Hold(NamedTuple):
    """The fault is ours, not the recipient's: keep the message, tell somebody, and do not hammer the server.

    `host`: nothing at all will be taken (login, banner, sender). Without it only this message was refused on policy; a
    single recipient whose server dislikes us must not hold up the others.
    """

    reason: str
    host: bool = True


Outcome = Sent | TryAgain | Down | GiveUp | Hold


class Channel(Protocol):
    """A way out: used as an async context manager, one outcome a message, never an exception."""

    async def __aenter__(self) -> "Channel": ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def send(self, message: Message) -> Outcome:
        """Hands one message over and says what became of it."""
        ...


# the library's own way to allow a reserved name: an office without mail of its own tries the program out on one machine
if "localhost" in SPECIAL_USE_DOMAIN_NAMES:
    SPECIAL_USE_DOMAIN_NAMES.remove("localhost")


class BadAddress(ValueError):
    """Not one mail address."""


def check_address(text: str, *, smtputf8: bool = False) -> str:
    """The address as it is written on an envelope: one, its domain in A-labels.

    The part before the @ must be ASCII unless `smtputf8` says that the server takes more. Raises BadAddress with a sentence.
    """
    try:
        found = validate_email(
            text.strip(), check_deliverability=False, test_environment=True, globally_deliverable=False, strict=True
        )
    except EmailNotValidError as error:
        raise BadAddress(f"{text!r} is no mail address: {error}") from error
    if found.ascii_email is not None:
        return found.ascii_email
    if smtputf8:
        return f"{found.local_part}@{found.ascii_domain}"
    raise BadAddress(f"{text!r}: the part before the @ must be ASCII; most servers take no other")


#: Zero-width characters, bidi marks and overrides: nobody sees them, and some turn what one does see.
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def clean(text: str) -> str:
    """A text on one line, without control characters and without those that cannot be seen."""
    if text.isprintable():
        return text.strip()
    return " ".join(_CONTROL.sub(" ", _UNSEEN.sub("", text)).split())


def to_bytes(message: Message) -> bytes:
    """The message as it goes over the wire (RFC 5322): text first, HTML second, UTF-8 in base64, CRLF.

    Written by hand on purpose: EmailMessage takes most of the time of a send. A test parses it with the modern parser and
    compares with what EmailMessage makes. All headers pass through `clean`, so no text can add a line to them; base64 has
    no `_`, so the boundary cannot occur in a body.
    """
    boundary = f"=_{crc32(message.message_id.encode()):08x}"
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(message))
    outer = f"=m{boundary[1:]}" if message.attachments else ""
    return b"".join(
        (
            f"{head}MIME-Version: 1.0\r\n".encode(),
            f'Content-Type: multipart/mixed; boundary="{outer}"\r\n\r\n--{outer}\r\n'.encode() if outer else b"",
            f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode(),
            *_part(boundary, "plain", message.text),
            *_part(boundary, "html", message.html),
            f"--{boundary}--\r\n".encode(),
            *(_attached(outer, each) for each in message.attachments),
            f"--{outer}--\r\n".encode() if outer else b"",
        )
    )


def _headers(message: Message) -> Iterator[tuple[str, str]]:
    yield "Subject", _encoded(message.subject)
    yield "From", _address(message.sender_name, message.sender)
    yield "To", clean(message.recipient)
    if message.reply_to:
        yield "Reply-To", clean(message.reply_to)
    yield "Date", format_datetime(message.date)
    yield "Message-ID", clean(message.message_id)
    if message.thread_id and message.thread_id != message.message_id:
        yield "In-Reply-To", clean(message.thread_id)
        yield "References", clean(message.thread_id)
    yield "Auto-Submitted", "auto-generated"
    yield "X-Auto-Response-Suppress", "All"
    for name, value in message.headers.items():
        yield name, _encoded(value)


#: A line of a header as it may stand: printable ASCII, short, and not looking like an encoded word.
_PLAIN = re.compile(r"(?!.*=\?)[ -~]{0,60}")
#: Bytes of one encoded word (RFC 2047): with `Subject: ` before it a line stays within 76 characters.
_WORD = 39


def _encoded(text: str) -> str:
    text = clean(text)
    return text if _PLAIN.fullmatch(text) else "\r\n ".join(_words(text.encode("utf-8", "replace")))


def _words(text: bytes) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = start + _WORD
        while end < len(text) and text[end] & 0xC0 == 0x80:  # not within a character
            end -= 1
        yield f"=?utf-8?b?{b64encode(text[start:end]).decode()}?="
        start = end


def _address(name: str, address: str) -> str:
    name, address = clean(name), clean(address)
    if not name:
        return address
    shown = f'"{quote(name)}"' if _PLAIN.fullmatch(name) else _encoded(name)
    return f"{shown}\r\n <{address}>"


def _part(boundary: str, subtype: str, content: str) -> tuple[bytes, bytes]:
    head = f'--{boundary}\r\nContent-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    lines = content.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    return head.encode(), _wrapped(lines)


def _wrapped(data: bytes) -> bytes:
    """Base64 in lines of 76, as the library's encodebytes has it, without its loop over every 57 bytes."""
    text = b64encode(data)
    lines, rest = divmod(len(text), 76)
    # cut in one call: a loop over the lines takes longer than the encoding
    cut = Struct("76s" * lines + f"{rest}s" * bool(rest))
    return b"\r\n".join((*cut.unpack(text), b""))


#: What a content type may be made of; anything else is called a stream of bytes.
_TYPE = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+")


def _attached(boundary: str, attachment: Attachment) -> bytes:
    """One file. Its name is given as RFC 2231 has it: any character, and no line that is not ours."""
    name = clean(attachment.name)[:60].replace("/", "_").replace("\\", "_").replace('"', "'") or "attachment"
    kind = attachment.content_type if _TYPE.fullmatch(attachment.content_type) else "application/octet-stream"
    # without it a text is ASCII to the letter of RFC 2046
    charset = "; charset=utf-8" if kind.startswith("text/") else ""
    head = (
        f"--{boundary}\r\nContent-Type: {kind}{charset};\r\n name*=utf-8''{quoted(name, safe='')}\r\n"
        f"Content-Disposition: attachment;\r\n filename*=utf-8''{quoted(name, safe='')}\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode() + _wrapped(attachment.data)
