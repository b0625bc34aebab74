"""Summaries are made: once a period and recipient, however many nodes and restarts, because the outbox knows each by its key."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import func, select
from sqlmodel import Session

from escalation import queries
from escalation.applying import Outgoing
from escalation.commands import find_party
from escalation.database import Store
from escalation.models import WorkflowRow
from escalation.notices import reader_of
from escalation.summaries import telling
from escalation.summaries.books import of_figures
from escalation.summaries.circulars import circular
from escalation.summaries.figures import Figures, of, picture
from escalation.summaries.periods import USUAL, Kind, Period, Times, before, due, latest
from escalation.summaries.picture import Open, Picture
from escalation.summaries.reminders import listed
from escalation.summaries.scopes import PROVINCE, Scope, readers
from escalation.world import World, WorldReader
from notifications import gathering, outbox
from notifications.message import Attachment, Draft
from workflows.parties import NobodyAnswers, Party

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: What a daily lists, in its order: 今日到期, 已逾期, 2个工作日内到期, 待签收, 待我审核.
LISTS = ("today", "late", "soon", "unsigned", "review")


@dataclass(slots=True)
class Made:
    """What was made; `queued` are messages that are new in the outbox."""

    made: int = 0
    queued: int = 0
    skipped_already_made: int = 0

    def as_json(self) -> dict[str, int]:
        """Counts by name."""
        return asdict(self)

    def add(self, other: "Made") -> None:
        """Sums up."""
        self.made += other.made
        self.queued += other.queued
        self.skipped_already_made += other.skipped_already_made


class Letter(NamedTuple):
    """One summary for one reader, ready to be queued."""

    key: str
    kind: str
    reader: Party
    facts: dict[str, Any]
    #: Where the figures are of a scope: what the attached workbook is made of.
    figures: Figures | None = None
    #: The same of last time.
    before: Figures | None = None
    #: The reminders that it takes up: ids of the outbox.
    reminders: tuple[int, ...] = ()

    def draft(self, workbook: Attachment | None) -> Draft:
        """As the outbox takes it."""
        facts = orjson.dumps(self.facts | ({"attached": workbook.name} if workbook else {}))
        to = self.reader
        return Draft(to.email, self.kind, to.language, facts, self.key, "", to.code, attachment=workbook)


@dataclass(slots=True)
class Composed:
    """The letters of a period that are to be sent, and how many had been made before."""

    letters: list[Letter] = field(default_factory=list)
    already: int = 0
    #: The circular that goes with them, to be approved.
    circular: list[Draft] = field(default_factory=list)


class Summariser:
    """Makes what is due. It remembers what it has seen done, so that a look costs nothing until the next moment."""

    def __init__(self, store: Store, worlds: WorldReader, outgoing: Outgoing, times: Times = USUAL, circular: str = "") -> None:
        self.store, self.worlds, self.outgoing, self.times = store, worlds, outgoing, times
        #: The kind of summary that a circular is drafted with; empty: none.
        self.circular = circular
        self._done: set[tuple[Kind, str]] = set()

    def make_due(self, now: datetime) -> Made:
        """Every summary whose moment has come since this installation was set up, and that nobody has made."""
        total = Made()
        with self.store.reading() as session:
            world = self.worlds.read(session)
            # with no rules yet there is nothing to tell of
            periods = due(world.calendar, self.times, now) if world.active else []
            begun = session.connection().execute(select(func.min(WorkflowRow.added_at))).scalar()
        for period in periods:
            if (period.kind, period.name) in self._done or begun is None or period.moment < begun:
                continue
            total.add(self._make(period, now))
            self._done.add((period.kind, period.name))
        return total

    def make(self, kind: Kind, at: datetime, now: datetime, *, to: str = "", dry_run: bool = False) -> Made:
        """By hand: the newest summary of a kind at `at`, for all or for one party. Raises NotFound for an unknown one."""
        period = self.period(kind, at)
        return Made() if period is None else self._make(period, now, to=to, dry_run=dry_run)

    def period(self, kind: Kind, at: datetime) -> Period | None:
        """The newest period of a kind whose moment has come at `at`."""
        with self.store.reading() as session:
            return latest(kind, self.worlds.read(session).calendar, self.times, at)

    def compose(self, period: Period, now: datetime, *, to: str = "", again: bool = False) -> Composed:
        """The letters of a period; `again`: also those that were made before, to be looked at."""
        with self.store.reading() as session:
            world = self.worlds.read(session)
            post = find_party(world, to) if to else None
            return _composed(
                session, world, period, now, self.times, self.outgoing.base_url, post, again, self.circular == period.kind
            )

    def _make(self, period: Period, now: datetime, *, to: str = "", dry_run: bool = False) -> Made:
        """Looked at while others write; the outbox is written in one short transaction."""
        composed = self.compose(period, now, to=to)
        made = Made(len(composed.letters), 0, composed.already)
        if dry_run or not composed.letters:
            return made
        drafts = list(self._drafts(period, composed.letters))

        def work(session: Session) -> int:
            outbox.enqueue(session, composed.circular, now, self.outgoing.domain)
            return sum(self._queue(session, *each, now) for each in zip(composed.letters, drafts, strict=True))

        made.queued = self.store.write(work)
        # another node was faster
        made.skipped_already_made += made.made - made.queued
        made.made = made.queued
        return made

    def _queue(self, session: Session, letter: Letter, draft: Draft, now: datetime) -> int:
        new = outbox.enqueue(session, [draft], now, self.outgoing.domain)
        if new and letter.reminders:
            gathering.take_up(session, letter.key, letter.reminders)
        return new

    def _drafts(self, period: Period, letters: Sequence[Letter]) -> Iterator[Draft]:
        """Letters as the outbox takes them, each scope's workbook written once."""
        books: dict[Scope, Attachment] = {}
        with self.store.reading() as session:
            world = self.worlds.read(session)
        for letter in letters:
            told = letter.figures
            if told is not None and told.scope not in books:
                books[told.scope] = _workbook(told, letter.before, world, period)
            yield letter.draft(books[told.scope] if told is not None else None)


