"""Every SELECT that commands, sweeps, pages and reports share."""

import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import orjson
from sqlalchemy import ColumnElement, Connection, Select, UnaryExpression, and_, false, func, not_, or_, select, union
from sqlalchemy.sql.operators import custom_op

from escalation.errors import DatabaseTrouble, NotFound, Refused
from escalation.models import (
    ArchivedIssue,
    ArchivedMail,
    Assignment,
    CardRow,
    Issue,
    JournalEntry,
    OutboxRow,
    RequestRow,
)
from escalation.portable import Kept, from_json
from escalation.world import World
from notifications.among import among
from notifications.outbox import WEBHOOK
from workflows.facts import Facts, Request, Snapshot

T = TypeVar("T")
#: So many issues are looked up one by one sooner than all open ones are read in order.
FEW = 5_000
#: Rows are read this many at a time where a statement names them one by one.
CHUNK = 1000

ISSUE = Issue.__table__  # type: ignore[attr-defined]
ASSIGNMENT = Assignment.__table__  # type: ignore[attr-defined]
REQUEST = RequestRow.__table__  # type: ignore[attr-defined]
JOURNAL = JournalEntry.__table__  # type: ignore[attr-defined]
CARD = CardRow.__table__  # type: ignore[attr-defined]
OUTBOX = OutboxRow.__table__  # type: ignore[attr-defined]
ARCHIVED = ArchivedIssue.__table__  # type: ignore[attr-defined]
ARCHIVED_MAIL = ArchivedMail.__table__  # type: ignore[attr-defined]

_FACTS = [ISSUE.c[name] for name in Facts._fields]
_TEXTS = [ISSUE.c.title, ISSUE.c.description, ISSUE.c.progress_note, ISSUE.c.cooperating_orgs]
_REQUEST = [REQUEST.c[name] for name in Request._fields]
_WIDTH = len(_FACTS)


class Texts(NamedTuple):
    """What people read in a mail about an issue."""

    title: str
    description: str
    progress_note: str
    cooperating_orgs: str


class Loaded(NamedTuple):
    """An issue as a decision sees it, and its texts for those who must be told."""

    snapshot: Snapshot
    texts: Texts


_LOAD = select(*_FACTS, *_TEXTS)


def due_statement(now: datetime, limit: int) -> Select[Any]:
    """The whole queue of the scheduler: the oldest issues whose time has come, read from one index."""
    return select(ISSUE.c.id).where(ISSUE.c.wake_at <= now).order_by(ISSUE.c.wake_at).limit(limit)


def due_ids(connection: Connection, now: datetime, limit: int) -> list[int]:
    """The issues whose time has come, the oldest `limit` of them."""
    return list(connection.execute(due_statement(now, limit)).scalars())


def next_wake_at(connection: Connection) -> datetime | None:
    """The earliest moment at which something must happen by itself."""
    statement = select(ISSUE.c.wake_at).where(ISSUE.c.wake_at.is_not(None)).order_by(ISSUE.c.wake_at).limit(1)
    return connection.execute(statement).scalar()


def claim(connection: Connection, world: World, ids: Sequence[int], now: datetime) -> list[Loaded]:
    """Those of `ids` that are still due and that no other node holds, locked until the transaction ends."""
    statement = _LOAD.where(among(ISSUE.c.id, ids), ISSUE.c.wake_at <= now).with_for_update(skip_locked=True)
    return _loaded(connection, world, connection.execute(statement).all(), now)


def load(connection: Connection, world: World, numbers: Iterable[str], now: datetime, *, lock: bool = True) -> dict[str, Loaded]:
    """The issues with these numbers, by number, locked if they are to be changed. Raises NotFound naming the missing."""
    wanted = list(dict.fromkeys(numbers))
    found: dict[str, Loaded] = {}
    for start in range(0, len(wanted), CHUNK):
        statement = _LOAD.where(among(ISSUE.c.number, wanted[start : start + CHUNK])).order_by(ISSUE.c.id)
        rows = connection.execute(statement.with_for_update() if lock else statement).all()
        found |= {each.snapshot.facts.number: each for each in _loaded(connection, world, rows, now, objections=True)}
    if missing := [number for number in wanted if number not in found]:
        if lock and archived(connection, missing[0]) is not None:
            raise Refused("archived", f"{missing[0]} is over and in the archive; raise a new issue that names it")
        raise NotFound(f"there is no issue {missing[0]}", "`escalation list` shows all numbers")
    return found


