"""Every SELECT that commands, sweeps, pages and reports share."""

import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Select, and_, bindparam, func, or_, select

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
from notifications.among import among, among_given
from notifications.outbox import WEBHOOK
from workflows.facts import Facts, Request, Snapshot
from workflows.sentence import say

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

FACTS = [ISSUE.c[name] for name in Facts._fields]
_TEXTS = [ISSUE.c.title, ISSUE.c.description, ISSUE.c.progress_note, ISSUE.c.cooperating_orgs]
_REQUEST = [REQUEST.c[name] for name in Request._fields]
_WIDTH = len(FACTS)


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


# What is asked again and again is put together once: putting a statement together takes as long as answering it.
_LOAD = select(*FACTS, *_TEXTS)
_CLAIM = _LOAD.where(among_given(ISSUE.c.id, "ids"), ISSUE.c.wake_at <= bindparam("now")).with_for_update(skip_locked=True)
_NUMBERED = _LOAD.where(among_given(ISSUE.c.number, "numbers")).order_by(ISSUE.c.id)
_NUMBERED_LOCKED = _NUMBERED.with_for_update()
_PENDING = select(*_REQUEST).where(REQUEST.c.state == "pending", among_given(REQUEST.c.issue_id, "ids")).order_by(REQUEST.c.no)
_AUTOMATIC = and_(ASSIGNMENT.c.auto_acknowledged, ASSIGNMENT.c.acknowledged_at >= bindparam("month"))
_LATE = (
    select(ASSIGNMENT.c.lead_id, func.count())
    .where(among_given(ASSIGNMENT.c.lead_id, "leads"), _AUTOMATIC)
    .group_by(ASSIGNMENT.c.lead_id)
)
_NEXT_WAKE = select(ISSUE.c.wake_at).where(ISSUE.c.wake_at.is_not(None)).order_by(ISSUE.c.wake_at).limit(1)
_ONE = select(ISSUE).where(ISSUE.c.number == bindparam("number"))
_STAYS = select(ASSIGNMENT).where(ASSIGNMENT.c.issue_id == bindparam("issue")).order_by(ASSIGNMENT.c.no)
_REQUESTS = select(REQUEST).where(REQUEST.c.issue_id == bindparam("issue")).order_by(REQUEST.c.no)
_CARDS = select(CARD).where(CARD.c.issue_id == bindparam("issue")).order_by(CARD.c.id)
_OBJECTORS = select(REQUEST.c.issue_id, REQUEST.c.asked_by_id).where(
    REQUEST.c.kind == "objection", among_given(REQUEST.c.issue_id, "ids")
)


def due_statement(now: datetime, limit: int) -> Select[Any]:
    """The whole queue of the scheduler: the oldest issues whose time has come, read from one index."""
    return select(ISSUE.c.id).where(ISSUE.c.wake_at <= now).order_by(ISSUE.c.wake_at).limit(limit)


def due_ids(connection: Connection, now: datetime, limit: int) -> list[int]:
    """The issues whose time has come, the oldest `limit` of them."""
    return list(connection.execute(due_statement(now, limit)).scalars())


def next_wake_at(connection: Connection) -> datetime | None:
    """The earliest moment at which something must happen by itself."""
    return connection.execute(_NEXT_WAKE).scalar()


def claim(connection: Connection, world: World, ids: Sequence[int], now: datetime) -> list[Loaded]:
    """Those of `ids` that are still due and that no other node holds, locked until the transaction ends."""
    return _loaded(connection, world, connection.execute(_CLAIM, {"ids": ids, "now": now}).all(), now)


def load(connection: Connection, world: World, numbers: Iterable[str], now: datetime, *, lock: bool = True) -> dict[str, Loaded]:
    """The issues with these numbers, by number, locked if they are to be changed. Raises NotFound naming the missing."""
    wanted = list(dict.fromkeys(numbers))
    found: dict[str, Loaded] = {}
    for start in range(0, len(wanted), CHUNK):
        rows = connection.execute(_NUMBERED_LOCKED if lock else _NUMBERED, {"numbers": wanted[start : start + CHUNK]}).all()
        found |= {each.snapshot.facts.number: each for each in _loaded(connection, world, rows, now, objections=True)}
    if missing := [number for number in wanted if number not in found]:
        if lock and archived(connection, missing[0]) is not None:
            raise Refused(
                "archived", say("{number} is over and in the archive; raise a new issue that names it", number=missing[0])
            )
        raise NotFound(say("there is no issue {number}", number=missing[0]), "`escalation list` shows all numbers")
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
    for row in connection.execute(_PENDING, {"ids": ids}):
        found.setdefault(row[0], []).append(Request._make(row))
    return {issue_id: tuple(requests) for issue_id, requests in found.items()}


def _late_acknowledgements(connection: Connection, world: World, facts: Sequence[Facts], now: datetime) -> dict[int, int]:
    """How often each organ whose acknowledgement is late now was late before in this calendar month."""
    late = {each.lead_id for each in facts if each.status == "pending_ack" and each.ack_due_at and each.ack_due_at < now}
    if not late:
        return {}
    calendar = world.calendar
    month = calendar.opening(calendar.local_day(now).replace(day=1))
    return {lead_id: count for lead_id, count in connection.execute(_LATE, {"leads": [*late], "month": month})}


def _objectors(connection: Connection, ids: Sequence[int]) -> dict[int, frozenset[int]]:
    """The organs' parties that have objected to an issue once."""
    found: dict[int, set[int]] = {}
    if not ids:
        return {}
    for issue_id, party_id in connection.execute(_OBJECTORS, {"ids": ids}):
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
    return list(connection.execute(_STAYS, {"issue": issue_id}))


def requests(connection: Connection, issue_id: int) -> list[Any]:
    """Every request ever made about an issue."""
    return list(connection.execute(_REQUESTS, {"issue": issue_id}))


def cards(connection: Connection, issue_id: int) -> list[Any]:
    """An issue's cards, oldest first."""
    return list(connection.execute(_CARDS, {"issue": issue_id}))


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
    row = connection.execute(_ONE, {"number": number}).first()
    if row is None:
        raise NotFound(say("there is no issue {number}", number=number), "`escalation list` shows all numbers")
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


def queued_already(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of these keys under which a message was queued before."""
    found: set[str] = set()
    for start in range(0, len(keys), CHUNK):
        found |= set(connection.execute(select(OUTBOX.c.key).where(among(OUTBOX.c.key, keys[start : start + CHUNK]))).scalars())
    return found
