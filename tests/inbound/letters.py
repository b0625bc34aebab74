"""Mails as real programs write them: replies of the clients that offices use, and the reports of servers."""

from base64 import encodebytes
from quopri import encodestring

OURS = "0123456789abcdef0123456789abcdef"
THREAD = "<0123456789abcdef01234567.thread@escalation.localhost>"
ANSWER = "已联系供电公司，11月27日前完成接入点勘察。"


def b64(text: str, charset: str) -> str:
    return encodebytes(text.encode(charset)).decode()


def word(text: str, charset: str = "utf-8") -> str:
    encoded = encodebytes(text.encode(charset)).decode().replace("\n", "")
    return f"=?{charset}?B?{encoded}?="


def crlf(text: str) -> bytes:
    return text.lstrip("\n").replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8")


def head(sender: str, our_id: str, subject: str, message_id: str, extra: str = "") -> str:
    return f"""Return-Path: <{sender}>
Received: from mail.example.com (mail.example.com [192.0.2.7])
\tby mx.example.org (Postfix) with ESMTPS id 4XyZ0000000
\tfor <escalation@example.org>; Tue, 24 Nov 2026 10:00:00 +0800 (CST)
From: {word("张三")} <{sender}>
To: escalation@example.org
Subject: {word(subject)}
Date: Tue, 24 Nov 2026 10:00:00 +0800
Message-ID: {message_id}
In-Reply-To: {our_id}
References: {THREAD}
 {our_id}
MIME-Version: 1.0
{extra}"""


QUOTED = "该问题已交由你单位办理，请于11月24日17:00前签收。\n打开办理页面：https://tiji.example.org/issues/WT26-0001\n系统自动发送，非涉密事项。"


def outlook(sender: str, our_id: str, answer: str = ANSWER, subject: str = "答复: 【交办】WT26-0001 power is stuck") -> bytes:
    """Outlook for Windows, Chinese: two parts, GB2312 that is really GBK, an underscore line, full headers of what it quotes."""
    body = f"""{answer}

张三
某电力公司营销部

________________________________
发件人: 问题提级办理系统 <escalation@example.org>
发送时间: 2026年11月24日 9:00
收件人: 张三 <{sender}>
主题: 【交办】WT26-0001 power is stuck

{QUOTED}
"""
    html = f"""<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta http-equiv="Content-Type" content="text/html; charset=gb2312">
<style><!-- p.MsoNormal {{margin:0cm; font-family:宋体}} --></style></head><body lang=ZH-CN>
<div class=WordSection1><p class=MsoNormal>{answer}<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p>
<div><div style='border:none;border-top:solid #E1E1E1 1.0pt'><p class=MsoNormal><b>发件人:</b> 系统<br><b>发送时间:</b> 2026年11月24日<br>
<b>收件人:</b> 张三<br><b>主题:</b> 交办</p></div></div><p>{QUOTED}</p></div></body></html>"""
    extra = 'Content-Type: multipart/alternative;\n\tboundary="_000_OL_"\nX-Mailer: Microsoft Outlook 16.0\nThread-Index: AQHb\n'
    return crlf(
        head(sender, our_id, subject, "<SEYPR01MB1234.apcprd01.prod.exchangelabs.com>", extra)
        + f"""
--_000_OL_
Content-Type: text/plain; charset="gb2312"
Content-Transfer-Encoding: base64

{b64(body, "gb18030")}
--_000_OL_
Content-Type: text/html; charset="gb2312"
Content-Transfer-Encoding: base64

{b64(html, "gb18030")}
--_000_OL_--
"""
    )