def _loaded(
    connection: Connection, world: World, rows: Sequence[Any], now: datetime, *, objections: bool = False
) -> list[Loaded]:
    facts = [Facts._make(row[:_WIDTH]) for row in rows]
    told = snapshots(connection, world, facts, now, objections=objections)
    return [Loaded(each, Texts._make(row[_WIDTH:])) for each, row in zip(told, rows, strict=True)]


def snapshots(
    connection: Connection, world: World, facts: Sequence[Facts], now: datetime, *, objections: bool = False
) -> list[Snapshot]:
    """These issues as a decision sees them: with what waits for a decision and, where a person decides, who has objected."""
    pending = pending_requests(connection, [each.id for each in facts])
    late = _late_acknowledgements(connection, world, facts, now)
    objectors = _objectors(connection, [each.id for each in facts]) if objections else {}
    route, nobody = world.route, frozenset[int]()
    return [
        Snapshot(
            each,
            route(each.workflow, each.category, each.project_id, each.organ),
            pending.get(each.id, ()),
            late.get(each.lead_id, 0),
            objectors.get(each.id, nobody),
        )
        for each in facts
    ]


def pending_requests(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[Request, ...]]:
    """The requests that wait for a decision, by issue."""
    found: dict[int, list[Request]] = {}
    if not ids:
        return {}
    statement = select(*_REQUEST).where(REQUEST.c.state == "pending", among(REQUEST.c.issue_id, ids)).order_by(REQUEST.c.no)
    for row in connection.execute(statement):
        found.setdefault(row[0], []).append(Request._make(row))
    return {issue_id: tuple(requests) for issue_id, requests in found.items()}


def _late_acknowledgements(connection: Connection, world: World, facts: Sequence[Facts], now: datetime) -> dict[int, int]:
    """How often each organ whose acknowledgement is late now was late before in this calendar month."""
    late = {each.lead_id for each in facts if each.status == "pending_ack" and each.ack_due_at and each.ack_due_at < now}
    if not late:
        return {}
    calendar = world.calendar
    month = calendar.opening(calendar.local_day(now).replace(day=1))
    statement = (
        select(ASSIGNMENT.c.lead_id, func.count())
        .where(ASSIGNMENT.c.auto_acknowledged, among(ASSIGNMENT.c.lead_id, late), ASSIGNMENT.c.acknowledged_at >= month)
        .group_by(ASSIGNMENT.c.lead_id)
    )
    return {lead_id: count for lead_id, count in connection.execute(statement)}


def _objectors(connection: Connection, ids: Sequence[int]) -> dict[int, frozenset[int]]:
    """The organs' parties that have objected to an issue once."""
    found: dict[int, set[int]] = {}
    if not ids:
        return {}
    statement = select(REQUEST.c.issue_id, REQUEST.c.asked_by_id).where(
        REQUEST.c.kind == "objection", among(REQUEST.c.issue_id, ids)
    )
    for issue_id, party_id in connection.execute(statement):
        found.setdefault(issue_id, set()).add(party_id)
    return {issue_id: frozenset(parties) for issue_id, parties in found.items()}


