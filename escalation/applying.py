"""apply: the only writer of issue, assignment, request, card, journal and outbox; all in the caller's transaction.

What a decision changes is written together or not at all: with the change goes its mail (engine.md, invariant 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import update
from sqlmodel import Session

from escalation import bulk, following, journal, queries
from escalation.audience import AUDIENCE, Also, Audience, Change
from escalation.errors import Conflict
from escalation.notices import drafts
from escalation.queries import ASSIGNMENT, CARD, ISSUE, JOURNAL, OUTBOX, REQUEST, Loaded, Texts
from escalation.world import COUNTER, World
from notifications import outbox
from workflows.facts import Decision, Facts, Request, Snapshot
from workflows.rules import wake_at

SYSTEM = "system"


_INDEX = {name: place for place, name in enumerate(Facts._fields)}
_FIXED = ("id", "number", "workflow", "project_id", "category", "severity", "organ", "reporter_id", "raised_at")
_CHANGING = [name for name in Facts._fields if name not in _FIXED]
_changing = itemgetter(*[_INDEX[name] for name in _CHANGING])
_STAY = ["acknowledged_at", "auto_acknowledged", "due_at", "suspended_wd", "left_at", "outcome", "overdue_wd"]
_STAY_FIELDS = frozenset(("acknowledged_at", "auto_acknowledged", "due_at", "suspended_wd", "overdue_at"))
_ASSIGNMENT = ["issue_id", "no", "stage", "responsible_id", "lead_id", "entered_at", *_STAY]
_JOURNAL = ["issue_id", "seq", "at", "actor", "action", "from_state", "to_state", "body", "hash"]
_CARD = ["key", "issue_id", "party_id", "colour", "ground", "state", "proposed_at"]
_SETTLED = [name for name in Request._fields if name not in ("issue_id", "no", "kind", "asked_by_id", "asked_at")]


class Step(NamedTuple):
    """One decision about one issue, and who made it when."""

    loaded: Loaded
    decision: Decision
    at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """How mails are addressed and linked, and who gets them."""

    domain: str = "escalation.localhost"
    base_url: str = ""
    #: Who gets what; the same object for all that is applied.
    audience: Audience = field(default_factory=lambda: AUDIENCE)
    #: The channels beside mail, and what goes there too.
    also: tuple[Also, ...] = ()
    #: The webhooks that follow, by name.
    hooks: tuple[str, ...] = ()


@dataclass(slots=True)
class Batch:
    """The rows of some decisions, gathered before they are written."""

    issues: list[tuple[Any, ...]] = field(default_factory=list)
    stays_changed: list[tuple[Any, ...]] = field(default_factory=list)
    stays_begun: list[tuple[Any, ...]] = field(default_factory=list)
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    settled: list[tuple[Any, ...]] = field(default_factory=list)
    cards: list[tuple[Any, ...]] = field(default_factory=list)
    #: Cards for a ground that can come up twice (an organ's month, reports of one stay): the first one stands.
    cards_again: list[tuple[Any, ...]] = field(default_factory=list)
    mails: list[tuple[Any, ...]] = field(default_factory=list)
    texts: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    #: Issues whose timer alone is set right; nothing has happened to them.
    wakes: list[tuple[int, datetime | None]] = field(default_factory=list)

    def write(self, session: Session) -> None:
        """Writes all rows. Raises Conflict when an issue has moved on since it was read; then nothing may be committed."""
        connection = session.connection()
        if bulk.update(connection, ISSUE, ["id", "old_version"], _CHANGING, self.issues) != len(self.issues):
            raise Conflict("somebody else changed an issue meanwhile", "look at it again and repeat")
        bulk.update(connection, ASSIGNMENT, ["issue_id", "no"], _STAY, self.stays_changed)
        bulk.insert(connection, ASSIGNMENT, _ASSIGNMENT, self.stays_begun)
        bulk.insert(connection, JOURNAL, _JOURNAL, self.entries)
        bulk.insert(connection, REQUEST, Request._fields, self.asked)
        bulk.update(connection, REQUEST, ["issue_id", "no"], _SETTLED, self.settled)
        bulk.insert(connection, OUTBOX, outbox.COLUMNS, self.mails)
        bulk.insert(connection, CARD, _CARD, self.cards)
        bulk.insert(connection, CARD, _CARD, self.cards_again, or_ignore=True)
        bulk.update(connection, ISSUE, ["id"], ["wake_at"], self.wakes)
        for issue_id, texts in self.texts:
            connection.execute(update(ISSUE).where(ISSUE.c.id == issue_id).values(**texts))


def apply(session: Session, world: World, steps: Sequence[Step], outgoing: Outgoing | None) -> list[Facts]:
    """Writes decisions about different issues: all of them or, when it raises, none (the caller rolls back).

    `outgoing` None: nobody is told. Raises Conflict when an issue changed after it was read.
    """
    batch = Batch()
    numbers = _new_request_numbers(session, steps)
    after = [gather(batch, world, step, outgoing, numbers.get(step.loaded.snapshot.facts.id, 0)) for step in steps]
    batch.write(session)
    return after


def gather(batch: Batch, world: World, step: Step, outgoing: Outgoing | None, last_request: int = 0) -> Facts:
    """Adds the rows of one decision to a batch; answers the issue as it will be."""
    loaded, decision, at, actor = step
    before = loaded.snapshot.facts
    if before.changed_at is not None and at < before.changed_at:
        at = before.changed_at
    changed = _numbered(decision.requests, before.id, last_request)
    after = _after(before, loaded.snapshot.requests, decision, changed, at, actor, batch)
    batch.issues.append((before.id, before.version, *_changing(after)))
    _gather_stay(batch, world, before, after, decision, at)
    _gather_requests(batch, decision.requests, changed)
    for card in decision.cards:
        row = _card_row(before, card.colour, card.party_id, card.ground, at)
        # a deadline is missed once a stay, so that one needs no looking for another
        (batch.cards if card.ground.startswith("overdue:") else batch.cards_again).append(row)
    if decision.texts:
        batch.texts.append((before.id, dict(decision.texts)))
    if outgoing is not None:
        change = Change(loaded.snapshot, loaded.texts, _told(decision, changed), after, actor, at, changed)
        for draft in drafts(change, world, outgoing.base_url, outgoing.audience, outgoing.also):
            batch.mails.append(outbox.row_values(draft, at, outgoing.domain))
        batch.mails += following.rows(outgoing.hooks, world, before, after, decision, at, outgoing.domain)
    return after


def _after(
    before: Facts,
    requests: tuple[Request, ...],
    decision: Decision,
    changed: tuple[Request, ...],
    at: datetime,
    actor: str,
    batch: Batch,
) -> Facts:
    """The issue after a decision, its journal entry gathered, its one timer set anew."""
    values: list[Any] = list(before)
    for name, value in decision.changes.items():
        values[_INDEX[name]] = value
    to_state = f"{values[_INDEX['stage']]}.{values[_INDEX['status']]}"
    body = journal.body(before, to_state, decision, changed, at, actor)
    head = journal.chained(before.head, body)
    values[_INDEX["version"]] = before.version + 1
    values[_INDEX["head"]] = head
    values[_INDEX["changed_at"]] = at
    pending = requests if not changed else _still_pending(requests, changed)
    values[_INDEX["wake_at"]] = wake_at(Facts._make(values), pending)
    source = f"{before.stage}.{before.status}" if before.version else ""
    batch.entries.append((before.id, before.version + 1, at, actor, decision.action, source, to_state, body, head))
    return Facts._make(values)


def _gather_stay(batch: Batch, world: World, before: Facts, after: Facts, decision: Decision, at: datetime) -> None:
    rules = world.rules(before.workflow)
    if decision.leave:
        stopped = before.status in ("pending_review", "suspended")
        until = before.clock_from if stopped and before.clock_from is not None else at
        overdue_wd = decision.overdue_wd or (rules.overdue_wd(before.due_at, until) if before.due_at else 0)
        left = (before, at, decision.leave, overdue_wd)
        batch.stays_changed.append(_stay_values(before.id, before.assignment_no, *left))
    elif not decision.enter and not _STAY_FIELDS.isdisjoint(decision.changes):
        # at the top a stay stays open however late it is, and whatever is done to it meanwhile
        late = rules.overdue_wd(after.due_at, at) if after.overdue_at is not None and after.due_at is not None else 0
        batch.stays_changed.append(_stay_values(after.id, after.assignment_no, after, None, "", decision.overdue_wd or late))
    if decision.enter:
        batch.stays_begun.append(_stay_begun(after, at))


def _stay_values(
    issue_id: int, no: int, facts: Facts, left_at: datetime | None, outcome: str, overdue_wd: int
) -> tuple[Any, ...]:
    return (
        issue_id,
        no,
        facts.acknowledged_at,
        facts.auto_acknowledged,
        facts.due_at,
        facts.suspended_wd,
        left_at,
        outcome,
        overdue_wd,
    )


def _stay_begun(after: Facts, at: datetime) -> tuple[Any, ...]:
    head = (after.id, after.assignment_no, after.stage, after.responsible_id, after.lead_id, at)
    return (*head, after.acknowledged_at, after.auto_acknowledged, after.due_at, 0, None, "", 0)


def _numbered(requests: tuple[Request, ...], issue_id: int, last: int) -> tuple[Request, ...]:
    """New requests get the next numbers of their issue."""
    if not requests:
        return ()
    numbers = count(last + 1)
    return tuple(request if request.no else request._replace(no=next(numbers), issue_id=issue_id) for request in requests)


def _told(decision: Decision, changed: tuple[Request, ...]) -> Decision:
    """Events about a request that is new learn its number."""
    if not any(request.no == 0 for request in decision.requests):
        return decision
    no = next(new.no for new, old in zip(changed, decision.requests, strict=True) if old.no == 0)
    events = tuple(event if event.request_no else event._replace(request_no=no) for event in decision.events)
    return replace(decision, events=events)


def _still_pending(requests: tuple[Request, ...], changed: tuple[Request, ...]) -> tuple[Request, ...]:
    now = {request.no: request for request in requests} | {request.no: request for request in changed}
    return tuple(request for request in now.values() if request.state == "pending")


def _gather_requests(batch: Batch, decided: tuple[Request, ...], changed: tuple[Request, ...]) -> None:
    for old, new in zip(decided, changed, strict=True):
        if old.no == 0:
            batch.asked.append(tuple(new))
        else:
            kept = {name: value for name, value in new._asdict().items() if name in _SETTLED}
            batch.settled.append((new.issue_id, new.no, *kept.values()))


def _new_request_numbers(session: Session, steps: Sequence[Step]) -> dict[int, int]:
    asking = [step.loaded.snapshot.facts.id for step in steps if any(request.no == 0 for request in step.decision.requests)]
    return queries.last_request_no(session.connection(), asking) if asking else {}


def _card_row(facts: Facts, colour: str, party_id: int, ground: str, at: datetime) -> tuple[Any, ...]:
    once = (
        f"{party_id}:{ground}" if ground.startswith("late_acknowledgements") else f"{facts.number}:{facts.assignment_no}:{ground}"
    )
    return (once, facts.id, party_id, colour, ground, "proposed", at)


def next_numbers(session: Session, prefix: str, count: int) -> int:
    """Takes `count` numbers of a series; answers the first. Two nodes never get the same."""
    connection = session.connection()
    counting = update(COUNTER).where(COUNTER.c.prefix == prefix).values(last=COUNTER.c.last + count)
    taken = connection.execute(counting.returning(COUNTER.c.last)).scalar()
    if taken is None:
        bulk.insert(connection, COUNTER, ["prefix", "last"], [(prefix, count)])
        return 1
    return int(taken) - count + 1


class Birth(NamedTuple):
    """A new issue: its first facts, its texts, and what has happened to it, oldest first."""

    first: Facts
    attributes: dict[str, Any]
    steps: Sequence[tuple[datetime, Decision]]
    actor: str = SYSTEM


def bring_in(session: Session, world: World, births: Sequence[Birth], outgoing: Outgoing | None) -> list[Facts]:
    """Writes new issues with the whole of their journals. `outgoing` None: nobody is told (what is imported is history).

    The facts' ids and numbers are taken with `next_numbers`.
    """
    if not births:
        return []
    texts = sorted(births[0].attributes)
    rows = [(*birth.first, *[birth.attributes[name] for name in texts]) for birth in births]
    bulk.insert(session.connection(), ISSUE, [*Facts._fields, *texts], rows)
    current = {birth.first.id: birth.first for birth in births}
    for turn in range(max(len(birth.steps) for birth in births)):
        steps = [
            Step(_born(world, birth, current[birth.first.id]), birth.steps[turn][1], birth.steps[turn][0], birth.actor)
            for birth in births
            if turn < len(birth.steps)
        ]
        current |= {after.id: after for after in apply(session, world, steps, outgoing)}
    return list(current.values())


def _born(world: World, birth: Birth, facts: Facts) -> Loaded:
    texts = Texts(*[str(birth.attributes.get(name, "")) for name in Texts._fields])
    return Loaded(Snapshot(facts, world.route(facts.workflow, facts.category, facts.project_id, facts.organ)), texts)
