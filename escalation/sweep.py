"""sweep_once(now): everything that time does to issues, in bounded bites, and what it came to."""

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from time import monotonic
from types import TracebackType
from typing import TypeVar

from sqlalchemy import delete, select, update
from sqlalchemy.exc import DataError, IntegrityError
from sqlmodel import Session

from escalation import queries
from escalation.applying import SYSTEM, Batch, Outgoing, Step, gather
from escalation.clock import utc
from escalation.database import Store
from escalation.errors import Conflict
from escalation.models import SetAside
from escalation.notices import calendar_missing
from escalation.queries import ISSUE, Loaded
from escalation.users import entering
from escalation.world import World, WorldReader
from notifications import outbox
from workflows.decision import decide
from workflows.loading import BadDefinition
from workflows.machine import NoSuchMove
from workflows.parties import NobodyAnswers
from workflows.rules import wake_at

log = logging.getLogger(__name__)

#: Due issues are noticed this many at a time (their ids only), the oldest first.
NOTICED = 200_000
#: One transaction moves this many neighbours on disk: fewer, and pages are rewritten once a batch (docs/decisions).
TRANSACTION = {"sqlite": 10_000, "postgresql": 5_000}
#: While somebody is at the desk it moves only so many, and then they may go first for so many seconds, or as long as the moving
#: took (two at most), so that half of the machine is theirs: an action waits for the transaction that it meets, and SQLite looks
#: again every tenth of a second.
GENTLE, PAUSE, RESTS = 250, 0.15, 2.0
#: So many are decided while as many are written.
BITE = 1_000
#: An issue has a handful of clocks; one that is due more often in a single sweep has a rule that does not move it forward.
ROUNDS = 50
#: An issue that cannot be decided is left alone this long, then twice as long, up to a day.
ASIDE = timedelta(minutes=10)

T = TypeVar("T")
SET_ASIDE = SetAside.__table__  # type: ignore[attr-defined]


@dataclass(slots=True)
class Swept:
    """What a sweep did, counted."""

    examined: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    escalated: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0
    set_aside: int = 0
    next_wake_at: datetime | None = None

    def as_json(self) -> dict[str, object]:
        """The keys of the contract."""
        reminders = ("remind_intake", "remind_review", "remind_request", "miss_report", "supervision_letter")
        return {
            "examined": self.examined,
            "warned": self.actions["warn"],
            "reminded": sum(self.actions[name] for name in reminders),
            "escalated": dict(self.escalated),
            "resumed": self.actions["resume"],
            "auto_acknowledged": self.actions["auto_acknowledge"],
            "overdue_at_top": self.actions["overdue_top"],
            "conflicts": self.conflicts,
            "set_aside": self.set_aside,
            "next_wake_at": self.next_wake_at,
        }