def last_request_no(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """The highest request number of each issue that has one."""
    statement = (
        select(REQUEST.c.issue_id, func.max(REQUEST.c.no)).where(among(REQUEST.c.issue_id, ids)).group_by(REQUEST.c.issue_id)
    )
    return {issue_id: no for issue_id, no in connection.execute(statement)}


def journal(connection: Connection, issue_id: int, *, newest: int | None = None, before: int | None = None) -> list[Any]:
    """An issue's entries, oldest first: all, or the `newest` so many, of those in front of entry `before` if it is given."""
    statement = select(JOURNAL).where(JOURNAL.c.issue_id == issue_id)
    if before is not None:
        statement = statement.where(JOURNAL.c.seq < before)
    if newest is None:
        return list(connection.execute(statement.order_by(JOURNAL.c.seq)))
    return [*connection.execute(statement.order_by(JOURNAL.c.seq.desc()).limit(newest))][::-1]


def assignments(connection: Connection, issue_id: int) -> list[Any]:
    """An issue's stays, oldest first."""
    return list(connection.execute(select(ASSIGNMENT).where(ASSIGNMENT.c.issue_id == issue_id).order_by(ASSIGNMENT.c.no)))


def requests(connection: Connection, issue_id: int) -> list[Any]:
    """Every request ever made about an issue."""
    return list(connection.execute(select(REQUEST).where(REQUEST.c.issue_id == issue_id).order_by(REQUEST.c.no)))


def cards(connection: Connection, issue_id: int) -> list[Any]:
    """An issue's cards, oldest first."""
    return list(connection.execute(select(CARD).where(CARD.c.issue_id == issue_id).order_by(CARD.c.id)))


def mails(connection: Connection, number: str, *, newest: int | None = None) -> list[Any]:
    """The mails about an issue, oldest first, all or the `newest` so many; of those sent long ago only that they were."""
    mine = (OUTBOX.c.about == number, OUTBOX.c.channel != WEBHOOK)
    found = [*connection.execute(select(OUTBOX).where(*mine).order_by(OUTBOX.c.id.desc()).limit(newest))]
    if newest is None or len(found) < newest:
        order = (ARCHIVED_MAIL.c.queued_at.desc(), ARCHIVED_MAIL.c.key.desc())
        room = None if newest is None else newest - len(found)
        old = connection.execute(select(ARCHIVED_MAIL).where(ARCHIVED_MAIL.c.about == number).order_by(*order).limit(room))
        found += [Kept({"id": None, "attempts": 1, "last_error": "", **row}) for row in old.mappings()]
    return found[::-1]


def one_row(connection: Connection, number: str) -> Any:
    """An open issue's whole row, or that of one closed not long ago. Raises NotFound."""
    row = connection.execute(select(ISSUE).where(ISSUE.c.number == number)).first()
    if row is None:
        raise NotFound(f"there is no issue {number}", "`escalation list` shows all numbers")
    return row


class Whole(NamedTuple):
    """An issue and everything that belongs to it, oldest first."""

    issue: Any
    stays: list[Any]
    requests: list[Any]
    journal: list[Any]
    cards: list[Any]
    mails: list[Any]


#: The tables of the parts of a Whole, in its order.
PARTS = (ISSUE, ASSIGNMENT, REQUEST, JOURNAL, CARD, OUTBOX)


def whole(connection: Connection, number: str, *, newest: int | None = None, before: int | None = None) -> Whole:
    """An issue whole, wherever it is kept; of its entries (in front of entry `before`) and mails the `newest` so many.

    Raises NotFound.
    """
    try:
        row = one_row(connection, number)
    except NotFound:
        content = archived(connection, number)
        if content is None:
            raise
        found = unpacked(content)
        entries = [each for each in found.journal if before is None or each.seq < before]
        return found if newest is None else found._replace(journal=entries[-newest:], mails=found.mails[-newest:])
    mine = row.id
    return Whole(
        row,
        assignments(connection, mine),
        requests(connection, mine),
        journal(connection, mine, newest=newest, before=before),
        cards(connection, mine),
        mails(connection, number, newest=newest),
    )


def archived(connection: Connection, number: str) -> bytes | None:
    """The archive's piece of an issue, if it is there."""
    found: bytes | None = connection.execute(select(ARCHIVED.c.content).where(ARCHIVED.c.number == number)).scalar()
    return found


def archived_among(connection: Connection, numbers: Sequence[str]) -> dict[str, bytes]:
    """The archive's pieces of those issues that are there, by number."""
    statement = select(ARCHIVED.c.number, ARCHIVED.c.content).where(among(ARCHIVED.c.number, numbers))
    return {number: content for number, content in connection.execute(statement)}


def unpacked(content: bytes) -> Whole:
    """An archived piece as it was. Raises DatabaseTrouble when it is damaged."""
    try:
        told = orjson.loads(zlib.decompress(content))
        parts = [
            [Kept(from_json(table, row) | {name: row[name] for name in row if name not in table.c}) for row in rows]
            for table, rows in zip(PARTS, told, strict=True)
        ]
        return Whole(parts[0][0], *parts[1:])
    except (zlib.error, ValueError, LookupError, TypeError) as error:
        raise DatabaseTrouble(f"a piece of the archive is damaged: {error}", "restore the newest backup") from error


def gathered(
    connection: Connection,
    world: World,
    now: datetime,
    what: tuple[object, ...],
    reasons: Sequence[ColumnElement[bool]],
    asked: Select[tuple[int]],
) -> ColumnElement[bool] | None:
    """`id IN (…)` over what an index answers for each reason, and over those asked about; None when these are not few.

    `what` says which reasons these are: whether they are few is counted once a minute, for that costs a statement a reason.
    """
    parts = [*[select(ISSUE.c.id).where(each) for each in reasons], asked]
    if not world.once_a_minute(("few", *what), now, lambda: _are_few(connection, parts)):
        return None
    few: ColumnElement[bool] = ISSUE.c.id.in_(union(*parts))
    return few


def _are_few(connection: Connection, parts: Sequence[Select[tuple[int]]]) -> bool:
    left = FEW
    for part in parts:
        left -= connection.execute(select(func.count()).select_from(part.limit(left + 1).subquery())).scalar() or 0
        if left < 0:
            return False
    return True


def not_by_index(connection: Connection, column: ColumnElement[T]) -> ColumnElement[T]:
    """The column, on SQLite in words that keep it from an index (a unary +, https://sqlite.org/optoverview.html).

    A condition of several reasons, each with an index, is else answered by gathering all that any of them gives, and sorting tens
    of thousands for the fifty that an order's own index gives at once.
    """
    if connection.dialect.name != "sqlite":
        return column
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def found_first(
    those: Select[tuple[int]], order: Sequence[ColumnElement[Any]], limit: int, *more: ColumnElement[Any]
) -> Select[Any]:
    """The whole rows of the first so many of those ids, in this order: what they are is read from an index that has all it needs.

    In one statement PostgreSQL fetches every row that it passes, and passes hundreds of thousands where few fit.
    """
    few = those.order_by(*order).limit(limit).subquery()
    return select(ISSUE, *more).join(few, few.c.id == ISSUE.c.id).order_by(*order)


def in_projects(connection: Connection, world: World, now: datetime, projects: Sequence[int]) -> ColumnElement[bool]:
    """Issues of these projects: a few by their index, many in a list's order."""
    theirs, nobody = among(ISSUE.c.project_id, projects), select(ISSUE.c.id).where(false())
    few = gathered(connection, world, now, ("projects", *projects), [theirs], nobody) is not None
    return theirs if few else among(not_by_index(connection, ISSUE.c.project_id), projects)


def listing(
    *,
    stage: str = "",
    status: str = "",
    city_projects: Sequence[int] | None = None,
    party_ids: Sequence[int] | None = None,
    only_open: bool = False,
) -> Select[Any]:
    """The ledger of issues, newest deadline first, narrowed as asked."""
    statement = select(ISSUE).order_by(ISSUE.c.due_at.desc(), ISSUE.c.id)
    if stage:
        statement = statement.where(ISSUE.c.stage == stage)
    if status:
        statement = statement.where(ISSUE.c.status == status)
    if city_projects is not None:
        statement = statement.where(ISSUE.c.project_id.in_(city_projects))
    if party_ids is not None:
        mine = or_(ISSUE.c.responsible_id.in_(party_ids), ISSUE.c.lead_id.in_(party_ids), ISSUE.c.reporter_id.in_(party_ids))
        statement = statement.where(mine)
    if only_open:
        statement = statement.where(ISSUE.c.closed_at.is_(None))
    return statement


def open_by_workflow(connection: Connection) -> dict[str, int]:
    """How many open issues each workflow version carries."""
    statement = select(ISSUE.c.workflow, func.count()).where(ISSUE.c.closed_at.is_(None)).group_by(ISSUE.c.workflow)
    return {workflow: count for workflow, count in connection.execute(statement)}


def standing(connection: Connection, workflow: str) -> dict[str, int]:
    """How many open issues of a workflow, whatever its version, stand in each `stage.status`."""
    statement = (
        select(ISSUE.c.stage, ISSUE.c.status, func.count())
        .where(ISSUE.c.workflow.startswith(f"{workflow}@"), ISSUE.c.closed_at.is_(None))
        .group_by(ISSUE.c.stage, ISSUE.c.status)
    )
    return {f"{stage}.{status}": count for stage, status, count in connection.execute(statement)}


def closed_since(connection: Connection, moment: datetime) -> int:
    """How many issues were closed from then on and are closed still."""
    statement = select(func.count()).where(ISSUE.c.status == "closed", ISSUE.c.closed_at >= moment)
    return connection.execute(statement).scalar() or 0


# What summaries count: the store as it stood at a moment, and what happened between two.

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
    columns = [*_FACTS, *[ISSUE.c[name] for name in _TOLD]]
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


def queued_already(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of these keys under which a message was queued before."""
    found: set[str] = set()
    for start in range(0, len(keys), CHUNK):
        found |= set(connection.execute(select(OUTBOX.c.key).where(among(OUTBOX.c.key, keys[start : start + CHUNK]))).scalars())
    return found
