"""dispatch_once: claim, commit, render, send, record, commit. No network inside a transaction; one bad message stops no other.

Transactions are done beside the event loop (`aside.py`): a store that lets us wait holds up nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

import orjson
from sqlmodel import Session

from notifications import attaching, claiming, limits, outbox
from notifications.aside import Aside, in_a_thread
from notifications.claiming import Claimed, Counts
from notifications.kinds import SUMMARY_KINDS
from notifications.lanes import MAIL, Lane
from notifications.message import (
    Attachment,
    BadAddress,
    Channel,
    Down,
    GiveUp,
    Hold,
    Message,
    Outcome,
    Sent,
    TryAgain,
    check_address,
)
from notifications.rendering import Line, Rendered, Renderer, plainly
from notifications.retrying import RetryPolicy

#: What became of so many messages is recorded together; so many at most come twice after a crash, and those in flight.
RECORDED = 20
#: A digest lists so many messages; of the rest it says how many.
LINES = 100

T = TypeVar("T")
OpenSession = Callable[[], AbstractContextManager[Session]]
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
    #: Messages that went out inside another mail, a digest; `sent` counts mails.
    merged: int = 0
    #: Why the rest was not even tried: the server is down, or refuses us. Empty when all went its way.
    stopped: str = ""
    #: It was not tried now, and was told before: another try is due later, or the minute's mails have gone.
    waits: bool = False
    #: Templates that could not be used, each once, in sentences; the built-in text went out instead.
    problems: list[str] = field(default_factory=list)

    def add(self, other: "DispatchCounts") -> None:
        """Sums up two dispatches, one after the other."""
        for name in ("sent", "retry", "dead", "held", "postponed", "late", "merged"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.left, self.stopped, self.waits = other.left, other.stopped, other.waits
        self.problems += [problem for problem in other.problems if problem not in self.problems]


def sum_of(several: Iterable[DispatchCounts]) -> DispatchCounts:
    """Dispatches beside one another; why each stopped is said."""
    total, reasons = DispatchCounts(), []
    for each in several:
        total.add(each)
        reasons += [each.stopped] if each.stopped else []
    total.stopped = "; ".join(reasons)
    return total


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

    book = _Book(open_session, settings, now, done, aside)
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


class _Book:
    """Takes down what became of the messages, a few at a time: what is not yet on record is sent again after a crash."""

    def __init__(
        self, open_session: OpenSession, settings: DispatchSettings, now: datetime, done: DispatchCounts, aside: Aside
    ) -> None:
        self.open_session, self.settings, self.now, self.done, self.aside = open_session, settings, now, done, aside
        self.begun: set[int] = set()
        self.recorded: set[int] = set()
        self._began = asyncio.get_running_loop().time()
        self._waiting: list[tuple[Claimed, Outcome]] = []
        #: While some are written down nobody goes on to the next mail: no more than those and what is under way come twice.
        self._pen = asyncio.Lock()

    async def add(self, together: Sequence[Claimed], outcome: Outcome) -> None:
        """What became of one mail, and so of every message in it."""
        self._waiting += [(each, outcome) for each in together]
        self.recorded.update(each.id for each in together)
        if isinstance(outcome, Sent):
            # the outbox counts rows, people count mails
            self.done.merged += len(together) - 1
            self.done.sent -= len(together) - 1
        self.done.stopped = self.done.stopped or _stops(outcome)
        async with self._pen:
            if len(self._waiting) >= RECORDED:
                with suppress(Exception):  # the store is in trouble: `close` tries once more, and says so
                    await self._write()

    async def close(self, going: Sequence[Claimed]) -> None:
        """The rest: what was broken off may have arrived, and what was not begun waits for the next dispatch."""
        unknown = TryAgain("unknown: sending was broken off, the server may have it")
        self._waiting += [(each, unknown) for each in going if each.id in self.begun - self.recorded]
        untried = [each for each in going if each.id not in self.begun]
        if self._waiting or untried:
            await self._write(untried)

    async def _write(self, untried: Sequence[Claimed] = ()) -> None:
        known = list(self._waiting)
        # by the loop's own clock, which nobody sets
        taken = timedelta(seconds=int(asyncio.get_running_loop().time() - self._began))

        def record() -> None:
            with self.open_session() as session:
                counted = claiming.record(session, known, self.now, self.settings.policy, taken)
                claiming.postpone(session, untried, self.now)
            del self._waiting[: len(known)]
            recorded.append(counted)

        recorded: list[Counts] = []
        try:
            await self.aside(record)
        finally:  # also when it is cancelled, for then it was awaited first
            for counted in recorded:
                for name in ("sent", "retry", "dead", "held", "late"):
                    setattr(self.done, name, getattr(self.done, name) + getattr(counted, name))


def _stops(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, Down) or (isinstance(outcome, TryAgain | Hold) and outcome.host) else ""


async def _send_all(
    going: Sequence[Claimed], channel: Channel, writer: "_Writer", settings: DispatchSettings, book: _Book
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
