"""The headers of every mail by RFC 5322, 3834, 2047, 2231 and 6532, read by parsers that we did not write: Python's, as strict as it
can be, and Perl's Email::MIME with Email::Address::XS; and what hostile texts do to them: nothing.
"""

import base64
import json
import re
import subprocess
import unicodedata
from collections.abc import Callable
from email import message_from_bytes, message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from notifications.kinds import KINDS, LANGUAGES
from notifications.message import BadAddress, Message, check_address, to_bytes
from notifications.samples import facts
from tests.mail.letters import EACH, Letter, draft, office, sent
from tests.mail.test_features import wrong_with
from tests.programs import missing, needed

pytestmark = pytest.mark.programs

#: Each once in a mail (RFC 5322, 3.6), and ours besides.
ONCE = (
    "Subject",
    "From",
    "To",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "MIME-Version",
    "Content-Type",
)
AT_MOST_ONCE = ("Reply-To", "In-Reply-To", "References")
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
MSG_ID = rf"<{ATOM}(\.{ATOM})*@{ATOM}(\.{ATOM})*>"


def python(raw: bytes) -> EmailMessage:
    """By the library's strict policy: a defect is an error, also those of a header."""
    found = message_from_bytes(raw, policy=policy.strict.clone(utf8=True))
    assert isinstance(found, EmailMessage)
    for name, value in found.items():
        assert not value.defects, (name, value.defects)  # type: ignore[attr-defined]
    return found


def perl(mails: list[bytes], folder: Path) -> list[dict[str, Any]]:
    """By Email::MIME."""
    program = needed("perl")
    if subprocess.run([program, "-MEmail::MIME", "-e", "1"], check=False, capture_output=True).returncode:
        missing("Perl's Email::MIME", "libemail-mime-perl")
    paths = []
    for number, raw in enumerate(mails):
        paths.append(folder / f"{number}.eml")
        paths[-1].write_bytes(raw)
    told = subprocess.run([program, Path(__file__).parent / "parse.pl", *paths], check=False, capture_output=True, timeout=120)
    assert told.returncode == 0, told.stderr.decode()
    assert told.stderr == b"", told.stderr.decode()
    return [json.loads(line) for line in told.stdout.splitlines()]


