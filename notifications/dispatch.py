"""dispatch_once: claim, commit, render, send, record, commit. No network inside a transaction; one bad message stops no other.

Transactions are done beside the event loop (`aside.py`): a store that lets us wait holds up nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

import orjson
from sqlmodel import Session

from notifications import attaching, claiming, limits, outbox
from notifications.aside import Aside, in_a_thread
from notifications.bookkeeping import Book, DispatchCounts, OpenSession
from notifications.claiming import Claimed
from notifications.kinds import SUMMARY_KINDS
from notifications.lanes import MAIL, Lane
from notifications.message import Attachment, BadAddress, Channel, GiveUp, Message, Outcome, TryAgain, check_address
from notifications.rendering import Line, Rendered, Renderer, plainly
from notifications.retrying import RetryPolicy

#: A digest lists so many messages; of the rest it says how many.
LINES = 100

T = TypeVar("T")
#: None: send now; otherwise the moment from which it may be sent.
MaySend = Callable[[datetime, bool], datetime | None]
#: None: send it now; otherwise until when a message waits for a digest that takes it up.
WaitsFor = Callable[[Claimed], datetime | None]
#: What the reader of a message can do at once, as (words, link); made while it is rendered, so that no link is kept anywhere.
Actions = Callable[[Claimed, Mapping[str, str], datetime], Sequence[tuple[str, str]]]


def always(now: datetime, urgent: bool) -> datetime | None:
    """No quiet hours."""
    return None


def by_itself(each: Claimed) -> datetime | None:
    """Nothing waits for a digest."""
    return None


def nothing(each: Claimed, facts: Mapping[str, str], now: datetime) -> Sequence[tuple[str, str]]:
    """No links to act by."""
    return ()


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """Who sends, under what name, and when."""

    node: str
    sender: str
    sender_name: str = ""
    domain: str = "escalation.localhost"
    reply_to: str = ""
    #: How long claimed messages are this node's own. What is not sent by nine tenths of it waits for another dispatch.
    lease: timedelta = timedelta(minutes=30)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    may_send: MaySend = always
    waits_for: WaitsFor = by_itself
    #: More messages than this for one person at a time go out as one digest.
    merge_over: int = 5
    #: So many mails are written and under way at a time. Twice a channel's connections: the first leaves at once, and none of
    #: the connections waits for a mail to be written.
    at_once: int = 8
    #: So many mails a minute the server takes from all nodes together; 0: as many as there are.
    per_minute: int = 0
    #: So many mails an hour one person gets; what is more waits, and comes as one digest. Urgent ones pass. 0: no limit.
    per_hour: int = 0
    actions: Actions = nothing
    #: By which way this dispatch sends.
    lane: Lane = MAIL


async def dispatch_once(
    open_session: OpenSession,
    channel: Channel,
    renderer: Renderer,
    settings: DispatchSettings,
    now: datetime,
    limit: int,
    aside: Aside = in_a_thread,
) -> DispatchCounts:
    """Sends up to `limit` messages whose time has come, and records what became of each, also when it is cancelled."""
    done = DispatchCounts()
    going: list[Claimed] = []
    files: dict[str, Attachment] = {}

    def claim() -> None:
        opens = {urgent: settings.may_send(now, urgent) for urgent in (False, True)}
        with open_session() as session:
            claimed = _claim(session, settings, opens, now, limit, done)
        going.extend(claimed)
        # not while the other nodes wait for their turn: a workbook has megabytes
        if attached := [each.attached for each in claimed if each.attached]:
            with open_session() as session:
                files.update(attaching.files(session, attached))

    def count() -> None:
        with open_session() as session:
            done.left = outbox.waiting(session)

    book = Book(open_session, settings.policy, now, done, aside)
    try:
        await aside(claim)
        if going:
            await _send_all(going, channel, _Writer(renderer, settings, now, done, files), settings, book)
    finally:
        await book.close(going)
    await aside(count)
    return done


def _claim(
    session: Session,
    settings: DispatchSettings,
    opens: Mapping[bool, datetime | None],
    now: datetime,
    limit: int,
    done: DispatchCounts,
) -> list[Claimed]:
    """What may go now; the rest waits for the hours in which people are mailed, or for our login to be mended."""
    claiming.take_turn(session, settings.lane)
    held = claiming.held_until(session, now, settings.policy, settings.lane)
    if held is not None:
        done.stopped, done.waits = f"the server is asked again at {held.isoformat(timespec='seconds')}", True
        return []
    most = limit
    if settings.per_minute and not (most := min(limit, limits.room(session, settings.per_minute, now, settings.lane))):
        done.stopped, done.waits = f"the limit of {settings.per_minute} mails a minute is reached", True
        return []
    node, lease, policy = settings.node, settings.lease, settings.policy
    claimed = claiming.claim(session, now, most, node, lease, policy, together=True, lane=settings.lane)
    going = _in_these_hours(session, claimed, opens, done)
    going = _without_reminders(session, going, settings, now, done)
    if settings.per_hour:
        going, waiting = limits.within_the_hour(session, going, settings.per_hour, settings.merge_over, now)
        done.postponed += waiting
    merged = claiming.merge(session, going, settings.merge_over)
    return limits.within_the_minute(session, merged, most, now) if settings.per_minute else merged


def _in_these_hours(
    session: Session, claimed: Sequence[Claimed], opens: Mapping[bool, datetime | None], done: DispatchCounts
) -> list[Claimed]:
    """What may be sent at this hour; the rest is given back. A digest with something urgent in it goes now, and goes whole.

    `opens`: from when what is urgent, and what is not, may be sent; None: now.
    """
    pressing = {each.merged_into for each in claimed if each.urgent and each.merged_into}
    until = {each.id: opens[each.urgent or each.merged_into in pressing] for each in claimed}
    for moment in {later for later in opens.values() if later is not None}:
        done.postponed += claiming.postpone(session, [each for each in claimed if until[each.id] == moment], moment)
    return [each for each in claimed if until[each.id] is None]


class NoChannel(Exception):
    """The message is for a channel that this node does not have; another node may, or it comes back."""


def _without_reminders(
    session: Session, going: Sequence[Claimed], settings: DispatchSettings, now: datetime, done: DispatchCounts
) -> list[Claimed]:
    """Those that need not wait for the day's digest; the others are given back until it has surely been made."""
    later: dict[datetime, list[Claimed]] = {}
    for each in going:
        until = None if each.merged_into else settings.waits_for(each)
        if until is not None and until > now:
            later.setdefault(until, []).append(each)
    for until, messages in later.items():
        done.postponed += claiming.postpone(session, messages, until)
    waiting = {each.id for messages in later.values() for each in messages}
    return [each for each in going if each.id not in waiting]