def outlook_html(sender: str, our_id: str, answer: str = ANSWER) -> bytes:
    """Outlook on the web: HTML alone, what it quotes after divRplyFwdMsg."""
    html = f"""<html><head><meta charset="utf-8"><style type="text/css">P {{margin:0}}</style></head><body dir="ltr">
<div style="font-family:等线">{answer}</div><div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1">
<div id="divRplyFwdMsg" dir="ltr"><font face="Calibri"><b>发件人:</b> 系统 &lt;escalation@example.org&gt;<br><b>发送时间:</b> 2026年11月24日<br>
<b>收件人:</b> x<br><b>主题:</b> y</font></div><div>{QUOTED}</div></body></html>"""
    extra = 'Content-Type: text/html; charset="utf-8"\nContent-Transfer-Encoding: quoted-printable\n'
    mail = head(sender, our_id, "回复: 【交办】WT26-0001", "<TYZPR02MB9@apcprd02>", extra) + "\n"
    return crlf(mail) + encodestring(html.encode()).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def qq(sender: str, our_id: str, answer: str = ANSWER) -> bytes:
    """QQ Mail: GB18030, a row of dashes, semicolons at the end of the quoted headers."""
    text = f"""{answer}


张三
&nbsp;

------------------&nbsp;原始邮件&nbsp;------------------
发件人: "问题提级办理系统" <escalation@example.org>;
发送时间: 2026年11月24日(星期二) 上午9:00
收件人: "张三"<{sender}>;
主题: 【交办】WT26-0001 power is stuck

{QUOTED}
""".replace("&nbsp;", " ")
    html = f"""<meta http-equiv="Content-Type" content="text/html; charset=GB18030"><div>{answer}</div><div><br></div><includetail><div>
<div style="font-size: 12px;">------------------&nbsp;原始邮件&nbsp;------------------</div><div>{QUOTED}</div></div></includetail>"""
    extra = 'Content-Type: multipart/alternative;\n\tboundary="----=_NextPart_6743"\nX-Mailer: QQMail 2.x\nX-QQ-MIME: TCMime 1.0 by Tencent\n'
    return crlf(
        head(sender, our_id, "回复：【交办】WT26-0001 power is stuck", "<tencent_7A1B2C3D4E5F60718293A4B5@qq.com>", extra)
        + f"""
------=_NextPart_6743
Content-Type: text/plain; charset="gb18030"
Content-Transfer-Encoding: base64

{b64(text, "gb18030")}
------=_NextPart_6743
Content-Type: text/html; charset="gb18030"
Content-Transfer-Encoding: base64

{b64(html, "gb18030")}
------=_NextPart_6743--
"""
    )


def foxmail(sender: str, our_id: str, answer: str = ANSWER, file: bytes = b"%PDF-1.4 scan") -> bytes:
    """Foxmail: full-width colons, a signature without a mark, a picture in the signature, an attachment with a Chinese name."""
    text = f"""{answer}



张三
{" "}
发件人： 问题提级办理系统
发送时间： 2026-11-24 09:00
收件人： 张三
主题： 【交办】WT26-0001 power is stuck
{QUOTED}
"""
    extra = 'Content-Type: multipart/mixed;\n\tboundary="----=_001_NextPart"\nX-Mailer: Foxmail 7.2.25.228[cn]\n'
    return crlf(
        head(sender, our_id, "回复: 【交办】WT26-0001", "<202611241000123456789@example.com>", extra)
        + f"""
This is a multi-part message in MIME format.

------=_001_NextPart
Content-Type: multipart/related; boundary="----=_002_NextPart"

------=_002_NextPart
Content-Type: text/plain;
\tcharset="utf-8"
Content-Transfer-Encoding: base64

{b64(text, "utf-8")}
------=_002_NextPart
Content-Type: image/png;
\tname="logo.png"
Content-Transfer-Encoding: base64
Content-ID: <_Foxmail.1@logo>

iVBORw0KGgo=
------=_002_NextPart--
------=_001_NextPart
Content-Type: application/octet-stream;
\tname="{word("现场勘察记录.pdf", "gb2312")}"
Content-Transfer-Encoding: base64
Content-Disposition: attachment;
\tfilename="{word("现场勘察记录.pdf", "gb2312")}"

{encodebytes(file).decode()}
------=_001_NextPart--
"""
    )


