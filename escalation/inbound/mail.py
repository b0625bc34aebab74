"""A mail from outside becomes a value: bounded in size, parts and time, whatever somebody has put into it. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import EmailPolicy
from hashlib import sha256
from typing import Any, NamedTuple

from escalation.inbound.html import as_text
from escalation.inbound.quoting import reply_in

#: Characters of a header, of a text that is looked at, and of what is kept of it.
HEADER, TEXT, KEPT = 8_000, 200_000, 5_000
#: A mail has no more lines, lines that may part it, nested parts, bytes of headers and leaves than this.
LINES, PARTINGS, NESTED, HEAD, LEAVES = 500_000, 2_000, 40, 262_144, 100
#: So many attachments, and so many Message-IDs that it answers.
ATTACHMENTS, REFERENCES = 20, 100


class Unreadable(Exception):
    """A mail that cannot be taken apart, or not within bounds; it says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a mail may be, in bytes."""

    size: int = 20 * 1024 * 1024


class Delivery(NamedTuple):
    """What a server reports of one recipient (RFC 3464): `failed`, `delayed` …, a status as `5.1.1`, and its words."""

    recipient: str
    action: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """A mail as far as this program looks at it. All texts are clean of control characters; addresses are in small letters."""

    message_id: str
    sender: str = ""
    subject: str = ""
    #: The Message-IDs that it answers, its own thread first.
    references: tuple[str, ...] = ()
    #: What its writer says, without what is quoted and the signature.
    text: str = ""
    attachments: tuple[str, ...] = ()
    #: What is in them, in the same order.
    contents: tuple[bytes, ...] = ()
    #: Headers that tell what kind of mail it is, in small letters.
    marks: tuple[tuple[str, str], ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    #: All the text there is, for what servers write in their own words.
    whole: str = ""
    #: Why it was not read beyond its head.
    problem: str = ""

    def mark(self, name: str) -> str:
        """One of the headers in MARKS, in small letters; empty if it has none."""
        return dict(self.marks).get(name, "")


MARKS = (
    "content-type",
    "auto-submitted",
    "precedence",
    "return-path",
    "x-autoreply",
    "x-autorespond",
    "x-failed-recipients",
    "list-id",
    "list-unsubscribe",
    "authentication-results",
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")
_ID = re.compile(r"<[^<>\s]{1,250}>")
#: Mail programs write GBK, and call it by the name of the smaller set in it.
_GB = re.compile(r"(?i)=\?(?:gb2312|gbk|gb_2312-80)\?")
GB = ("gb2312", "gbk", "gb_2312-80", "x-gbk", "cp936")


class _Bounded(EmailPolicy):
    """The modern policy, with headers cut where nobody honest writes on: taking them apart takes more than linear time."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, _GB.sub("=?gb18030?", _bytes_read(value[:HEADER]))


POLICY: Any = _Bounded()


def read(raw: bytes, limits: Limits = Limits()) -> Incoming:
    """The mail in these bytes. One that is too large or strange comes back with its head alone, and with its `problem`.

    Raises Unreadable when not even its head can be read.
    """
    problem = out_of_bounds(raw, limits)
    try:
        whole: Any = message_from_bytes(_head(raw) if problem else raw, policy=POLICY)
        return _headed(whole, raw, problem) if problem else _taken_apart(whole, raw)
    except Unreadable as error:
        return read_head(raw, str(error))
    except Exception as error:  # the parser is given anything at all, and has its own mistakes
        return read_head(raw, f"{type(error).__name__}: {error}")


def read_head(raw: bytes, problem: str) -> Incoming:
    """The head of a mail whose rest cannot be read. Raises Unreadable when that cannot be read either."""
    try:
        head: Any = message_from_bytes(_head(raw), policy=POLICY)
        return _headed(head, raw, problem)
    except Exception as error:
        raise Unreadable(f"{problem}; {type(error).__name__}: {error}") from error


def out_of_bounds(raw: bytes, limits: Limits) -> str:
    """Why it is not taken apart: what it would cost is counted first. Empty: it may be."""
    if len(raw) > limits.size:
        return f"it is larger than {limits.size // 1024 // 1024} MB"
    if raw.count(b"\n") > LINES or raw.count(b"\r") > LINES:
        return f"it has more than {LINES} lines"
    if len(raw) > HEAD and not _HEAD_ENDS.search(raw, 0, HEAD):
        return f"its head is longer than {HEAD // 1024} KB"
    if raw.count(b"\n--") + raw.count(b"\r--") > PARTINGS or raw.lower().count(b"boundary") > NESTED:
        return "it has too many parts"
    return ""


def identity(raw: bytes) -> str:
    """A name for a mail that has none."""
    return f"<{sha256(raw).hexdigest()}@no-message-id>"


def _head(raw: bytes) -> bytes:
    """The headers, or as much of them as is looked at."""
    start = raw[:HEAD]
    found = _HEAD_ENDS.search(start)
    return start[: found.end()] if found else start[: start.rfind(b"\n") + 1]


def _headed(head: Message, raw: bytes, problem: str) -> Incoming:
    found = _header(head, "message-id")
    match = _ID.search(found)
    sender = _sender(head)
    return Incoming(
        message_id=match[0] if match else identity(raw),
        sender=sender,
        subject=_header(head, "subject")[:500],
        references=_references(head),
        marks=tuple((name, value) for name in MARKS if (value := _header(head, name).casefold())),
        problem=problem,
    )