async def _send_all(
    going: Sequence[Claimed], channel: Channel, writer: "_Writer", settings: DispatchSettings, book: Book
) -> None:
    async def send(together: list[Claimed]) -> None:
        outcome: Outcome
        book.begun.update(each.id for each in together)
        try:
            outcome = await channel.send(writer.digest(together) if together[0].merged_into else writer.message(together[0]))
        except BadAddress as error:
            outcome = GiveUp(str(error))
        except NoChannel as error:
            outcome = TryAgain(str(error))
        except Exception as error:  # of this message alone, whatever it is
            outcome = TryAgain(f"{type(error).__name__}: {error}")
        await book.add(together, outcome)

    try:
        # before the lease ends and another node sends them too; time by the loop's own clock, which nobody sets
        async with asyncio.timeout(settings.lease.total_seconds() * 0.9), channel:
            await side_by_side(_mails(going), send, settings.at_once)
    except TimeoutError:
        pass


async def side_by_side(each: Iterable[T], do: Callable[[T], Awaitable[None]], at_once: int) -> None:
    """Does it for each, so many at a time: the next is begun when one of those before it is done."""
    waiting = iter(each)

    async def line() -> None:
        for one in waiting:
            await do(one)

    await asyncio.gather(*[line() for _ in range(at_once)])


