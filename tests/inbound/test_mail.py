"""A mail becomes a value: what real programs write, and what nobody honest does."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from escalation.inbound.html import as_text
from escalation.inbound.mail import Limits, Unreadable, read
from escalation.inbound.quoting import reply_in
from escalation.inbound.sorting import kind_of, numbers_in, our_ids, verdict, verified
from tests.inbound import letters

OUR_ID = f"<{letters.OURS}@escalation.localhost>"
SENDER = "Zhang.San@Example.com"


@pytest.mark.parametrize("client", letters.CLIENTS)
def test_what_a_client_writes(client: str) -> None:
    mail = read(letters.CLIENTS[client](SENDER, OUR_ID))
    assert mail.problem == ""
    assert mail.sender == SENDER.casefold()
    assert mail.references[0] == OUR_ID and our_ids(mail) == (OUR_ID,)
    assert mail.text.startswith(letters.ANSWER)
    assert "签收" not in mail.text and "系统自动发送" not in mail.text and "发件人" not in mail.text and "iPhone" not in mail.text
    assert len(mail.text) < len(letters.ANSWER) + 20
    assert "WT26-0001" in numbers_in(mail.subject)
    assert kind_of(mail) == "letter"
    assert mail.attachments == (("现场勘察记录.pdf",) if client == "foxmail" else ())


def test_gbk_that_calls_itself_gb2312() -> None:
    """镕 and 喆 are in GBK alone."""
    mail = read(letters.outlook(SENDER, OUR_ID, "朱镕、陶喆已到现场协调，明日复核。"))
    assert mail.text.startswith("朱镕、陶喆已到现场协调")


def test_headers_sent_as_bare_bytes() -> None:
    for charset in ("utf-8", "gb18030"):
        raw = "From: a@example.com\nSubject: 回复：缺电 WT26-0003\n\n好的\n".encode(charset)
        mail = read(raw)
        assert mail.subject == "回复：缺电 WT26-0003"
        assert mail.text == "好的"


QUOTES = {
    "nothing quoted": ("今日已送电。\n明日复核。", "今日已送电。\n明日复核。"),
    "a list is no signature": ("进展：\n- 已送电\n- 待复核", "进展：\n- 已送电\n- 待复核"),
    "from in a sentence": ("From: tomorrow on we have power.\nThanks", "From: tomorrow on we have power.\nThanks"),
    "wrote in a sentence": ("I wrote:\nplease help", "I wrote:\nplease help"),
    "english": ("Done.\n\nOn Tue, Nov 24, 2026 at 9:00 AM X <e@x.org> wrote:\n> a\n", "Done."),
    "english, broken": ("Done.\n\nOn Tue, Nov 24, 2026 at 9:00 AM Escalation System\n<e@x.org> wrote:\n> a\n", "Done."),
    "outlook english": ("Done.\n\nFrom: X <e@x>\nSent: Tuesday\nTo: Y\nSubject: Z\n\nold", "Done."),
    "original message": ("Done.\n-----Original Message-----\nFrom: X\n\nold", "Done."),
    "outlook, bold": ("完成。\n\n*发件人:* X\n*发送时间:* 2026\n*收件人:* Y\n*主题:* Z\n旧", "完成。"),
    "netease, new": ("完成。\n---- 回复的原邮件 ----\n| 发件人 | 系统<e@x> |\n旧", "完成。"),
    "coremail": ("完成。\n\n-----原始邮件-----\n发件人:系统\n发送时间:2026-11-24 09:00:00 (星期二)\n收件人: a\n旧", "完成。"),
    "below": ("在 2026-11-24，系统 写道：\n> 旧\n> 旧\n\n已完成勘察。\n", "已完成勘察。"),
    "only a quotation": ('\n\n在 2026-11-24 09:00:00，"系统" <e@x> 写道：\n旧\n', ""),
    "only quoted lines": ("> 旧\n> 旧\n", ""),
    "signature": ("已完成。\n-- \n张三\n电话", "已完成。"),
    "phone": ("已完成。\n\n发自我的华为手机", "已完成。"),
    "empty": ("", ""),
}


@pytest.mark.parametrize("what", QUOTES)
def test_quotations(what: str) -> None:
    text, own = QUOTES[what]
    assert reply_in(text) == own
    assert reply_in(text.replace("\n", "\r\n")) == own


HTML = {
    "paragraphs": ("<p>一</p><p>二<br>三</p>", "一\n二\n三"),
    "entities": ("<div>a &lt;b&gt; &amp; c&nbsp;</div>", "a <b> & c"),
    "gmail": ('<div dir="ltr">完成</div><div class="gmail_quote"><div>写道</div><div>旧</div></div>', "完成"),
    "between": ("<div>一</div><blockquote><blockquote>旧</blockquote>旧</blockquote><div>二</div>", "一\n\n二"),
    "script": ("<script>alert('x')</script><p>好</p><style>p{}</style>", "好"),
    "comment": ("<!-- <p>no</p> -->好<!--[if mso]>no<![endif]-->", "好"),
    "doctype": ('<!DOCTYPE html><?xml version="1.0"?><p>好</p>', "好"),
}


@pytest.mark.parametrize("what", HTML)
def test_html(what: str) -> None:
    html, text = HTML[what]
    assert as_text(html).replace("\n\n", "\n") == text.replace("\n\n", "\n")


# What kind of mail it is.


@pytest.mark.parametrize("server", letters.BOUNCES)
def test_a_bounce_of_a_server(server: str) -> None:
    mail = read(letters.BOUNCES[server]("gone@example.com", OUR_ID))
    assert kind_of(mail) == "bounce", verdict(mail)
    assert our_ids(mail) == (OUR_ID,)
    assert verdict(mail).recipient in ("gone@example.com", "")
    assert verdict(mail).reason


REPORTS = [
    ("5.1.1", "failed", "550 5.1.1 user unknown", "bounce"),
    ("5.2.2", "failed", "552 5.2.2 mailbox full", "bounce"),
    ("5.4.4", "failed", "Host or domain name not found", "bounce"),
    ("5.0.0", "failed", "550 no such user", "bounce"),
    ("5.7.1", "failed", "550 5.7.1 recipient not found", "bounce"),
    ("5.7.1", "failed", "550 5.7.1 blocked: spam", "returned"),
    ("5.7.26", "failed", "550 5.7.26 unauthenticated", "returned"),
    ("5.3.4", "failed", "552 5.3.4 message too big", "returned"),
    ("4.4.7", "failed", "delivery time expired", "returned"),
    ("4.4.1", "delayed", "connection timed out", "delay"),
    ("5.1.1", "delayed", "odd", "delay"),
    ("2.0.0", "delivered", "250 ok", "delay"),
    ("2.0.0", "relayed", "250 ok", "delay"),
]


@pytest.mark.parametrize(("status", "action", "said", "kind"), REPORTS)
def test_reports_of_servers(status: str, action: str, said: str, kind: str) -> None:
    assert kind_of(read(letters.postfix_bounce("a@example.com", OUR_ID, status, action, said))) == kind


AUTOMATIC = [
    ("自动回复: 交办", "", True),
    ("Automatic reply: x", "", True),
    ("Out of Office: x", "", True),
    ("Re: x", "Auto-Submitted: auto-replied\n", True),
    ("Re: x", "Auto-Submitted: auto-generated (rejected)\n", True),
    ("Re: x", "Auto-Submitted: no\n", False),
    ("Re: x", "X-Autoreply: yes\n", True),
    ("Re: x", "Precedence: bulk\n", True),
    ("Re: x", "Precedence: first-class\n", False),
    ("Re: x", "List-Id: <a.b>\n", True),
    ("关于自动回复的说明", "", False),
    ("退回的说明", "", False),
]


@pytest.mark.parametrize(("subject", "extra", "automatic"), AUTOMATIC)
def test_automatic_replies(subject: str, extra: str, automatic: bool) -> None:
    mail = read(letters.absence(SENDER, OUR_ID, subject, extra))
    assert kind_of(mail) == ("automatic" if automatic else "letter")


SAID = [
    ("", "", True),
    ("mx.example.org", "mx.example.org; dmarc=pass header.from=example.com", True),
    ("MX.example.org", "mx.example.org 1; spf=pass; dmarc=pass", True),
    ("mx.example.org", "mx.example.org; dmarc=fail", False),
    ("mx.example.org", "mx.example.org; xdmarc=pass", False),
    ("mx.example.org", "evil.example.net; dmarc=pass", False),
    ("mx.example.org", "", False),
]


@pytest.mark.parametrize(("server", "said", "vouched"), SAID)
def test_our_own_servers_word(server: str, said: str, vouched: bool) -> None:
    forged = "Authentication-Results: mx.example.org; dmarc=pass\n" if said else ""
    raw = f"Authentication-Results: {said}\n{forged}From: a@b.cn\n\nx".encode() if said else b"From: a@b.cn\n\nx"
    assert verified(read(raw), server) == vouched


SENDERS = [
    (b"From: a@b.cn", "a@b.cn"),
    (b"From: A <A@B.cn>", "a@b.cn"),
    (b"From: a@b.cn, c@d.cn", ""),
    (b"From: undisclosed:;", ""),
    (b"From: nobody", ""),
    (b"X: y", ""),
    (b'From: "a@b.cn" <evil@x.org>', "evil@x.org"),
]


@pytest.mark.parametrize(("header", "sender"), SENDERS)
def test_who_has_written(header: bytes, sender: str) -> None:
    assert read(header + b"\n\nx").sender == sender


# What nobody honest writes.


HOSTILE = {
    "nothing": b"",
    "no head": b"\n\n\n",
    "one long line": b"Subject: " + b"a" * 2_000_000,
    "many headers": b"A: b\n" * 300_000 + b"\nx",
    "comments in From": b"From: " + b"(" * 20_000 + b"\n\nx",
    "quotes in From": b'From: "' + b'\\"' * 20_000 + b"\n\nx",
    "groups in From": b"From: " + b"a:" * 10_000 + b"\n\nx",
    "a long type": b'Content-Type: multipart/mixed; boundary="' + b"a" * 500_000 + b'"\n\nx',
    "parameters": b"Content-Type: text/plain; " + b"a*0*=b; " * 60_000 + b"\n\nx",
    "references": b"References: " + b"<a@b> " * 200_000 + b"\n\nx",
    "encoded words": b"Subject: " + b"=?utf-8?b?YQ==?= " * 100_000 + b"\n\nx",
    "many parts": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 300_000,
    "parts, by CR": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\r\rx\r" * 300_000,
    "some parts": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 1_500,
    "nested": b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(5_000)) + b"x",
    "messages in messages": b"Content-Type: message/rfc822\n\n" * 50_000 + b"x",
    "many lines": b"From: a@b.cn\n\n" + b"\n" * 2_000_000,
    "many attachments": b"Content-Type: multipart/mixed; boundary=a\n\n"
    + b"--a\nContent-Disposition: attachment; filename=x\n\nx\n" * 50,
    "unknown charset": b"Content-Type: text/plain; charset=martian\n\n\xff\xfe",
    "bad base64": b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!!!===",
    "utf-7": b"Content-Type: text/plain; charset=utf-7\n\n+ADw-",
    "codec that is none": b"Content-Type: text/plain; charset=rot13\n\nabc",
    "nul": b"From: a\x00@b.cn\nSubject: \x00\nMessage-ID: <\x00@x>\n\n\x00",
    "surrogates": b"Subject: =?utf-8?q?=ED=A0=80?=\n\n\xed\xa0\x80",
    "html": b"Content-Type: text/html\n\n" + b"<a " * 300_000,
    "html comments": b"Content-Type: text/html\n\n" + b"<!--" * 300_000,
    "html quotes": b"Content-Type: text/html\n\n" + b"<blockquote>" * 100_000,
    "on on on": b"From: a@b.cn\n\n" + b"On " * 300_000,
    "on lines": b"From: a@b.cn\n\n" + b"On 2026\n" * 200_000 + b"wrote:",
    "wrote lines": b"From: a@b.cn\n\n" + b"wrote:\n" * 200_000,
    "from lines": b"From: a@b.cn\n\n" + b"From: x\n" * 200_000,
    "dashes": b"From: a@b.cn\n\n" + (b"-" * 299 + b"\n") * 1_900,
    "quoted": b"From: a@b.cn\n\n" + b">" * 1_000_000,
    "large": b"From: a@b.cn\n\n" + b"x" * 30_000_000,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_mail_is_read_in_bounded_time(what: str) -> None:
    began = time.process_time()
    try:
        mail = read(HOSTILE[what])
    except Unreadable:
        mail = None
    if mail is not None:
        kind_of(mail), our_ids(mail), numbers_in(mail.subject + mail.whole)
        for text in (mail.message_id, mail.sender, mail.subject, mail.text, *mail.attachments):
            assert "\x00" not in text
            text.encode()
    assert time.process_time() - began < 5


def test_a_mail_out_of_bounds_is_known_by_its_head() -> None:
    raw = letters.outlook(SENDER, OUR_ID)
    mail = read(raw, Limits(1_000))
    assert mail.problem == "it is larger than 0 MB"
    assert mail.sender == SENDER.casefold() and our_ids(mail) == (OUR_ID,) and mail.text == ""


PIECES = st.sampled_from(
    [b"From: ", b"Subject: ", b"Content-Type: ", b"multipart/mixed; boundary=a", b"multipart/report; report-type=delivery-status",
     b"message/delivery-status", b"message/rfc822", b"text/html", b"\n", b"\r\n", b"\n\n", b"--a\n", b"--a--\n", b"=?gb2312?B?", b"?=",
     b"<", b">", b"@", b"\x00", b"\xff", b";", b"Action: failed\n", b"Status: 5.1.1\n", b"Final-Recipient: rfc822; a@b\n", b"Message-ID: <x@y>\n",
     b"Content-Transfer-Encoding: base64\n", b"charset=gb2312", "写道：".encode(), b"On 2026 wrote:\n", b"filename*=utf-8''%ff"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=30)), max_size=60).map(b"".join))
def test_anything_at_all_is_a_mail_or_is_refused(raw: bytes) -> None:
    try:
        mail = read(raw)
    except Unreadable:
        return
    assert kind_of(mail) in ("bounce", "returned", "delay", "automatic", "letter")
    verdict(mail), our_ids(mail), numbers_in(mail.whole)
    assert mail.message_id
    "".join((mail.message_id, mail.sender, mail.subject, mail.text, mail.whole, *mail.attachments)).encode()


@settings(max_examples=200)
@given(st.sampled_from(sorted(letters.CLIENTS)), st.integers(0, 3000), st.binary(max_size=40))
def test_a_real_mail_with_something_in_it(client: str, place: int, piece: bytes) -> None:
    raw = letters.CLIENTS[client](SENDER, OUR_ID)
    read(raw[:place] + piece + raw[place:])
    read(raw[:place])


@settings(max_examples=200)
@given(st.text(max_size=400))
def test_any_text_has_a_reply_in_it(text: str) -> None:
    assert len(reply_in(text)) <= len(text)
    as_text(text)