def gmail(sender: str, our_id: str, answer: str = ANSWER) -> bytes:
    """Gmail, Chinese: `… 于2026年…写道：` broken over two lines, then >."""
    text = f"""{answer}

问题提级办理系统 <escalation@example.org> 于2026年11月24日周二
09:00写道：

> {QUOTED.replace(chr(10), chr(10) + "> ")}
>
"""
    extra = 'Content-Type: text/plain; charset="UTF-8"\nContent-Transfer-Encoding: base64\n'
    return crlf(head(sender, our_id, "Re: 【交办】WT26-0001", "<CAFx0-abc@mail.gmail.com>", extra) + "\n" + b64(text, "utf-8"))


def netease(sender: str, our_id: str, answer: str = ANSWER) -> bytes:
    """163.com: GBK, a long gap, `在 …，"…" <…> 写道：`, nothing marked in what follows."""
    text = f"""{answer}







在 2026-11-24 09:00:00，"问题提级办理系统" <escalation@example.org> 写道：

{QUOTED}
"""
    extra = "Content-Type: text/plain; charset=GBK\nContent-Transfer-Encoding: base64\nX-Coremail-Locale: zh_CN\n"
    return crlf(head(sender, our_id, "Re:【交办】WT26-0001", "<7d1f.1234.18c0@163.com>", extra) + "\n" + b64(text, "gbk"))


def thunderbird(sender: str, our_id: str, answer: str = ANSWER) -> bytes:
    """Thunderbird: the answer between and below what is quoted, format=flowed, a signature after `-- `."""
    text = f"""On 11/24/26 9:00 AM, 问题提级办理系统 wrote:
> 该问题已交由你单位办理。
{answer}
> 请于11月24日17:00前签收。

--{" "}
张三
某电力公司
"""
    extra = "Content-Type: text/plain; charset=UTF-8; format=flowed\nContent-Transfer-Encoding: 8bit\nUser-Agent: Mozilla Thunderbird\n"
    return crlf(head(sender, our_id, "Re: [Assigned] WT26-0001", "<5d3c-11ef@example.com>", extra) + "\n" + text)


def phone(sender: str, our_id: str, answer: str = ANSWER) -> bytes:
    """Apple Mail on a phone, Chinese."""
    text = f"""{answer}

发自我的 iPhone

> 在 2026年11月24日，09:00，问题提级办理系统 <escalation@example.org> 写道：
>{" "}
> {QUOTED.splitlines()[0]}
"""
    extra = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nX-Mailer: iPhone Mail (22A)\n"
    return crlf(head(sender, our_id, "Re: 【交办】WT26-0001", "<9C1E@icloud.com>", extra) + "\n" + text)


CLIENTS = {each.__name__: each for each in (outlook, outlook_html, qq, foxmail, gmail, netease, thunderbird, phone)}


def postfix_bounce(address: str, our_id: str, status: str = "5.1.1", action: str = "failed", said: str = "") -> bytes:
    """Postfix's report (RFC 3464), with the headers of what came back."""
    said = said or f"550 5.1.1 <{address}>: Recipient address rejected: User unknown in virtual mailbox table"
    return crlf(f"""
Return-Path: <>
Date: Tue, 24 Nov 2026 09:00:05 +0800 (CST)
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: escalation@example.org
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4XyZ.1/mx.example.org"
Message-Id: <20261124010005.4XyZ-{status}-{action}@mx.example.org>

This is a MIME-encapsulated message.

--4XyZ.1/mx.example.org
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.org.

<{address}>: host mail.example.com[192.0.2.7] said: {said}

--4XyZ.1/mx.example.org
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
X-Postfix-Queue-ID: 4XyZ
X-Postfix-Sender: rfc822; escalation@example.org
Arrival-Date: Tue, 24 Nov 2026 09:00:00 +0800 (CST)

Final-Recipient: rfc822; {address}
Original-Recipient: rfc822;{address}
Action: {action}
Status: {status}
Remote-MTA: dns; mail.example.com
Diagnostic-Code: smtp; {said}

--4XyZ.1/mx.example.org
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

From: escalation@example.org
To: {address}
Message-ID: {our_id}
Auto-Submitted: auto-generated

--4XyZ.1/mx.example.org--
""")


