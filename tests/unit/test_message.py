"""What goes over the wire: parsed by the modern parser it is what EmailMessage would have made, whatever the texts hold."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.message import BadAddress, Message, check_address, clean, to_bytes

AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


def message(**changes) -> Message:
    usual = Message(
        sender="escalation@example.com",
        sender_name="省专班办公室",
        recipient="organ@example.com",
        subject="【提级办理】WT26-0007 冷库双回路供电方案未确定（牡丹江市→省电力公司，请于11月26日17:00前办结）",
        text="省电力公司：\n\n请办理。\n.\n",
        html="<!doctype html><html lang='zh-CN'><p>请办理。</p></html>",
        message_id="<1f2e@example.com>",
        thread_id="<root@example.com>",
        date=AT,
        reply_to="office@example.com",
    )
    return usual._replace(**changes)


def parsed(sent: bytes) -> EmailMessage:
    found = message_from_bytes(sent, policy=policy.default)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


def modern(given: Message) -> EmailMessage:
    """The same mail by the library's own means."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["Subject"] = clean(given.subject)
    mail["From"] = f'"{clean(given.sender_name)}" <{given.sender}>' if clean(given.sender_name) else given.sender
    mail["To"] = given.recipient
    mail["Reply-To"] = given.reply_to
    mail["Date"] = given.date
    mail["Message-ID"] = given.message_id
    mail["In-Reply-To"] = mail["References"] = given.thread_id
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(given.text, cte="base64")
    mail.add_alternative(given.html, subtype="html", cte="base64")
    return parsed(mail.as_bytes())


def same(ours: EmailMessage, theirs: EmailMessage) -> None:
    for name in ("Subject", "From", "To", "Reply-To", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted"):
        assert str(ours[name]) == str(theirs[name]), name
    assert ours.get_content_type() == theirs.get_content_type() == "multipart/alternative"
    for one, other in zip(ours.iter_parts(), theirs.iter_parts(), strict=True):
        assert one.get_content_type() == other.get_content_type()
        assert one.get_content_charset() == other.get_content_charset() == "utf-8"
        assert one["Content-Transfer-Encoding"] == "base64"
        assert one.get_content().replace("\r\n", "\n").rstrip("\n") == other.get_content().replace("\r\n", "\n").rstrip("\n")


def test_it_is_what_the_modern_class_makes():
    same(parsed(to_bytes(message())), modern(message()))


#: What a mail's body may be made of; the modern class itself cannot carry lone surrogates or bare carriage returns.
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=120)


@given(subject=words, name=words, text=words, html=words)
def test_any_text_arrives_as_it_was(subject, name, text, html):
    sent = message(subject=subject, sender_name=name, text=text, html=html)
    ours = parsed(to_bytes(sent))
    assert str(ours["Subject"]) == clean(subject)
    # by the older parser: the modern one of Python 3.11 puts a space between two encoded words of a name
    shown, address = parseaddr(str(message_from_bytes(to_bytes(sent))["From"]))
    assert str(make_header(decode_header(shown))) == clean(name)
    assert address == sent.sender
    plain, marked = ours.iter_parts()
    assert plain.get_content() == text
    assert marked.get_content() == html


@given(st.text(max_size=300))
def test_no_line_is_long_and_every_byte_is_ascii(text):
    sent = to_bytes(message(subject=text, sender_name=text, headers={"X-Note": text}))
    sent.decode("ascii")
    assert b"\n" not in sent.replace(b"\r\n", b"")
    assert b"\r" not in sent.replace(b"\r\n", b"")
    head = sent.split(b"\r\n\r\n")[0].split(b"\r\n")
    assert max(map(len, head)) <= 78
    assert max(map(len, sent.split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    "evil",
    ["a\r\nBcc: evil@example.com", "a\nBcc: evil@example.com", "a\rBcc: x@example.com", "a\u2028Bcc: x", "a\x85Bcc: x", "a\0b"],
)
@pytest.mark.parametrize("where", ["subject", "sender_name", "recipient", "reply_to", "message_id", "thread_id", "sender"])
def test_no_text_adds_a_header(where, evil):
    sent = to_bytes(message(**{where: evil}))
    names = [line.split(b":")[0] for line in sent.split(b"\r\n\r\n")[0].split(b"\r\n") if not line.startswith(b" ")]
    usual = to_bytes(message()).split(b"\r\n\r\n")[0].split(b"\r\n")
    assert names == [line.split(b":")[0] for line in usual if not line.startswith(b" ")]
    assert b"\0" not in sent


def test_nothing_unseen_is_left_in_a_header():
    assert clean("付款\u202egpj.exe\u200b 说\u2066明\u200f") == "付款gpj.exe 说明"
    assert clean("  a\r\n b\tc\x1b[31m ") == "a b c [31m"
    assert clean("问题 100%") == "问题 100%"


def test_what_looks_encoded_is_not_decoded():
    trick = "=?utf-8?b?aGVsbG8=?="
    assert str(parsed(to_bytes(message(subject=trick)))["Subject"]) == trick


def test_the_headers_that_keep_machines_from_answering():
    mail = parsed(to_bytes(message()))
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["Date"].datetime == AT
    assert str(mail["Date"]) == format_datetime(AT)


def test_one_conversation_has_one_root():
    mail = parsed(to_bytes(message()))
    assert mail["References"] == mail["In-Reply-To"] == "<root@example.com>"
    first = parsed(to_bytes(message(thread_id="<1f2e@example.com>")))
    assert first["References"] is None


def test_the_same_message_is_the_same_bytes():
    assert to_bytes(message()) == to_bytes(message())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (" organ@example.com ", "organ@example.com"),
        ("a.b+c@Example.COM", "a.b+c@example.com"),
        ("u@例子.测试", "u@xn--fsqu00a.xn--0zwm56d"),
        ("root@mail.localhost", "root@mail.localhost"),
        ("u@city.test", "u@city.test"),
    ],
)
def test_an_address_is_normalised(written, meant):
    assert check_address(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "nobody",
        "a@b@example.com",
        "a@example.com, b@example.com",
        "a@example.com\r\nRCPT TO:<evil@example.com>",
        "a@example.com>\r\nDATA",
        "张三@example.com",
        "<a@example.com>",
        "Organ <a@example.com>",
        "a@",
        "@example.com",
        "a b@example.com",
        f"{'a' * 65}@example.com",
        f"a@{'b' * 250}.com",
        "a@example..com",
    ],
)
def test_what_is_not_one_address_is_refused(written):
    with pytest.raises(BadAddress, match="."):
        check_address(written)


def test_a_local_part_beyond_ascii_only_where_the_server_takes_it():
    assert check_address("张三@例子.测试", smtputf8=True) == "张三@xn--fsqu00a.xn--0zwm56d"