def _workbook(told: Figures, before: Figures | None, world: World, period: Period) -> Attachment:
    from escalation.ledger.writing import as_bytes  # noqa: PLC0415  # its library takes a tenth of a command's start

    data = as_bytes(of_figures(told, before, world), period.moment)
    return Attachment(f"{period.name}-{told.scope.name(world, 'zh_CN')}.xlsx", XLSX, data)


def _composed(
    session: Session,
    world: World,
    period: Period,
    now: datetime,
    times: Times,
    base_url: str,
    post: Party | None,
    again: bool,
    with_circular: bool,
) -> Composed:
    if period.kind == "daily":
        # whose day it is shows only when the lists are there
        reminders = gathering.waiting(session)
        found = list(_personal(world, picture(session, world, period), period, now, base_url, post, reminders))
        known = set() if again else queries.queued_already(session.connection(), [letter.key for letter in found])
        return Composed([letter for letter in found if letter.key not in known], len(known))
    wanted = {
        f"summary:{period.kind}:{period.name}:{each.party.code}": each
        for each in readers(world, world.calendar.local_day(now))
        if post is None or post.id in (each.party.id, each.reader.id)
    }
    known = set() if again else queries.queued_already(session.connection(), list(wanted))
    if known.issuperset(wanted):
        return Composed([], len(known))
    here = picture(session, world, period)
    earlier = before(period, world.calendar, times)
    there = picture(session, world, earlier) if earlier else None
    found = []
    told: dict[tuple[Any, str], tuple[Figures, Figures | None, dict[str, Any]]] = {}
    for key, each in wanted.items():
        if key in known:
            continue
        shared = (each.scope, each.reader.language)
        if shared not in told:
            figures = of(here, world, each.scope)
            last = of(there, world, each.scope) if there else None
            said = telling.of_scope(figures, last, world, period, each.reader.language, now, base_url)
            told[shared] = (figures, last, said)
        figures, last, said = told[shared]
        if not figures.is_empty:
            addressed = said | {"recipient_name": each.party.name}
            found.append(Letter(key, f"summary_{period.kind}", each.reader, addressed, figures, last))
    drafted: list[Draft] = []
    if with_circular and post is None:
        all_of_it = of(here, world, PROVINCE)
        if not all_of_it.is_empty:
            drafted = list(circular(all_of_it, of(there, world, PROVINCE) if there else None, world, period, now, base_url))
    return Composed(found, len(known), drafted)