def check(message: Message, theirs: dict[str, Any]) -> None:
    """A mail as both parsers have it is the message that we meant."""
    raw = to_bytes(message)
    head = raw.partition(b"\r\n\r\n")[0]
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert raw.isascii() and b"\0" not in raw
    ours = python(raw)
    assert theirs["order"] == ours.keys()
    assert [name for name in ONCE if ours.keys().count(name) != 1] == []
    assert set(ours.keys()) <= {*ONCE, *AT_MOST_ONCE}
    assert len(ours.keys()) == len(set(ours.keys()))
    assert str(ours["Subject"]) == theirs["subject"] == message.subject
    (sender,) = ours["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (message.sender_name, message.sender)
    assert theirs["addresses"]["From"] == [{"valid": True, "address": message.sender}]
    assert theirs["addresses"]["To"] == [{"valid": True, "address": message.recipient}]
    assert [each.addr_spec for each in ours["To"].addresses] == [message.recipient]
    assert ours["Date"].datetime == message.date
    for name in ("Message-ID", "In-Reply-To", "References"):
        assert name not in ours or re.fullmatch(MSG_ID, ours[name]), ours[name]
    # RFC 3834: a notice is no reply, and asks for none
    assert ours["Auto-Submitted"] == "auto-generated"
    _encoded_words(head)
    _parts(message, ours, theirs["parts"])


def _encoded_words(head: bytes) -> None:
    """RFC 2047: 75 characters at most, whole characters in each, lines of 76."""
    for word in re.findall(rb"=\?utf-8\?b\?([^?]*)\?=", head):
        assert len(word) + len("=?utf-8?b??=") <= 75
        base64.b64decode(word, validate=True).decode("utf-8")
    assert all(len(line) <= 76 for line in head.split(b"\r\n") if b"=?" in line)


def _parts(message: Message, ours: EmailMessage, theirs: list[dict[str, Any]]) -> None:
    leaves = [part for part in ours.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in leaves] == [each["type"] for each in theirs]
    assert [each["type"] for each in theirs[:2]] == ["text/plain", "text/html"]
    for part, each, meant in zip(leaves, theirs, (message.text, message.html), strict=False):
        wanted = meant.encode("utf-8", "replace").decode()
        assert part.get_content().replace("\r\n", "\n") == each["text"].replace("\r\n", "\n") == wanted
        assert part.get_content_charset() == "utf-8"
    for part, each, file in zip(leaves[2:], theirs[2:], message.attachments, strict=True):
        assert part.get_filename() == each["name"] == file.name
        assert each["size"] == len(file.data)
        assert part.get_content_disposition() == "attachment"


def test_every_mail_is_what_both_parsers_make_of_it(every: list[Letter], tmp_path: Path) -> None:
    for letter, theirs in zip(every, perl([letter.raw for letter in every], tmp_path), strict=True):
        check(letter.message, theirs)
    assert len(every) == len(EACH)


#: What people, or those who mean harm, may write into a field.
NAUGHTY = {
    "a header": "x\r\nBcc: evil@example.com\r\n\r\n<b>body</b>",
    "a folded header": "x\n X-Evil: 1\n\tmore",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>\"'</td></table><style>*{display:none}</style>&lt;",
    "a comment": "<!--[if mso]><b>--><![endif]--><!-- --!> ]]>",
    "right to left": "\u202egpj.exe\u202c \u2066abc\u2069 عربى \u200f",
    "zero width": "W\u200bT\u200d26\ufeff\u00ad\u2060",
    "ten thousand": "口" * 10_000,
    "one word": "x" * 10_000,
    "emoji": "👩‍👩‍👧‍👦🇨🇳🏗️👍🏽",
    "nul": "a\0b\x1b[31mc\x7f\x08",
    "line separators": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "encoded": "=?utf-8?q?=0D=0ABcc:_evil@example.com?= =?utf-8?b?DQo=?=",
    "half a pair": "a\ud800b",
    "smuggled": "\n.\n.\r\nMAIL FROM:<evil@example.com>\r\n",
    "a template": "{{ 7*7 }}{% raw %}{# #}",
    "a formula": "=cmd|'/c calc'!A1",
    "a boundary": "--=_c76a8e4a--\r\n--=m_c76a8e4a",
    "a paragraph": "\n\n!note\n\n|a:b\n\n#late",
    "quotes": '"a" <b@example.com>, c\\"d',
    "many marks": "e" + "\u0301" * 500,
}
FIELDS = ("title", "project", "description", "reason", "recipient_name", "coordinator", "lead_organ")
EVERY_NOTICE = [(kind, language) for language in LANGUAGES for kind in KINDS]


def hostile(kind: str, language: str, number: int) -> dict[str, str]:
    """A hostile text for every field that people fill, another one in each mail; only a title may be endless."""
    texts = [text.encode("utf-8", "replace").decode() for text in NAUGHTY.values()]
    said = {name: texts[(3 * number + 5 * place) % len(texts)] for place, name in enumerate(FIELDS)}
    usual = facts(kind, language)
    return {name: text if name == "title" else text[:500] for name, text in said.items() if usual[name]}


@pytest.mark.parametrize("turn", range(3))
def test_no_text_harms_a_mail(letter: Callable[[str, str], Letter], turn: int, tmp_path: Path) -> None:
    app = office(tmp_path)
    changes = [hostile(kind, language, number * 7 + turn) for number, (kind, language) in enumerate(EVERY_NOTICE)]
    drafts = [
        draft(kind, language, 7, f"n{number}@example.com", **changes[number])
        for number, (kind, language) in enumerate(EVERY_NOTICE)
    ]
    by_recipient = {message.recipient: message for message in sent(app, drafts)}
    app.close()
    messages = [by_recipient[each.recipient] for each in drafts]
    parsed = perl([to_bytes(message) for message in messages], tmp_path)
    for (kind, language), message, theirs, said in zip(EVERY_NOTICE, messages, parsed, changes, strict=True):
        usual = letter(kind, language)
        check(message, theirs)
        assert theirs["order"] == python(usual.raw).keys(), "no header more, no header less"
        assert len(message.subject) <= 300
        assert _frame(message.html) == _frame(usual.message.html), ("no tag more, no tag less", kind, said)
        assert wrong_with(message.html) == []
        unseen = {c for c in message.subject + message.text + message.html if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")}
        assert unseen <= {"\n", "\u00ad"}, "soft hyphens show where they matter"


def _frame(html: str) -> list[str]:
    """The tags of a mail in their order, but for those that follow a text's length."""
    root = LexborHTMLParser(html).root
    assert root is not None
    return [node.tag or "" for node in root.traverse() if node.tag != "br"]


@pytest.mark.parametrize("what", NAUGHTY)
def test_no_name_of_a_sender_harms_a_mail(letter: Callable[[str, str], Letter], what: str, tmp_path: Path) -> None:
    text = NAUGHTY[what]
    given = letter("closed", "en").message._replace(
        sender_name=text[:500], subject=text[:500], reply_to="a@example.com", attachments=()
    )
    raw = to_bytes(given)
    ours, (theirs,) = python(raw), perl([raw], tmp_path)
    assert theirs["order"] == ours.keys()
    assert theirs["addresses"]["From"] == [{"valid": True, "address": given.sender}]
    assert [each.addr_spec for each in ours["From"].addresses] == [given.sender]
    assert str(ours["Subject"]) == theirs["subject"]


def test_an_international_domain_goes_out_as_every_server_takes_it(letter: Callable[[str, str], Letter], tmp_path: Path) -> None:
    address = check_address("organ@黑龙江.例子")
    assert address.isascii()
    message = letter("closed", "zh_CN").message._replace(recipient=address)
    (theirs,) = perl([to_bytes(message)], tmp_path)
    check(message, theirs)


def test_an_international_mailbox_is_refused_unless_the_server_takes_it(letter: Callable[[str, str], Letter]) -> None:
    with pytest.raises(BadAddress):
        check_address("张三@example.com")
    # RFC 6532: then the header has it in UTF-8
    message = letter("closed", "zh_CN").message._replace(recipient=check_address("张三@例子.测试", smtputf8=True))
    found = message_from_string(to_bytes(message).decode(), policy=policy.default.clone(utf8=True))
    assert [each.addr_spec for each in found["To"].addresses] == ["张三@xn--fsqu00a.xn--0zwm56d"]
