"""What somebody must do now, worst first: the database finds what may be theirs, the rules say what is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, not_, or_, select
from sqlmodel import Session

from escalation import finding, queries, views
from escalation.browsing import is_overdue
from escalation.choices import Choice, choices
from escalation.clock import utc
from escalation.queries import ISSUE, REQUEST
from escalation.scope import Sight, within
from escalation.world import World
from notifications.among import among
from workflows.facts import Facts, Request
from workflows.parties import Party, Project

#: How many issues are looked through for somebody's to-do, those due first: nobody does more in a day.
LOOKED_AT = 100
#: The actions that make a task, or that one leads to.
ASKED = frozenset(
    """
    dispatch acknowledge close confirm return_for_rework approve agree answer report_progress resolve reassign urge
    """.split()
)


@dataclass(slots=True)
class Task:
    """Something somebody must do now."""

    kind: str
    issue: dict[str, Any]
    choices: list[Choice] = field(default_factory=list)
    #: The request that waits for them, if it is one.
    request: Request | None = None


#: The kinds of tasks, worst first.
KINDS = ("overdue", "acknowledge", "decide", "review", "intake", "due_soon", "report", "answer", "chase", "processing")


def todo(session: Session, world: World, seen: Sight, parties: Sequence[Party], now: datetime) -> list[Task]:
    """What somebody who acts for these parties must do now, worst first."""
    now, today = utc(now), world.calendar.local_day(now)
    mine = list({each.id: each for party in parties for each in world.directory.acting_for(party, today)}.values())
    connection = session.connection()
    statement = select(ISSUE.c.id).where(
        ISSUE.c.closed_at.is_(None),
        _perhaps_mine(connection, mine, world, now),
        within(connection, seen, world, now, finding.OPEN_ONLY),
    )
    rows: list[Any] = []
    # those without a deadline come last; each half is read in the order of an index
    for half, order in (
        (statement.where(ISSUE.c.due_at.is_not(None)), (ISSUE.c.due_at, ISSUE.c.id)),
        (statement.where(ISSUE.c.due_at.is_(None)), (ISSUE.c.id,)),
    ):
        if len(rows) < LOOKED_AT:
            rows += connection.execute(finding.found_first(half, order, LOOKED_AT - len(rows)))
    standing = queries.snapshots(connection, world, [views.facts_of(row) for row in rows], now, objections=True)
    tasks = []
    for row, snapshot in zip(rows, standing, strict=True):
        can = choices(snapshot, parties, world.rules(snapshot.facts.workflow), now, ASKED)
        tasks += _tasks(views.issue(row, world, now), can, snapshot.facts, now)
    return sorted(tasks, key=lambda task: (KINDS.index(task.kind), task.issue["due_at"] or "9999", task.issue["number"]))


def _tasks(issue: dict[str, Any], can: list[Choice], facts: Facts, now: datetime) -> list[Task]:
    may = {each.action: each for each in can if each.why_not is None}
    found = []
    for action, kind in (("approve", "decide"), ("answer", "answer"), ("agree", "answer")):
        if action in may:
            found.append(Task(kind, issue, can, may[action].requests[0] if may[action].requests else None))
    kind = ""
    if "dispatch" in may:
        kind = "intake"
    elif "close" in may or "confirm" in may or ("return_for_rework" in may and "close" not in {c.action for c in can}):
        kind = "review"
    elif "acknowledge" in may:
        kind = "acknowledge"
    elif "report_progress" in may and facts.status == "processing":
        kind = _working(issue, facts, now)
    elif "reassign" in may and issue["overdue"]:
        kind = "chase"
    if kind:
        found.append(Task(kind, issue, can))
    return found


def _working(issue: dict[str, Any], facts: Facts, now: datetime) -> str:
    if issue["overdue"]:
        return "overdue"
    if issue["light"] == "yellow":
        return "due_soon"
    late = facts.report_due_at is not None and facts.report_due_at <= now + timedelta(days=1)
    return "report" if late else "processing"


def _perhaps_mine(connection: Connection, mine: Sequence[Party], world: World, now: datetime) -> ColumnElement[bool]:
    """The open issues that may want something of these parties; the rules have the last word."""
    ids = [each.id for each in mine]
    organs = {each.organ for each in mine if each.role == "responsible_party"}
    handlers = [*ids, *(each.id for each in world.directory.parties if each.organ in organs and each.organ)]
    pending = select(REQUEST.c.issue_id).where(REQUEST.c.state == "pending")
    asked = pending.where(among(REQUEST.c.target_id, ids))
    at_work = ISSUE.c.status.in_(("pending_ack", "processing"))
    theirs = [
        and_(among(ISSUE.c.lead_id, handlers), ISSUE.c.status.in_(("pending_ack", "processing", "pending_intake"))),
        and_(among(ISSUE.c.responsible_id, ids), at_work),
    ]
    stood_in = and_(among(ISSUE.c.delegate_id, ids), at_work)
    coordinated = [each for party in mine if (each := _coordinated(party, world, pending, now)) is not None]
    if not coordinated:
        others = [select(ISSUE.c.id).where(stood_in), asked.distinct()]
        few = finding.gathered(connection, world, now, ("to do", *handlers, *ids), theirs, others, finding.OPEN_ONLY)
        if few is not None:
            return few
    return or_(*theirs, stood_in, finding.not_by_index(connection, ISSUE.c.id).in_(asked), *coordinated)


def _coordinated(party: Party, world: World, pending: Select[Any], now: datetime) -> ColumnElement[bool] | None:
    """What a coordinator dispatches, reviews and decides, at their stage and, where they are asked as a superior, below it."""
    stages = world.rules().workflow.stages if world.active else ()
    found: list[ColumnElement[bool]] = []
    for level, stage in enumerate(stages):
        if party.role != stage.coordinator.role:
            continue
        keys = [each.key for each in stages[max(0, level - 1) : level + 1]]
        waits = or_(
            and_(ISSUE.c.stage == stage.key, ISSUE.c.status == "pending_intake"),
            and_(ISSUE.c.stage.in_(keys), ISSUE.c.status == "pending_review"),
            and_(ISSUE.c.stage == stage.key, is_overdue(now)),
            ISSUE.c.id.in_(pending.where(REQUEST.c.decider != "target")),
        )
        covered = [each.id for each in world.projects.values() if _covers(stage.coordinator.of, party, each)]
        found.append(and_(waits, among(ISSUE.c.project_id, covered)) if stage.coordinator.of != "everywhere" else waits)
    if party.role in ("sponsor_liaison", "sponsor_leader"):
        found.append(and_(ISSUE.c.status == "pending_review", not_(ISSUE.c.confirmed)))
    return or_(*found) if found else None


def _covers(of: str, party: Party, project: Project) -> bool:
    return project.city == party.city if of == "city" else project.department == party.organ