def _mails(going: Sequence[Claimed]) -> list[list[Claimed]]:
    """What goes out as one mail: a message by itself, or all of a digest."""
    mails: dict[str, list[Claimed]] = {}
    for each in going:
        mails.setdefault(each.merged_into or f"{each.id}", []).append(each)
    return list(mails.values())


@dataclass(frozen=True, slots=True)
class _Writer:
    """Turns a row of the outbox into a message."""

    renderer: Renderer
    settings: DispatchSettings
    now: datetime
    done: DispatchCounts
    files: Mapping[str, Attachment]

    def message(self, each: Claimed) -> Message:
        """Raises BadAddress and NoChannel alone: a mail that cannot be rendered goes out as a plain list of its facts."""
        thread = thread_id(each.about, self.settings.domain) if each.about else each.message_id
        rendered, attached = self._rendered(each)
        return self._addressed(each, rendered, each.message_id, thread, attached)

    def digest(self, together: Sequence[Claimed]) -> Message:
        """Many messages to one person in one mail, the urgent ones first. Raises BadAddress and NoChannel alone."""
        for each in together:
            if each.kind in SUMMARY_KINDS:  # it has taken the others up, and says what they say
                return self.message(each)
        first = together[0]
        ordered = sorted(together, key=lambda each: (not each.urgent, each.queued_at, each.id))
        lines = [self._line(each) for each in ordered[:LINES]]
        rendered = self.renderer.digest(first.language, lines, len(together))
        identity = outbox.message_id(first.merged_into, self.settings.domain)
        return self._addressed(first, rendered, identity, identity)

    def _line(self, each: Claimed) -> Line:
        try:
            facts = orjson.loads(each.facts)
            subject = self.renderer.subject(each.kind, each.language, facts)
            # the number stands beside it already
            said = subject.replace(f"{each.about} ", "", 1) if each.about else subject
            return Line(each.about, said, str(facts.get("link", "")), str(facts.get("due", "")))
        except Exception:
            return Line(each.about, each.kind)

    def _addressed(
        self, to: Claimed, rendered: Rendered, identity: str, thread: str, attached: tuple[Attachment, ...] = ()
    ) -> Message:
        settings = self.settings
        if to.channel != settings.lane.name:
            raise NoChannel(f"there is no channel called {to.channel} in this node's configuration")
        recipient = check_address(to.recipient) if to.channel == MAIL.name else to.recipient
        if rendered.problem and rendered.problem not in self.done.problems:
            self.done.problems.append(rendered.problem)
        return Message(
            sender=settings.sender,
            sender_name=settings.sender_name,
            recipient=recipient,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            message_id=identity,
            thread_id=thread,
            date=self.now,
            reply_to=settings.reply_to,
            attachments=attached,
            about="" if to.merged_into else to.about,
        )

    def _rendered(self, each: Claimed) -> tuple[Rendered, tuple[Attachment, ...]]:
        """Its words, and the files that go with it: the deadline for a calendar, a workbook."""
        from notifications.invitations import invitation  # noqa: PLC0415  # its library is slow to load

        facts: dict[str, str] = {}
        file = self.files.get(each.attached)
        try:
            facts = orjson.loads(each.facts)
            if each.channel != MAIL.name:
                # a group reads it: no file, no calendar, and above all no link by which its reader acts for one party
                return self.renderer.render(each.kind, each.language, facts), ()
            entry = invitation(each.kind, each.language, facts, each.recipient, each.queued_at, self.settings.domain)
            actions = self.settings.actions(each, facts, self.now)
            rendered = self.renderer.render(each.kind, each.language, facts, actions)
            return rendered, tuple(found for found in (file, entry) if found is not None)
        except Exception as error:
            plain = plainly(each.kind, each.language, facts or {"number": each.about}, f"{each.kind}: {error}")
            return plain, (file,) if file is not None else ()


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
    """Sends until nothing is left whose time has come, or the server does not want any more."""
    total = DispatchCounts()
    while True:
        once = await dispatch_once(open_session, channel(), renderer, settings, now, batch)
        total.add(once)
        if once.stopped or not (once.sent or once.retry or once.dead or once.held or once.postponed):
            return total
