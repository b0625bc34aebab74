"""A province with as many issues as asked: hundreds of projects, a month of work by the people of the demo, again and again.

Some issues are lived through by the program itself (raised, dispatched, acknowledged, reported, escalated, closed); the rest
are their copies in other projects, with their stays and requests, some with their journals and mails too.
"""

import tempfile
from datetime import timedelta

from sqlalchemy import Connection, insert, select, text

from benchmarks.seeding import CATEGORIES, LATER, SEVERITIES, Stores, analyze, columns_of, value_of
from escalation import backing, commands, migrating
from escalation.commands import Raise
from escalation.database import Store
from escalation.demo import people
from escalation.models.users import UserParty, UserRow
from escalation.world import PARTY, PROJECT, touch
from tests.town import Town, at, sample

BEGIN = "2026-09-01 09:30"
DAYS = 32
#: The deadline that the due ones have missed, and the moment at which people look and a sweep notices.
DUE = at("2026-10-12 17:00")
NOW = at("2026-10-12 17:01")
#: So many issues are lived through.
GENUINE = 4_000
#: Each project of the sample stands for so many like it, each with an owner of its own.
PROJECTS_EACH = 50
#: What only an issue's own page reads, and is most of the bytes: one copy in so many has it.
SPARSE = {"journal": 5, "card": 5, "outbox": 20}
#: Who looks: login -> the post that they act for.
WHO = {"city": "PT0013", "department": "PT0026", "office": "PT0205", "handler": "PT0188", "reporter": "PT0001"}


def settled(stores: Stores, n: int, due: int) -> str:
    """A store with `n` issues, `due` of them due at NOW; its URL. One that the folder has already is taken as it is."""
    name, lived = f"province_{n}", stores.folder / "lived.zip"
    if stores.has(name):
        return stores.url(name)
    if not lived.exists():
        with tempfile.TemporaryDirectory() as folder:
            store = Store(f"sqlite:///{folder}/lived.db")
            migrating.upgrade(store)
            _live(store, GENUINE)
            backing.backup(store, lived, NOW)
            store.close()
    url = stores.empty(name)
    store = Store(url)
    backing.restore(lived, store)
    _multiply(store, n)
    _wake(store, due)
    store.close()
    return url


