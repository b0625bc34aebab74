"""dispatch_once: claim, commit, render, send, record, commit. No network inside a transaction; one bad message stops no other."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

import orjson
from sqlmodel import Session

from notifications import outbox
from notifications.message import BadAddress, Channel, GiveUp, Message, Outcome, check_address
from notifications.outbox import Claimed, RetryPolicy
from notifications.rendering import Renderer

OpenSession = Callable[[], AbstractContextManager[Session]]
#: None: send now; otherwise the moment from which it may be sent.
MaySend = Callable[[datetime, bool], datetime | None]


def always(now: datetime, urgent: bool) -> datetime | None:
    """No quiet hours."""
    return None


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """Who sends, under what name, and when."""

    node: str
    sender: str
    sender_name: str = ""
    domain: str = "escalation.localhost"
    reply_to: str = ""
    #: Longer than the longest conversation with a server about one mail.
    lease: timedelta = timedelta(minutes=30)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    may_send: MaySend = always


@dataclass(slots=True)
class DispatchCounts:
    """What a dispatch did; `left` waits for now or later."""

    sent: int = 0
    retry: int = 0
    dead: int = 0
    held: int = 0
    postponed: int = 0
    late: int = 0
    left: int = 0
    #: Templates that could not be used, in sentences; the built-in text went out instead.
    problems: list[str] = field(default_factory=list)


async def dispatch_once(
    open_session: OpenSession, channel: Channel, renderer: Renderer, settings: DispatchSettings, now: datetime, limit: int
) -> DispatchCounts:
    """Sends up to `limit` messages whose time has come."""
    done = DispatchCounts()
    with open_session() as session:
        claimed = outbox.claim(session, now, limit, settings.node, settings.lease)
        going = _quiet(session, claimed, settings, now, done)
    if going:
        results = await _send_all(going, channel, renderer, settings, now, done)
        with open_session() as session:
            counted = outbox.record(session, results, now, settings.policy)
        done.sent, done.retry, done.dead = counted.sent, counted.retry, counted.dead
        done.held, done.late = counted.held, counted.late
    with open_session() as session:
        states = outbox.counts(session)
    done.left = states.get("queued", 0) + states.get("sending", 0)
    return done


def _quiet(
    session: Session, claimed: Sequence[Claimed], settings: DispatchSettings, now: datetime, done: DispatchCounts
) -> list[Claimed]:
    """What may go now; the rest waits for the hours in which people are mailed."""
    until = {urgent: settings.may_send(now, urgent) for urgent in (False, True)}
    going = []
    for each in claimed:
        later = until[each.urgent]
        if later is None:
            going.append(each)
        else:
            outbox.postpone(session, each, later)
            done.postponed += 1
    return going


async def _send_all(
    going: Sequence[Claimed],
    channel: Channel,
    renderer: Renderer,
    settings: DispatchSettings,
    now: datetime,
    done: DispatchCounts,
) -> list[tuple[Claimed, Outcome]]:
    async with channel:

        async def send(each: Claimed) -> tuple[Claimed, Outcome]:
            try:
                recipient = check_address(each.recipient)
            except BadAddress as error:
                return each, GiveUp(str(error))
            return each, await channel.send(_message(each, recipient, renderer, settings, now, done))

        return list(await asyncio.gather(*[send(each) for each in going]))


def _message(
    each: Claimed, recipient: str, renderer: Renderer, settings: DispatchSettings, now: datetime, done: DispatchCounts
) -> Message:
    rendered = renderer.render(each.kind, each.language, orjson.loads(each.facts))
    if rendered.problem:
        done.problems.append(rendered.problem)
    return Message(
        sender=settings.sender,
        sender_name=settings.sender_name,
        recipient=recipient,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        message_id=each.message_id,
        thread_id=thread_id(each.about, settings.domain) if each.about else each.message_id,
        date=now,
        reply_to=settings.reply_to,
    )


def thread_id(about: str, domain: str) -> str:
    """The root that all messages about one thing share, so that mail programs show them together."""
    return f"<{sha256(about.encode()).hexdigest()[:24]}.thread@{domain}>"


async def drain(
    open_session: OpenSession,
    channel: Callable[[], Channel],
    renderer: Renderer,
    settings: DispatchSettings,
    now: datetime,
    batch: int = 500,
) -> DispatchCounts:
    """Sends until nothing is left whose time has come."""
    total = DispatchCounts()
    while True:
        once = await dispatch_once(open_session, channel(), renderer, settings, now, batch)
        total.sent, total.retry, total.dead = total.sent + once.sent, total.retry + once.retry, total.dead + once.dead
        total.held, total.postponed, total.left = total.held + once.held, total.postponed + once.postponed, once.left
        total.problems += once.problems
        if not (once.sent or once.retry or once.dead or once.held or once.postponed):
            return total