def _personal(
    world: World,
    here: Picture,
    period: Period,
    now: datetime,
    base_url: str,
    post: Party | None,
    reminders: Mapping[str, Sequence[Any]],
) -> Iterator[Letter]:
    """One letter a person, whatever posts they read the mail of; nobody who has nothing to do and is reminded of nothing."""
    tasks = _tasks(world, here)
    reached = {world.directory.by_code[code].email for code in tasks}
    for party in world.directory.by_id.values():
        if party.email in reminders and party.email not in reached and party.active:
            reached.add(party.email)
            tasks[party.code] = {name: [] for name in LISTS}
    left = dict(reminders)
    for code, lists in tasks.items():
        reader = world.directory.by_code[code]
        if post is None or post.code == code:
            rows = left.pop(reader.email, [])
            said = telling.of_person(lists, listed(rows, lists, reader.language), world, period, reader.language, now, base_url)
            key = f"summary:daily:{period.name}:{code}"
            taken = tuple(row.id for row in rows)
            yield Letter(key, "summary_daily", reader, said | {"recipient_name": reader.name}, reminders=taken)


def _tasks(world: World, here: Picture) -> dict[str, dict[str, list[Open]]]:
    today = world.calendar.local_day(here.at)
    found: dict[str, dict[str, list[Open]]] = {}
    for each in here.open:
        for name, parties in _falls_to(each, world, here.at):
            for party in parties:
                reader = reader_of(party, world, today)
                if reader is None:
                    continue
                mine = found.setdefault(reader.code, {name: [] for name in LISTS})[name]
                if each not in mine[-1:]:  # who leads may also answer for it
                    mine.append(each)
    for lists in found.values():
        lists["late"].sort(key=lambda each: (-each.late_by, each.number))
        for name in ("today", "soon", "unsigned", "review"):
            lists[name].sort(key=lambda each: (str(each.facts.due_at), each.number))
    return dict(sorted(found.items()))


def _falls_to(each: Open, world: World, at: datetime) -> Iterator[tuple[str, tuple[Party, ...]]]:
    """On which lists an issue stands, and whose."""
    doers = (each.lead, each.responsible)
    status = each.facts.status
    if status == "pending_review":
        if (coordinator := _coordinator(each, world)) is not None:
            yield "review", (coordinator,)
        return
    if status not in ("pending_ack", "processing"):
        return
    if each.overdue:
        yield "late", doers
    elif each.left == 0:
        yield "today", doers
    elif each.left is not None and each.left <= telling.ANSWER:
        yield "soon", doers
    if status == "pending_ack" and _unsigned_since(each, world, at) >= 1:
        yield "unsigned", doers


def _unsigned_since(each: Open, world: World, at: datetime) -> int:
    calendar, dispatched = world.calendar, each.facts.dispatched_at
    return calendar.working_days_between(_day(dispatched, world), calendar.local_day(at)) if dispatched else 0


def _day(at: datetime, world: World) -> date:
    return world.calendar.local_day(at)


def _coordinator(each: Open, world: World) -> Party | None:
    """Who verifies what is reported as solved: the stage's coordinator; of what its own organ handled, the one above."""
    facts = each.facts
    route = world.route(facts.workflow, facts.category, facts.project_id, facts.organ)
    try:
        coordinator = world.directory.by_id[route.post(facts.stage).coordinator_id]
        return route.superior(facts.stage) if coordinator.organ == each.lead.organ else coordinator
    except NobodyAnswers:
        return None