def _taken_apart(whole: Message, raw: bytes) -> Incoming:
    head = _headed(whole, raw, "")
    texts, files, deliveries = _parts(whole)
    written = texts.get("plain") or as_text(texts.get("html", ""))
    return Incoming(
        message_id=head.message_id,
        sender=head.sender,
        subject=head.subject,
        references=head.references,
        marks=head.marks,
        text=reply_in(written)[:KEPT],
        attachments=tuple(_file_name(part) for part in files),
        contents=tuple(_content(part) for part in files),
        deliveries=tuple(deliveries),
        whole=written + "\n" + texts.get("returned", ""),
    )


def _parts(whole: Message) -> tuple[dict[str, str], list[Message], list[Delivery]]:
    """The first plain and HTML text, the head of what was returned, the files, what a server reports."""
    texts: dict[str, str] = {}
    files: list[Message] = []
    deliveries: list[Delivery] = []
    for count, (part, returned) in enumerate(_walk(whole)):
        if count >= LEAVES:
            raise Unreadable(f"it has more than {LEAVES} parts")
        kind = part.get_content_type()
        if returned or kind in ("message/rfc822", "text/rfc822-headers"):
            texts["returned"] = (texts.get("returned", "") + "\n" + _returned(part))[:TEXT]
        elif kind == "message/delivery-status":
            deliveries += _deliveries(part)
        elif part.get_content_disposition() == "attachment" or (part.get_filename() and not _decoration(part)):
            files.append(part)
        elif kind in ("text/plain", "text/html"):
            texts.setdefault(kind.removeprefix("text/"), _text(part))
    if len(files) > ATTACHMENTS:
        raise Unreadable(f"it has more than {ATTACHMENTS} attachments")
    return texts, files, deliveries


def _walk(part: Message, returned: bool = False) -> Iterator[tuple[Message, bool]]:
    """The leaves, and the messages within; `returned`: it lies inside another message, so nobody has written it now."""
    kind = part.get_content_type()
    inside = part.get_payload()
    if kind == "message/delivery-status" or not isinstance(inside, list):
        yield part, returned
        return
    if part.get_content_maintype() == "message":
        yield part, True
        return
    for each in inside:
        if isinstance(each, Message):
            yield from _walk(each, returned)


def _returned(part: Message) -> str:
    """The Message-ID of a mail that came back: all that is needed to know which it was."""
    inside = part.get_payload()
    if isinstance(inside, list):
        return "\n".join(_header(each, "message-id") for each in inside[:3] if isinstance(each, Message))
    return _text(part)


def _decoration(part: Message) -> bool:
    """A picture inside the text, such as the one of a signature."""
    return part.get_content_maintype() == "image" and bool(part.get("content-id"))


def _file_name(part: Message) -> str:
    name = tidy(part.get_filename() or "").replace("\\", "/").rpartition("/")[2].replace(",", " ").strip()
    return name[:120] or f"attachment.{part.get_content_subtype()[:10]}"


def _content(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _deliveries(part: Message) -> list[Delivery]:
    inside = part.get_payload()
    blocks = inside if isinstance(inside, list) else []
    return [
        Delivery(
            _after_type(_header(block, "original-recipient") or _header(block, "final-recipient")).strip("<>").casefold(),
            (_header(block, "action").casefold().split() or [""])[0],
            _header(block, "status"),
            _after_type(_header(block, "diagnostic-code"))[:300],
        )
        for block in blocks[:50]
        if isinstance(block, Message) and block.get("action")
    ]


def _after_type(value: str) -> str:
    """`rfc822; a@b` and `smtp; 550 …` without what stands before the semicolon."""
    kind, semicolon, rest = value.partition(";")
    return (rest if semicolon else kind).strip()


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    label = str(part.get_content_charset() or "").casefold()
    return tidy(decoded(payload[: TEXT * 4], label))[:TEXT]


def decoded(payload: bytes, label: str) -> str:
    """Text by its label, or by what it is where the label is missing or wrong: UTF-8, else the Chinese encoding."""
    names = ["gb18030"] if label in GB else [label] if label and label != "us-ascii" else []
    for name in (*names, "utf-8", "gb18030"):
        try:
            return payload.decode(name)
        except (LookupError, UnicodeError, ValueError):
            continue
    return payload.decode("utf-8", "replace")


def _bytes_read(value: str) -> str:
    """A header that was sent as bare bytes, against the rules."""
    if value.isascii():
        return value
    return decoded(value.encode("utf-8", "surrogateescape"), "")


def _header(message: Message, name: str) -> str:
    """A header's text on one line; as it stands where it cannot be decoded, "" where it is missing."""
    try:
        value = message.get(name)
    except Exception:  # the standard library's header parser gives up in many ways
        value = next((str(raw) for key, raw in message.raw_items() if key.casefold() == name), "")
    return " ".join(tidy(str(value or "")).split())[:HEADER]


def _sender(message: Message) -> str:
    """The one address in From; empty where there is none or are several."""
    try:
        found: Any = message["from"]
        addresses = [each.addr_spec for each in found.addresses] if found is not None else []
    except Exception:
        return ""
    if len(addresses) != 1 or "@" not in addresses[0]:
        return ""
    return tidy(str(addresses[0]))[:320].strip("<> ").casefold()


def _references(message: Message) -> tuple[str, ...]:
    found = _ID.findall(_header(message, "in-reply-to")) + _ID.findall(_header(message, "references"))
    return tuple(dict.fromkeys(found))[:REFERENCES]


def tidy(text: str) -> str:
    """A text that any database and terminal takes: no control or unseen characters but line ends and tabs."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", lines).encode("utf-8", "replace").decode()
