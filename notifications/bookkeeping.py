"""The book of a dispatch: what became of its messages, counted and written down.

Transactions are done beside the event loop (`aside.py`): a store that lets us wait holds up nothing else.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session

from notifications import claiming
from notifications.aside import Aside
from notifications.claiming import Claimed, Counts
from notifications.message import Down, Hold, Outcome, Sent, TryAgain
from notifications.retrying import RetryPolicy

#: What became of so many messages is recorded together; so many at most come twice after a crash, and those in flight.
RECORDED = 20

OpenSession = Callable[[], AbstractContextManager[Session]]


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


class Book:
    """Takes down what became of the messages, a few at a time: what is not yet on record is sent again after a crash."""

    def __init__(self, open_session: OpenSession, policy: RetryPolicy, now: datetime, done: DispatchCounts, aside: Aside) -> None:
        self.open_session, self.policy, self.now, self.done, self.aside = open_session, policy, now, done, aside
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
                counted = claiming.record(session, known, self.now, self.policy, taken)
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
