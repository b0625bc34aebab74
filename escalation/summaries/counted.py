"""What summaries count: the store as it stood at a moment, and what happened between two."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, not_, select

from escalation.queries import ARCHIVED, ASSIGNMENT, CARD, CHUNK, FACTS, ISSUE, JOURNAL
from notifications.among import among

_TOLD = (
    "title",
    "nature",
    "complexity",
    "cooperating_orgs",
    "handler_role",
    "progress_note",
    "description",
    "requested_action",
    "authority_level",
    "authority_org",
)
_BRIEF = (ISSUE.c.number, ISSUE.c.project_id, ISSUE.c.lead_id, ISSUE.c.status)


def perhaps_open_at(at: datetime) -> Select[Any]:
    """The issues that may have been open at a moment: all but those that had ended by then and were left alone since."""
    ended = and_(ISSUE.c.closed_at.is_not(None), ISSUE.c.closed_at <= at, ISSUE.c.changed_at <= at)
    columns = [*FACTS, *[ISSUE.c[name] for name in _TOLD]]
    return select(*columns).where(ISSUE.c.raised_at <= at, not_(ended)).order_by(ISSUE.c.id)


def ended_by(connection: Connection, at: datetime) -> list[Any]:
    """The issues that had ended by a moment and were left alone since: number, project_id, lead_id, status."""
    statement = select(*_BRIEF).where(ISSUE.c.closed_at.is_not(None), ISSUE.c.closed_at <= at, ISSUE.c.changed_at <= at)
    return list(connection.execute(statement.order_by(ISSUE.c.id)))


def archived_by(connection: Connection, at: datetime) -> list[Any]:
    """The archived issues that were there at a moment, without their content."""
    columns = (ARCHIVED.c.number, ARCHIVED.c.project_id, ARCHIVED.c.lead_id, ARCHIVED.c.closed_at)
    return list(connection.execute(select(*columns).where(ARCHIVED.c.raised_at <= at).order_by(ARCHIVED.c.id)))


def journals_until(connection: Connection, ids: Sequence[int], at: datetime) -> dict[int, list[Any]]:
    """The entries of these issues up to a moment, oldest first, by issue."""
    found: dict[int, list[Any]] = {}
    for start in range(0, len(ids), CHUNK):
        chosen = among(JOURNAL.c.issue_id, ids[start : start + CHUNK])
        statement = select(JOURNAL.c.issue_id, JOURNAL.c.at, JOURNAL.c.body).where(chosen, JOURNAL.c.at <= at)
        for row in connection.execute(statement.order_by(JOURNAL.c.issue_id, JOURNAL.c.seq)):
            found.setdefault(row.issue_id, []).append(row)
    return found


def happened(connection: Connection, actions: Iterable[str], since: datetime, until: datetime) -> list[Any]:
    """The entries with these actions from `since` on and before `until`: number, project_id, lead_id, action, from_state."""
    columns = (ISSUE.c.number, ISSUE.c.project_id, ISSUE.c.lead_id, JOURNAL.c.action, JOURNAL.c.from_state)
    between = and_(JOURNAL.c.at >= since, JOURNAL.c.at < until, ISSUE.c.changed_at >= since)
    statement = select(*columns).join(ISSUE, ISSUE.c.id == JOURNAL.c.issue_id).where(between, JOURNAL.c.action.in_(list(actions)))
    return list(connection.execute(statement.order_by(JOURNAL.c.at, JOURNAL.c.issue_id, JOURNAL.c.seq)))


def raised_between(connection: Connection, since: datetime, until: datetime) -> list[Any]:
    """The issues raised from `since` on and before `until`: number, project_id, lead_id."""
    statement = select(ISSUE.c.number, ISSUE.c.project_id, ISSUE.c.lead_id)
    return list(connection.execute(statement.where(ISSUE.c.raised_at >= since, ISSUE.c.raised_at < until).order_by(ISSUE.c.id)))


def stays_left(connection: Connection, since: datetime, until: datetime) -> list[Any]:
    """The stays that ended from `since` on and up to `until`, each with its issue's number and project_id."""
    statement = select(ASSIGNMENT, ISSUE.c.number, ISSUE.c.project_id).join(ISSUE, ISSUE.c.id == ASSIGNMENT.c.issue_id)
    ended = and_(ASSIGNMENT.c.left_at >= since, ASSIGNMENT.c.left_at <= until, ISSUE.c.changed_at >= since)
    return list(connection.execute(statement.where(ended).order_by(ASSIGNMENT.c.issue_id, ASSIGNMENT.c.no)))


def cards_by(connection: Connection, at: datetime) -> list[Any]:
    """The cards proposed by a moment and not lifted by then: issue_id, party_id, colour, proposed_at."""
    lifted = and_(CARD.c.state == "lifted", CARD.c.decided_at <= at)
    columns = (CARD.c.issue_id, CARD.c.party_id, CARD.c.colour, CARD.c.proposed_at)
    return list(connection.execute(select(*columns).where(CARD.c.proposed_at <= at, not_(lifted)).order_by(CARD.c.id)))