def exchange_bounce(address: str, our_id: str) -> bytes:
    """Exchange's report, Chinese: the whole mail comes back, HTML first, In-Reply-To names it."""
    html = f"<html><body><p>无法向以下收件人或组传递邮件:</p><p>{address}</p><p>找不到你输入的电子邮件地址。</p></body></html>"
    return crlf(f"""
Return-Path: <>
From: Microsoft Outlook
\t<MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com>
To: <escalation@example.org>
Date: Tue, 24 Nov 2026 01:00:05 +0000
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="c4d2-79a1"
MIME-Version: 1.0
Message-ID: <5f2e3d@SEYPR01.apcprd01.prod.exchangelabs.com>
In-Reply-To: {our_id}
References: {our_id}
Subject: {word("未送达: 【交办】WT26-0001 power is stuck")}
Auto-Submitted: auto-replied

--c4d2-79a1
Content-Type: text/html; charset="utf-8"
Content-Transfer-Encoding: base64

{b64(html, "utf-8")}
--c4d2-79a1
Content-Type: message/delivery-status

Reporting-MTA: dns;SEYPR01.apcprd01.prod.exchangelabs.com
Received-From-MTA: dns;mx.example.org
Arrival-Date: Tue, 24 Nov 2026 01:00:00 +0000

Final-Recipient: rfc822;{address}
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup

--c4d2-79a1
Content-Type: message/rfc822

From: escalation@example.org
To: {address}
Message-ID: {our_id}
Content-Type: text/plain

{QUOTED}
--c4d2-79a1--
""")


def qq_bounce(address: str, our_id: str) -> bytes:
    """QQ Mail's report: no RFC 3464, Chinese words, what came back attached."""
    text = f"抱歉，您的邮件被退回来了……\n收件人：{address}\n退信原因：收件人邮箱不存在 550 Mailbox not found\n"
    return crlf(f"""
From: PostMaster@qq.com
To: escalation@example.org
Subject: {word("系统退信：" + "【交办】WT26-0001", "gb18030")}
Message-ID: <tencent_BOUNCE1@qq.com>
Date: Tue, 24 Nov 2026 09:00:05 +0800
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="----=_Bounce"

------=_Bounce
Content-Type: text/plain; charset="gb18030"
Content-Transfer-Encoding: base64

{b64(text, "gb18030")}
------=_Bounce
Content-Type: message/rfc822

From: escalation@example.org
To: {address}
Message-ID: {our_id}

x
------=_Bounce--
""")


def netease_bounce(address: str, our_id: str) -> bytes:
    """163.com's report."""
    text = f"很抱歉，您的邮件没有送达。\n收件人：{address}\n退信原因：User not found: {address}\n原邮件 Message-ID: {our_id}\n"
    return crlf(f"""
Return-Path: <>
From: Postmaster@163.com
To: escalation@example.org
Subject: {word("系统退信/Systems bounce", "gbk")}
Message-ID: <BOUNCE2.163@163.com>
Date: Tue, 24 Nov 2026 09:00:05 +0800
MIME-Version: 1.0
Content-Type: text/plain; charset=gbk
Content-Transfer-Encoding: base64

{b64(text, "gbk")}
""")


BOUNCES = {each.__name__: each for each in (postfix_bounce, exchange_bounce, qq_bounce, netease_bounce)}


def absence(sender: str, our_id: str, subject: str = "自动回复: 【交办】WT26-0001", extra: str = "") -> bytes:
    """An absence note."""
    kind = extra + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"
    return crlf(head(sender, our_id, subject, "<absent-1@example.com>", kind) + "\n我正在休假，12月1日返回。\n")
