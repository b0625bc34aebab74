"""verify: replays every journal and checks the invariants of engine.md 6, as fsck does for a disk."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, func, select
from sqlmodel import Session

from escalation import filing, journal, queries
from escalation.errors import DatabaseTrouble
from escalation.models import SetAside
from escalation.queries import ARCHIVED, ARCHIVED_MAIL, ASSIGNMENT, ISSUE, JOURNAL, OUTBOX
from escalation.world import World
from workflows.facts import Facts
from workflows.rules import wake_at

CHUNK = 500
#: Actions after which somebody must have been told (invariant 4), unless the entry was imported.
TELLING = ("dispatch", "escalate", "escalate_auto", "escalate_skip", "reassign", "transfer", "remand", "close", "reopen")
SET_ASIDE = SetAside.__table__  # type: ignore[attr-defined]


class Broken(NamedTuple):
    """One thing that is wrong: which issue, which invariant, and what was found."""

    number: str
    invariant: str
    detail: str


@dataclass(slots=True)
class Verified:
    """What was looked at, and what was wrong."""

    issues: int = 0
    entries: int = 0
    broken: list[Broken] = field(default_factory=list)
    #: The files that the journals name: digest -> number of the issue.
    files: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Is everything as it should be?"""
        return not self.broken

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "ok": self.ok,
            "issues": self.issues,
            "entries": self.entries,
            "broken": [each._asdict() for each in self.broken],
        }


def verify(session: Session, world: World) -> Verified:
    """Looks at every issue of the store, and of its archive; changes nothing."""
    connection = session.connection()
    found = Verified()
    for ids in _pages(connection, ISSUE.c.id):
        found.broken += problems(connection, world, ids, found)
    for ids in _pages(connection, ARCHIVED.c.id):
        for content in connection.execute(select(ARCHIVED.c.content).where(ARCHIVED.c.id.in_(ids)).order_by(ARCHIVED.c.id)):
            found.broken += _archived(content[0], world, found)
    found.broken += _orphans(connection)
    wrong = filing.wrong(connection, found.files)
    found.broken += [Broken(number, "file", f"{name} {trouble}") for number, name, trouble in wrong]
    return found


def _pages(connection: Connection, ids: Any) -> Iterator[list[int]]:
    last = 0
    while page := list(connection.execute(select(ids).where(ids > last).order_by(ids).limit(CHUNK)).scalars()):
        last = page[-1]
        yield page


def problems(connection: Connection, world: World, ids: list[int], found: Verified | None = None) -> list[Broken]:
    """What is wrong with these issues; counts into `found` what was looked at."""
    columns = [ISSUE.c[name] for name in Facts._fields]
    rows = [Facts._make(row) for row in connection.execute(select(*columns).where(ISSUE.c.id.in_(ids)))]
    entries = _grouped(connection, select(JOURNAL).where(JOURNAL.c.issue_id.in_(ids)).order_by(JOURNAL.c.seq))
    stays = _grouped(connection, select(ASSIGNMENT).where(ASSIGNMENT.c.issue_id.in_(ids)).order_by(ASSIGNMENT.c.no))
    pending = queries.pending_requests(connection, ids)
    aside = set(connection.execute(select(SET_ASIDE.c.issue_id).where(SET_ASIDE.c.issue_id.in_(ids))).scalars())
    told = _told(connection, [row.number for row in rows])
    broken: list[Broken] = []
    for facts in rows:
        timer = None if facts.id in aside else wake_at(facts, pending.get(facts.id, ()))
        mine = entries.get(facts.id, [])
        broken += _one(facts, mine, stays.get(facts.id, []), told.get(facts.number, set()), world, found)
        if facts.id not in aside and facts.wake_at != timer:
            broken.append(Broken(facts.number, "timer", f"wakes at {facts.wake_at}, its clocks say {timer}"))
    return broken


def _archived(content: bytes, world: World, found: Verified) -> Iterator[Broken]:
    try:
        whole = queries.unpacked(content)
        facts = Facts._make(getattr(whole.issue, name) for name in Facts._fields)
    except (DatabaseTrouble, AttributeError) as error:
        yield Broken("", "archive", str(error))
        return
    told = {number for mail in whole.mails if (number := _entry_of(mail.key)) is not None}
    yield from _one(facts, whole.journal, whole.stays, told, world, found)


def _one(
    facts: Facts, entries: list[Any], stays: list[Any], told: set[int], world: World, found: Verified | None
) -> Iterator[Broken]:
    if found is not None:
        found.issues += 1
        found.entries += len(entries)
        for entry in entries:
            if b'"files":' in entry.body:
                named = orjson.loads(entry.body).get("detail", {}).get("files", "")
                found.files |= dict.fromkeys(named.split(), facts.number)
    yield from _journal_of(facts, entries, told)
    yield from _stays_of(facts, stays)
    if facts.workflow not in world.sources:
        yield Broken(facts.number, "workflow", f"its version {facts.workflow} is not in the store")


