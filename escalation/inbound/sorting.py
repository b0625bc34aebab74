"""What kind of mail has come in: a server's report, an automatic reply, or a letter that somebody has written. Pure."""

import re
from typing import Literal, NamedTuple

from escalation.inbound.mail import Incoming

Kind = Literal["bounce", "returned", "delay", "automatic", "letter"]

#: Who returns mail: mailer-daemon, postmaster.
_POSTMASTER = re.compile(r"^(mailer-?daemon|postmaster|mdaemon|mail-?delivery|microsoftexchange[0-9a-f]*)@")
#: What they call it, Postfix, Exchange, QQ Mail and NetEase among them.
_RETURNED = re.compile(
    r"(?i)退信|退回|未送达|无法送达|发送失败|投递失败|未传递|undeliver|returned mail|failure notice|could not be delivered|"
    r"delivery (?:status|failure|has failed|incomplete)|mail delivery (?:failed|failure|system)"
)
_AUTOMATIC = re.compile(
    r"(?i)^\s*(?:自动回复|自动答复|假期自动回复|外出自动答复|不在办公室|auto(?:matic)?[ -]?(?:reply|response)|"
    r"out of (?:the )?office|on vacation|away from)"
)
_ROBOT = re.compile(r"^(no-?reply|do-?not-?reply|bounces?[-+].*|.*-bounces?)@")
#: A status (RFC 3463), or a server's answer where it gives none.
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([45])\d\d(?=[ \-#])")
#: What servers say of an address that is not there, where they give no code at all.
_NO_SUCH = re.compile(
    r"(?i)(?:用户|收件人|帐号|账号|邮箱|邮件地址)不存在|无此用户|unknown user|no such (?:user|mailbox|recipient)|"
    r"user (?:unknown|not found|doesn't exist|does not exist)|mailbox (?:not found|unavailable)|"
    r"(?:address|recipient) (?:not found|rejected)"
)
#: Permanent answers that are not about the address: too large, cannot be converted, our server or the text is not liked.
_NOT_THE_ADDRESS = ("5.2.3", "5.3.4", "5.6", "5.7")
NUMBER = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{1,10}[0-9]{0,4}-?[0-9]{2,10}(?![A-Za-z0-9])")
_OURS = re.compile(r"<[0-9a-f]{32}@[^<>\s]{1,200}>")


class Verdict(NamedTuple):
    """What a server reports of a mail that we sent."""

    #: The address is not there and will not be.
    permanent: bool
    reason: str
    #: The address that it speaks of, if it names one.
    recipient: str = ""
    #: This mail will not be tried again.
    final: bool = True


def kind_of(mail: Incoming) -> Kind:
    """Reports come first, since they are automatic mails too: of an address that is not there, of one mail that was not taken
    for another reason, of mail that may still arrive."""
    if is_report(mail):
        said = verdict(mail)
        return "bounce" if said.permanent else "returned" if said.final else "delay"
    return "automatic" if is_automatic(mail) else "letter"


def is_report(mail: Incoming) -> bool:
    """Is it a report on mail of ours: by its form (RFC 3464), or by who sends it and what they call it?"""
    if mail.deliveries or "report-type=delivery-status" in mail.mark("content-type").replace('"', ""):
        return True
    if mail.mark("x-failed-recipients"):
        return True
    return bool(_by_postmaster(mail) and _RETURNED.search(mail.subject))


def _by_postmaster(mail: Incoming) -> bool:
    return not mail.sender or mail.mark("return-path") == "<>" or bool(_POSTMASTER.match(mail.sender))


def is_automatic(mail: Incoming) -> bool:
    """Has a machine written it (RFC 3834)? Such a mail is never answered."""
    if mail.mark("auto-submitted").partition(";")[0].strip() not in ("", "no"):
        return True
    if mail.mark("x-autoreply") or mail.mark("x-autorespond") or mail.mark("list-id") or mail.mark("list-unsubscribe"):
        return True
    if mail.mark("precedence") in ("bulk", "junk", "list", "auto_reply") or mail.mark("return-path") == "<>":
        return True
    return bool(_AUTOMATIC.match(mail.subject) or _ROBOT.match(mail.sender) or _POSTMASTER.match(mail.sender))


def verdict(mail: Incoming) -> Verdict:
    """Will mail to this address never arrive? By the report's own fields; by the server's words where it has none."""
    for each in mail.deliveries:
        if each.action == "failed":
            status = each.status or _status(each.reason)
            return Verdict(_permanent(status, each.reason), f"{status} {each.reason}".strip(), each.recipient)
    if mail.deliveries:
        first = mail.deliveries[0]
        return Verdict(False, f"{first.action} {first.status} {first.reason}".strip(), first.recipient, final=False)
    said = mail.whole[:20_000]
    status, line = _status(said), _telling_line(said)
    return Verdict(_permanent(status, said), line or status, mail.mark("x-failed-recipients"), final=not status.startswith("4"))


def _permanent(status: str, reason: str) -> bool:
    if not status.startswith("5"):
        return not status and bool(_NO_SUCH.search(reason[:20_000]))
    vague = status in ("5.0.0", "5.7.1")
    if vague and _NO_SUCH.search(reason[:20_000]):
        return True
    return not any(status == each or status.startswith(f"{each}.") for each in _NOT_THE_ADDRESS)


def _status(said: str) -> str:
    found = _STATUS.search(said)
    if found:
        return found[0]
    code = _CODE.search(said)
    return f"{code[1]}.0.0" if code else ""


def _telling_line(said: str) -> str:
    """The line that says why, for a person to read."""
    for line in said.split("\n"):
        if _STATUS.search(line[:500]) or _CODE.search(line[:500]) or _NO_SUCH.search(line[:500]):
            return line.strip()[:300]
    return ""


def our_ids(mail: Incoming) -> tuple[str, ...]:
    """The Message-IDs that may be ours, among those that it answers; in a report also those of what came back."""
    found = [each for each in mail.references if _OURS.fullmatch(each)]
    if is_report(mail):
        found += _OURS.findall(mail.whole)
    return tuple(dict.fromkeys(found))[:50]


def numbers_in(text: str) -> tuple[str, ...]:
    """What may be numbers of issues, in the order in which they are named."""
    return tuple(dict.fromkeys(found.upper() for found in NUMBER.findall(text[:5_000])))[:20]


def verified(mail: Incoming, authserv: str) -> bool:
    """Does our own mail server say that the sender is who it says (RFC 8601)? Without a server named, nobody is asked.

    Only the topmost of these headers is looked at, the one that the last server has added: whoever sends a mail can write others.
    """
    if not authserv:
        return True
    said = mail.mark("authentication-results")
    name, _, results = said.partition(";")
    return name.split()[:1] == [authserv.casefold()] and bool(re.search(r"\bdmarc=pass\b", results))
