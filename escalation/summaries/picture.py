"""The store as it stood at a moment: read once, shared by the figures of every scope.

Now and last week are answered by the same code: an issue that has not changed since is its row, one that has is folded from
its journal, an archived one is unpacked.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlmodel import Session

from escalation import queries, views
from escalation.explaining import late_by, light, overdue
from escalation.summaries import counted
from escalation.world import World
from workflows.deadlines import working_days_left
from workflows.facts import Facts
from workflows.parties import Party, Project

#: What is counted of what happened, and the entries of the journal that say so.
HAPPENINGS = {
    "escalated_auto": ("escalate_auto",),
    "escalated_manual": ("escalate", "escalate_skip"),
    "resolved": ("resolve",),
    "closed_then": ("close",),
    "reworked": ("return_for_rework",),
    "reopened": ("reopen",),
}
_MEANING = {action: name for name, actions in HAPPENINGS.items() for action in actions}
#: The newest moment that is not later than any other: what has changed at the moment itself is part of the picture.
TICK = timedelta(microseconds=1)


class Open(NamedTuple):
    """An issue that was open at the moment."""

    facts: Facts
    #: Its title and the other texts as they are now, by column.
    texts: Any
    project: Project
    lead: Party
    responsible: Party
    overdue: bool
    late_by: int
    #: Working days left; None where no deadline runs.
    left: int | None
    light: str
    #: The colour of its gravest card; red also for what is overdue at the last stage, whose card is just being proposed.
    card: str

    @property
    def number(self) -> str:
        """WT26-0007."""
        return self.facts.number


class Brief(NamedTuple):
    """An issue that was over, or something that happened to one: enough to count it."""

    number: str
    project: Project
    lead: Party | None
    #: The status, or the name of what happened.
    what: str
    #: The stage that it happened at.
    stage: str = ""


class Stay(NamedTuple):
    """A stay that had ended: what an organ is judged by."""

    number: str
    project: Project
    lead: Party | None
    stage: str
    outcome: str
    overdue_wd: int
    auto_acknowledged: bool
    acknowledged: bool
    working_days: int


@dataclass(frozen=True, slots=True)
class Picture:
    """The whole province at one moment, and what happened in a span of time before it."""

    at: datetime
    since: datetime
    until: datetime
    open: tuple[Open, ...]
    over: tuple[Brief, ...]
    happened: tuple[Brief, ...]
    #: The stays that ended in the year of the moment.
    stays: tuple[Stay, ...]
    #: Cards of that year: organ's party, colour.
    cards: tuple[tuple[Party, str], ...]


def taken(session: Session, world: World, at: datetime, since: datetime, until: datetime) -> Picture:
    """The picture at `at`; what happened is counted from `since` on and before `until`."""
    connection, projects, party = session.connection(), world.projects, world.directory.by_id
    year = world.calendar.opening(world.calendar.local_day(at).replace(month=1, day=1)) - timedelta(days=1)
    cards = counted.cards_by(connection, at)
    still_open, over = _standing(session, world, at, _gravest(cards))
    over += [Brief(row.number, projects[row.project_id], party.get(row.lead_id), row.status) for row in _ended(session, at)]
    archived_open, archived_over = _archived(session, world, at)
    happened = [
        Brief(
            row.number, projects[row.project_id], party.get(row.lead_id), _MEANING[row.action], row.from_state.partition(".")[0]
        )
        for row in counted.happened(connection, _MEANING, since, min(until, at + TICK))
    ]
    happened += [
        Brief(row.number, projects[row.project_id], party.get(row.lead_id), "raised")
        for row in counted.raised_between(connection, since, min(until, at + TICK))
    ]
    return Picture(
        at,
        since,
        until,
        tuple(still_open + archived_open),
        tuple(over + archived_over),
        tuple(happened),
        tuple(_stay(row, world) for row in counted.stays_left(connection, year, at)),
        tuple((party[row.party_id], row.colour) for row in cards if row.proposed_at >= year and row.party_id in party),
    )


def _ended(session: Session, at: datetime) -> list[Any]:
    return counted.ended_by(session.connection(), at)


def _standing(session: Session, world: World, at: datetime, cards: dict[int, str]) -> tuple[list[Open], list[Brief]]:
    connection = session.connection()
    rows = connection.execute(counted.perhaps_open_at(at)).all()
    journals = counted.journals_until(connection, [row.id for row in rows if not _settled(row, at)], at)
    still_open: list[Open] = []
    over: list[Brief] = []
    for row in rows:
        then = row if _settled(row, at) else views.as_told(row, journals.get(row.id, []), at)
        if then is not None:
            _sort_in(then, world, at, cards, still_open, over)
    return still_open, over


def _settled(row: Any, at: datetime) -> bool:
    """Has nothing happened to it since?"""
    return bool(row.changed_at is not None and row.changed_at <= at)


def _sort_in(row: Any, world: World, at: datetime, cards: dict[int, str], still_open: list[Open], over: list[Brief]) -> None:
    facts = views.facts_of(row)
    project, party = world.projects[facts.project_id], world.directory.by_id
    if not facts.is_open:
        over.append(Brief(facts.number, project, party.get(facts.lead_id), facts.status))
        return
    workflow = world.rules(facts.workflow).workflow
    late = overdue(facts, at)
    top = late and workflow.next_stage[facts.stage] is None
    runs = facts.due_at is not None and facts.status in ("pending_intake", "pending_ack", "processing")
    still_open.append(
        Open(
            facts,
            row,
            project,
            party[facts.lead_id],
            party[facts.responsible_id],
            late,
            late_by(facts, world.calendar, at),
            working_days_left(at, facts.due_at, world.calendar) if runs and facts.due_at is not None else None,
            light(facts, world.calendar, at, workflow.yellow_light.amount),
            "red" if top else cards.get(facts.id, ""),
        )
    )


def _archived(session: Session, world: World, at: datetime) -> tuple[list[Open], list[Brief]]:
    """What is in the archive now: over by the moment, or, seen from long ago, open still."""
    connection, party = session.connection(), world.directory.by_id
    still_open: list[Open] = []
    over: list[Brief] = []
    for row in counted.archived_by(connection, at):
        if row.closed_at <= at:
            over.append(Brief(row.number, world.projects[row.project_id], party.get(row.lead_id), "closed"))
            continue
        content = queries.archived(connection, row.number)
        whole = queries.unpacked(content) if content else None
        then = views.as_told(whole.issue, whole.journal, at) if whole else None
        if then is not None:
            _sort_in(then, world, at, {}, still_open, over)
    return still_open, over


def _gravest(cards: list[Any]) -> dict[int, str]:
    found: dict[int, str] = {}
    for card in cards:
        found[card.issue_id] = "red" if "red" in (card.colour, found.get(card.issue_id)) else card.colour
    return found


def _stay(row: Any, world: World) -> Stay:
    calendar = world.calendar
    return Stay(
        row.number,
        world.projects[row.project_id],
        world.directory.by_id.get(row.lead_id),
        row.stage,
        row.outcome,
        row.overdue_wd,
        row.auto_acknowledged,
        row.acknowledged_at is not None,
        calendar.working_days_between(calendar.local_day(row.entered_at), calendar.local_day(row.left_at)),
    )