def _grouped(connection: Connection, statement: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in connection.execute(statement):
        found.setdefault(row.issue_id, []).append(row)
    return found


def _told(connection: Connection, numbers: list[str]) -> dict[str, set[int]]:
    """For which entries of each issue there are mails, read from their unique keys."""
    found: dict[str, set[int]] = {}
    for table in (OUTBOX, ARCHIVED_MAIL):
        for about, key in connection.execute(select(table.c.about, table.c.key).where(table.c.about.in_(numbers))):
            if (entry := _entry_of(key)) is not None:
                found.setdefault(about, set()).add(entry)
    return found


def _entry_of(key: str) -> int | None:
    parts = key.split(":")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None


def _journal_of(facts: Facts, entries: list[Any], told: set[int]) -> Iterator[Broken]:
    number = facts.number
    if len(entries) != facts.version:
        yield Broken(number, "journal", f"{len(entries)} entries, the row is at version {facts.version}")
    head, bodies, before = b"", [], None
    for expected, entry in enumerate(entries, 1):
        body = orjson.loads(entry.body)
        bodies.append(body)
        head = journal.chained(head, entry.body)
        if entry.seq != expected:
            yield Broken(number, "journal", f"entry {expected} is missing")
            return
        if head != entry.hash:
            yield Broken(number, "chain", f"entry {expected} was altered")
            return
        shown = (number, entry.seq, entry.action, entry.actor, entry.from_state, entry.to_state)
        if shown != (body["number"], body["seq"], body["action"], body["actor"], body["from"], body["to"]):
            yield Broken(number, "journal", f"entry {expected} shows something else than it says")
        if before is not None and entry.at < before:
            yield Broken(number, "journal", f"entry {expected} is dated before the one ahead of it")
        before = entry.at
        imported = body.get("detail", {}).get("imported")
        if entry.action in TELLING and not imported and expected not in told:
            yield Broken(number, "mail", f"entry {expected} ({entry.action}) told nobody")
    if entries and entries[-1].at != facts.changed_at:
        yield Broken(number, "journal", "the row is not as of the newest entry")
    if entries and head != facts.head:
        yield Broken(number, "chain", "the row does not carry the newest entry's hash")
    replayed, row = journal.replay(bodies), journal.as_json(facts)
    if different := sorted(name for name in row if replayed.get(name) != row[name]):
        yield Broken(number, "replay", f"the journal does not lead to the row: {', '.join(different)}")
    yield from _never_twice(number, bodies)


def _never_twice(number: str, bodies: list[dict[str, Any]]) -> Iterator[Broken]:
    """An issue goes up by itself one stage at a time, once for one assignment."""
    gone: set[int] = set()
    state: dict[str, Any] = {}
    for body in bodies:
        assignment = state.get("assignment_no", 0)
        if body["action"] == "escalate_auto":
            if assignment in gone:
                yield Broken(number, "escalation", f"assignment {assignment} went up twice")
            gone.add(assignment)
        state |= body["changes"]


def _stays_of(facts: Facts, stays: list[Any]) -> Iterator[Broken]:
    number = facts.number
    if [stay.no for stay in stays] != list(range(1, facts.assignment_no + 1)):
        yield Broken(number, "assignment", "the stays are not numbered without a gap")
        return
    open_stays = [stay for stay in stays if stay.left_at is None]
    if facts.is_open:
        if len(open_stays) != 1:
            yield Broken(number, "assignment", f"an open issue has {len(open_stays)} open stays")
            return
        stay = open_stays[0]
        row = (facts.stage, facts.responsible_id, facts.lead_id, facts.due_at)
        if (stay.stage, stay.responsible_id, stay.lead_id, stay.due_at) != row:
            yield Broken(number, "assignment", "the open stay is not the issue's own stage, party and deadline")
    elif open_stays:
        yield Broken(number, "assignment", "an issue that is over has an open stay")
    for earlier, later in pairwise(stays):
        if earlier.left_at is None or (earlier.left_at != later.entered_at and earlier.outcome != "closed"):
            yield Broken(number, "assignment", f"a gap between stay {earlier.no} and {later.no}")


def _orphans(connection: Connection) -> list[Broken]:
    orphans = connection.execute(
        select(func.count()).select_from(JOURNAL.outerjoin(ISSUE, ISSUE.c.id == JOURNAL.c.issue_id)).where(ISSUE.c.id.is_(None))
    ).scalar()
    return [Broken("", "journal", f"{orphans} entries belong to no issue")] if orphans else []