class Sweeper:
    """Moves due issues of one store. It keeps nothing between sweeps but what it has read of the world."""

    def __init__(self, store: Store, world: WorldReader, outgoing: Outgoing, elapsed: Callable[[], float] = monotonic) -> None:
        self.store = store
        self.elapsed = elapsed
        self.world = world
        self.outgoing = outgoing
        #: Called after every transaction, by whoever watches that there is an end to them.
        self.went_on: Callable[[], None] = lambda: None
        self._told_on: datetime | None = None
        self._stopping = Event()

    def stop(self) -> None:
        """A sweep that runs ends after the transaction it is in; none begins. From any thread."""
        self._stopping.set()

    def sweep_once(self, now: datetime, *, limit: int | None = None, dry_run: bool = False) -> Swept:
        """Decides about every issue with `wake_at <= now` until nothing is due; one step an issue and transaction."""
        now, swept = utc(now), Swept(next_wake_at=self._next())
        for _ in range(ROUNDS):
            if swept.next_wake_at is None or swept.next_wake_at > now:
                break
            room = NOTICED if limit is None else min(NOTICED, limit - swept.examined)
            before = swept.examined
            for chunk in self._transactions(sorted(self._due(now, room)), now):
                if self._stopping.is_set():
                    return swept
                self._move(chunk, now, swept, dry_run)
                self.went_on()
            swept.next_wake_at = self._next()
            if dry_run or swept.examined == before:
                break
        if not dry_run:
            self._daily(now)
        return swept

    def _transactions(self, ids: Sequence[int], now: datetime) -> Iterator[Sequence[int]]:
        """What each transaction moves; while somebody is at the desk little at a time, with a pause as long behind it."""
        start, begun = 0, 0.0
        while start < len(ids):
            with self.store.reading() as session:
                gentle = entering.is_anybody_there(session, now)
            if gentle and start:
                self._stopping.wait(max(PAUSE, min(RESTS, self.elapsed() - begun)))
            begun = self.elapsed()
            size = GENTLE if gentle else TRANSACTION["sqlite" if self.store.is_sqlite else "postgresql"]
            yield ids[start : start + size]
            start += size

    def _next(self) -> datetime | None:
        with self.store.reading() as session:
            return queries.next_wake_at(session.connection())

    def _daily(self, now: datetime) -> None:
        """What is told once a day whatever is due; its keys make it once, however many nodes sweep."""
        if self._told_on is not None and now - self._told_on < timedelta(hours=1):
            return
        self._told_on = now
        with self.store.reading() as session:
            drafts = list(calendar_missing(self.world.read(session), now))
        if drafts:
            with self.store.transaction() as session:
                outbox.enqueue(session, drafts, now, self.outgoing.domain)

    def _due(self, now: datetime, limit: int) -> list[int]:
        with self.store.reading() as session:
            return queries.due_ids(session.connection(), now, limit)

    def _move(self, ids: Sequence[int], now: datetime, swept: Swept, dry_run: bool) -> None:
        """One transaction. If it cannot be written as a whole, each issue is tried by itself."""
        try:
            with _no_collecting():
                trial = self.store.write(lambda session: self._transact(session, ids, now, dry_run), large=len(ids) > GENTLE)
        except _TROUBLE as error:
            if len(ids) == 1:
                self._set_aside(ids[0], now, error, swept)
                return
            log.warning("a batch of %d could not be written, trying one by one: %s", len(ids), error)
            for one in ids:
                if self._stopping.is_set():
                    return
                self._move([one], now, swept, dry_run)
                self.went_on()
            return
        _add(swept, trial)

    def _transact(self, session: Session, ids: Sequence[int], now: datetime, dry_run: bool) -> Swept:
        swept, world = Swept(), self.world.read(session)
        loaded: list[Loaded] = []
        asked = 0
        for bite in _chunks(ids, BITE):
            loaded += queries.claim(session.connection(), world, bite, now)
            asked += len(bite)
            if not loaded:
                break  # another node is at these neighbours: they are left to it
        with _Writing(session) as writing:
            for some in _chunks(loaded, BITE):
                batch = Batch()
                for each in some:
                    self._decide(world, each, now, batch, swept)
                if not dry_run:
                    writing.put(batch)
        swept.examined += len(loaded)
        swept.conflicts += asked - len(loaded)
        if not dry_run:
            _no_longer_aside(session, ids)
        return swept

    def _decide(self, world: World, loaded: Loaded, now: datetime, batch: Batch, swept: Swept) -> None:
        facts = loaded.snapshot.facts
        decision = decide(loaded.snapshot, world.rules(facts.workflow), now)
        if decision is None:
            # Its timer was early (set aside, or moved by hand): set it right, nothing happened to the issue.
            batch.wakes.append((facts.id, wake_at(facts, loaded.snapshot.requests)))
            return
        after = gather(batch, world, Step(loaded, decision, now, SYSTEM), self.outgoing)
        swept.actions[decision.action] += 1
        if after.stage != facts.stage:
            swept.escalated[after.stage] += 1

    def _set_aside(self, issue_id: int, now: datetime, error: Exception, swept: Swept) -> None:
        """The row is left alone for a while, on record, so that it never stops the rest."""
        log.error("issue %s set aside: %s", issue_id, error)
        swept.set_aside += 1
        swept.examined += 1
        with self.store.transaction() as session:
            connection = session.connection()
            known = connection.execute(select(SET_ASIDE.c.tries).where(SET_ASIDE.c.issue_id == issue_id)).scalar() or 0
            connection.execute(delete(SET_ASIDE).where(SET_ASIDE.c.issue_id == issue_id))
            session.add(SetAside(issue_id=issue_id, at=now, tries=known + 1, error=f"{type(error).__name__}: {error}"[:2000]))
            wait = min(ASIDE * 2 ** min(known, 8), timedelta(days=1))
            connection.execute(update(ISSUE).where(ISSUE.c.id == issue_id).values(wake_at=now + wait))


class _Writing:
    """Writes one batch while the next is decided: the database works outside Python's lock, on another core.

    Only one of the two threads uses the session at a time: who decides has read all it needs.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writing")
        self._last: Future[None] | None = None

    def __enter__(self) -> "_Writing":
        return self

    def put(self, batch: Batch) -> None:
        """Hands a batch over when the one before it is written. Raises what writing that one raised."""
        self._wait()
        self._last = self._thread.submit(batch.write, self._session)

    def _wait(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            if kind is None:
                self._wait()
        finally:
            self._thread.shutdown()


@contextmanager
def _no_collecting() -> Iterator[None]:
    """What a batch gathers has no cycles: looking through it for some, again and again, is a third of its time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _no_longer_aside(session: Session, ids: Sequence[int]) -> None:
    connection = session.connection()
    if connection.execute(select(SET_ASIDE.c.issue_id).limit(1)).scalar() is not None:
        for bite in _chunks(ids, BITE):
            connection.execute(delete(SET_ASIDE).where(SET_ASIDE.c.issue_id.in_(bite)))


#: What one bad row may raise: data that no longer fits, a party or workflow that is gone, a conflict.
_TROUBLE = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    NobodyAnswers,
    NoSuchMove,
    BadDefinition,
    IntegrityError,
    DataError,
    Conflict,
)


def _chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _add(swept: Swept, more: Swept) -> None:
    swept.examined += more.examined
    swept.actions += more.actions
    swept.escalated += more.escalated
    swept.conflicts += more.conflicts
