"""One mail that came in, in one transaction: what it is, what it changes, and the row that says that it was dealt with."""

from datetime import datetime

from sqlmodel import Session

from escalation.applying import Outgoing
from escalation.filekinds import Limits
from escalation.inbound import bounces, replies, threads
from escalation.inbound.mail import Incoming
from escalation.inbound.outcomes import Outcome, earlier, entered, settled
from escalation.inbound.sorting import kind_of, numbers_in, our_ids, verdict, verified
from escalation.world import World


def take(
    session: Session,
    world: World,
    mail: Incoming,
    now: datetime,
    outgoing: Outgoing,
    authserv: str = "",
    files: Limits | None = None,
) -> Outcome:
    """Deals with a mail, and answers what became of it; the same mail again changes nothing. The caller commits.

    `authserv`: the name of our own mail server, whose word on the sender is then asked for. `files`: what may come with it.
    """
    if not entered(session, mail, now):
        return earlier(session, mail.message_id)
    outcome = _dealt_with(session, world, mail, now, outgoing, authserv, files or Limits())
    settled(session, mail, outcome)
    return outcome


def _dealt_with(
    session: Session, world: World, mail: Incoming, now: datetime, outgoing: Outgoing, authserv: str, files: Limits
) -> Outcome:
    connection = session.connection()
    named = numbers_in(f"{mail.subject}\n{mail.whole[:2_000]}")
    kind = kind_of(mail)
    if mail.problem and kind != "letter":
        return Outcome("unreadable", "", mail.problem)
    ours = threads.sent(connection, our_ids(mail), named, outgoing.domain) if kind != "automatic" else []
    number = next((row.about for row in ours if row.about), "") or next(iter(threads.known(connection, named)), "")
    match kind:
        case "bounce":
            return bounces.marked(session, world, verdict(mail), ours, now, outgoing)
        case "returned":
            return Outcome("returned", number, verdict(mail).reason)
        case "delay":
            return Outcome("delayed", number, verdict(mail).reason)
        case "automatic":
            return Outcome("automatic", number, mail.subject)
    # anybody can write any address into From: it counts for nothing without the Message-ID of a mail that went to that address
    to_them = [row for row in ours if mail.sender and row.recipient.casefold() == mail.sender]
    done = None
    if to_them and verified(mail, authserv):
        done = replies.recorded(session, world, mail, to_them, now, outgoing, files)
    return done or Outcome("stranger", number, f"{mail.subject}: {mail.text[:300] or mail.problem}")