def _live(store: Store, count: int) -> None:
    """Day by day: some raise, everybody looks at what is open and does what is in their nature, time does the rest."""
    town = Town(store, BEGIN)
    _users(store)
    projects = [row["project_code"] for row in sample("projects")]
    owners = {row["owner_org"]: row["project_code"] for row in sample("projects")}
    raising = {owners[row["organ"]]: row["party_code"] for row in sample("parties") if row["organ"] in owners}
    daily = -(-count // DAYS)
    for day, now in enumerate(town.days(DAYS)):
        wanted = [
            Raise(
                projects[number % len(projects)],
                CATEGORIES[number % len(CATEGORIES)],
                SEVERITIES[number // 5 % len(SEVERITIES)],
                f"第{number}号问题:配套线路未按计划接通,影响投产",
                raising[projects[number % len(projects)]],
                described={
                    "description": "施工单位已进场,但外部接入条件不具备。" * 6,
                    "requested_action": "请主管部门协调明确时间",
                },
            )
            for number in range(day * daily, min(count, (day + 1) * daily))
        ]
        with store.transaction() as session:
            world = town.worlds.read(session)
            if wanted:
                commands.raise_many(session, world, wanted, now, town.outgoing)
            people.act_today(session, world, now, town.outgoing)
        town.sweeper.sweep_once(now + timedelta(hours=8))


def _users(store: Store) -> None:
    """Somebody of each role who may log in; their sessions are made by the measure itself."""
    with store.transaction() as session:
        for login, code in WHO.items():
            row = UserRow(login=login, name=login, created_at=at(BEGIN))
            session.add(row)
            session.flush()
            party = session.connection().execute(select(PARTY.c.id).where(PARTY.c.code == code)).scalar_one()
            assert row.id is not None
            session.add(UserParty(user_id=row.id, party_id=party))


def _multiply(store: Store, n: int) -> None:
    """The copies, each in a project and with a reporter of its own."""
    with store.transaction() as session:
        connection = session.connection()
        first_owner = _more_projects(connection)
        mails = connection.execute(text("SELECT max(id) FROM outbox")).scalar()
        connection.execute(text("UPDATE outbox SET state = 'sent', sent_at = queued_at, attempts = 1"))
        touch(session)
    tables = {table: columns_of(store, table) for table in ("issue", "assignment", "request", "journal", "card", "outbox")}
    for copy in range(1, n // GENUINE):
        with store.transaction() as session:
            for table, names in tables.items():
                if copy % SPARSE.get(table, 1):
                    continue
                told = _copied(table, copy, first_owner)
                wanted = [name for name in names if name != "id" or table == "issue"]
                values = ", ".join(told.get(name, name) for name in wanted)
                key, last = {"issue": ("id", GENUINE), "outbox": ("id", mails)}.get(table, ("issue_id", GENUINE))
                statement = f"INSERT INTO {table} ({', '.join(wanted)}) SELECT {values} FROM {table} WHERE {key} <= {last}"
                session.connection().execute(text(statement))


def _copied(table: str, copy: int, first_owner: int) -> dict[str, str]:
    """What differs in a copy: column -> expression."""
    variant = copy % PROJECTS_EACH
    named = {name: f"{name} || '-{copy}'" for name in ("key", "message_id", "about", "number")}
    if table != "issue":
        return named | {"issue_id": f"issue_id + {copy * GENUINE}"}
    told = named | {"id": f"id + {copy * GENUINE}", "title": f"title || '({copy})'"}
    if variant:
        told["project_id"] = f"project_id + {variant * 12}"
        told["reporter_id"] = f"reporter_id + {first_owner + (variant - 1) * 12 - 1}"
    return told


def _more_projects(connection: Connection) -> int:
    """The sample's projects again under other names, each with an owner of its own; the first such owner's id."""
    projects = [dict(row) for row in connection.execute(select(PROJECT).order_by(PROJECT.c.id)).mappings()]
    owners = [dict(row) for row in connection.execute(select(PARTY).order_by(PARTY.c.id).limit(len(projects))).mappings()]
    assert [each["id"] for each in projects] == [each["id"] for each in owners] == list(range(1, 13)), "the sample has changed"
    assert all(each["role"] == "project_owner" for each in owners)
    first = (connection.execute(text("SELECT max(id) FROM party")).scalar() or 0) + 1
    for variant in range(1, PROJECTS_EACH):
        for project, owner in zip(projects, owners, strict=True):
            organ, place = f"{owner['organ']}{variant}", (variant - 1) * 12 + owner["id"] - 1
            told = {"code": f"{owner['code']}-{variant}", "name": f"{organ}项目负责人", "organ": organ, "id": first + place}
            connection.execute(insert(PARTY).values(**owner | told))
            named = {"code": f"{project['code']}-{variant}", "name": f"{project['name']}{variant}期", "owner_org": organ}
            connection.execute(insert(PROJECT).values(**project | named | {"id": project["id"] + variant * 12}))
    return first


def _wake(store: Store, due: int) -> None:
    """So many of those at work in the cities have missed their deadline a minute ago; nothing else is due for months."""
    values = {
        "due": value_of(store, DUE),
        "wake": value_of(store, DUE + timedelta(microseconds=1)),
        "later": value_of(store, LATER),
    }
    chosen = "stage = 'city' AND status IN ('processing', 'pending_ack') AND due_at IS NOT NULL"
    with store.transaction() as session:
        connection = session.connection()
        connection.execute(text("UPDATE issue SET wake_at = :later, warn_at = NULL WHERE wake_at IS NOT NULL"), values)
        ids = list(
            connection.execute(text(f"SELECT id FROM issue WHERE {chosen} ORDER BY id % {GENUINE}, id LIMIT {due}")).scalars()
        )
        assert len(ids) == due, (len(ids), due)
        for start in range(0, due, 500):
            told = ", ".join(map(str, ids[start : start + 500]))
            connection.execute(
                text(f"UPDATE issue SET due_at = :due, wake_at = :wake, ack_due_at = NULL WHERE id IN ({told})"), values
            )
            connection.execute(
                text(f"UPDATE assignment SET due_at = :due WHERE left_at IS NULL AND issue_id IN ({told})"), values
            )
    analyze(store)
