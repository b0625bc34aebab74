"""The bare SQL of a page: hand-written statements that fetch what it shows, by the driver alone."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from statistics import median
from time import perf_counter
from typing import Any

import psycopg

from benchmarks.province import NOW, WHO
from escalation.database import Store
from escalation.scope import sight
from escalation.sqlite import sqlite3, wal_is_safe
from escalation.world import WorldReader
from notifications.moments import moment_text

STILL = "('pending_review', 'suspended')"
MANY = 1_000
#: What the page of a list shows of an issue, and what its lights are worked out from.
SHOWN = "number, id, title, project_id, stage, status, severity, lead_id, due_at, overdue_at, closed_at, clock_from, workflow"
Statements = list[str]


class Bare:
    """A store read by its driver, and what the statements are filled with."""

    def __init__(self, url: str) -> None:
        store = Store(url)
        #: Keeps SQLite from gathering by the index of each reason what an order's index gives sooner, as the product does.
        self.plain = "+" if store.is_sqlite else ""
        if store.is_sqlite:
            self.connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
            for name, value in (("journal_mode", "WAL" if wal_is_safe() else "DELETE"), ("cache_size", -65536)):
                self.connection.execute(f"PRAGMA {name} = {value}")
        else:
            self.connection = psycopg.connect(store.libpq(), autocommit=True)
        with store.reading() as session:
            world = WorldReader().read(session)
        store.close()
        calendar, today = world.calendar, world.calendar.local_day(NOW)
        first_green = datetime.combine(calendar.add_working_days(today, 3), time(), calendar.zone)
        self.now, self.green, self.soon = (f"'{moment_text(each)}'" for each in (NOW, first_green, NOW + timedelta(days=1)))
        self.projects = world.projects
        self.party = {login: world.directory.by_code[code] for login, code in WHO.items()}
        self.sights = {login: sight([party], world, today) for login, party in self.party.items()}
        self.stages = [(each.key, each.coordinator) for each in world.rules().workflow.stages]

    def close(self) -> None:
        self.connection.close()

    def rows(self, statement: str) -> list[Any]:
        return list(self.connection.execute(statement).fetchall())

    def some_issues(self, login: str) -> list[str]:
        """Issues whose journals were copied too, within sight."""
        seen = _seen(self, login)
        journal = (
            "EXISTS (SELECT 1 FROM journal WHERE issue_id = issue.id) AND EXISTS (SELECT 1 FROM outbox WHERE about = number)"
        )
        return [
            row[0] for row in self.rows(f"SELECT number FROM issue WHERE {journal} AND {seen} ORDER BY id % 997, id LIMIT 50")
        ]

    def measured(self, login: str, statements: Statements, looks: int) -> tuple[float, list[Any]]:
        """p50 in milliseconds of all of it in one transaction, and what the first statement found."""
        everybody = [
            f"SELECT * FROM web_session s JOIN \"user\" u ON u.id = s.user_id WHERE u.login = '{login}'",
            f"SELECT party_id FROM user_party p JOIN \"user\" u ON u.id = p.user_id WHERE u.login = '{login}'",
            "SELECT last FROM counter WHERE prefix = 'world'",
        ]
        times, first = [], []
        for _ in range(max(5, looks // 4)):
            begun = perf_counter()
            self.connection.execute("BEGIN")
            for each in everybody:
                self.rows(each)
            found = [self.rows(each) for each in statements]
            self.connection.execute("COMMIT")
            times.append((perf_counter() - begun) * 1000)
            first = found[0]
        return median(times), first


def _in(column: str, ids: Sequence[Any]) -> str:
    return f"{column} IN ({', '.join(map(str, sorted(ids)))})" if ids else "1 = 0"


def _seen(bare: Bare, login: str) -> str:
    seen = bare.sights[login]
    if seen.everything:
        return "1 = 1"
    columns = ("lead_id", "responsible_id", "reporter_id", "delegate_id")
    reasons = [_in("project_id", [*seen.projects]), *[_in(each, [*seen.parties]) for each in columns]]
    asked = f"id IN (SELECT issue_id FROM request WHERE {_in('target_id', [*seen.parties])})"
    if len(seen.projects) > 5 or not seen.projects:
        return f"({bare.plain}{' OR '.join([*reasons, asked])})"
    found = " UNION ".join(f"SELECT id FROM issue WHERE {each}" for each in reasons)
    return f"id IN ({found} UNION SELECT issue_id FROM request WHERE {_in('target_id', [*seen.parties])})"


def listing(bare: Bare, login: str, wanted: dict[str, str]) -> Statements:
    """Fifty issues and whether there are more, how many there are, and how many of each light."""
    fits = [
        _seen(bare, login),
        *[f"{name} = '{wanted[name]}'" for name in ("stage", "status", "category", "severity") if name in wanted],
    ]
    state = {"over": "closed_at IS NOT NULL", "all": "1 = 1"}.get(wanted.get("state", ""), "closed_at IS NULL")
    fits.append(state)
    chosen = [
        each.id
        for each in bare.projects.values()
        if (wanted.get("city", each.city), wanted.get("department", each.department), wanted.get("project", each.code))
        == (each.city, each.department, each.code)
    ]
    if {"city", "department", "project"} & set(wanted):
        fits.append(_in("project_id", chosen))
    if "light" in wanted:
        fits.append(_lights(bare)[wanted["light"]])
    where = " AND ".join(fits)
    counted = [f"SELECT count(*) FROM (SELECT 1 FROM issue WHERE {where} LIMIT {MANY + 1}) AS found"]
    if "light" not in wanted and wanted.get("state") != "over" and wanted.get("status") not in ("pending_review", "suspended"):
        counted += [
            f"SELECT count(*) FROM (SELECT 1 FROM issue WHERE {where} AND {light} LIMIT {MANY + 1}) AS found"
            for light in _lights(bare).values()
        ]
    return [_page(where, wanted), *counted]


def _lights(bare: Bare) -> dict[str, str]:
    running = f"closed_at IS NULL AND status NOT IN {STILL}"
    return {
        "red": f"{running} AND (overdue_at IS NOT NULL OR due_at < {bare.now})",
        "yellow": f"{running} AND overdue_at IS NULL AND due_at >= {bare.now} AND due_at < {bare.green}",
        "green": f"{running} AND overdue_at IS NULL AND due_at >= {bare.green}",
    }


def _page(where: str, wanted: dict[str, str]) -> str:
    """The best statement that we know of; the store has no open issue without a deadline."""
    rows = f"SELECT {SHOWN} FROM issue WHERE {where}"
    order = wanted.get("sort", "worst")
    if order != "worst":
        column, down = order.removeprefix("-").replace("due", "due_at"), " DESC" if order.startswith("-") else ""
        return f"{rows} ORDER BY {column}{down}, id{down} LIMIT 51"
    running = f"SELECT * FROM ({rows} AND closed_at IS NULL AND status NOT IN {STILL} ORDER BY due_at, id LIMIT 51) AS a"
    halted = f"SELECT * FROM ({rows} AND closed_at IS NULL AND status IN {STILL} ORDER BY due_at, id LIMIT 51) AS b"
    over = f"SELECT * FROM ({rows} AND closed_at IS NOT NULL ORDER BY id LIMIT 51) AS c"
    if wanted.get("state") == "over":
        return over
    if "light" in wanted or wanted.get("status") in ("pending_intake", "pending_ack", "processing"):
        return running
    if wanted.get("status") in ("pending_review", "suspended"):
        return halted
    parts = [running, halted, over] if wanted.get("state") == "all" else [running, halted]
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS parts LIMIT 51"


def todo(bare: Bare, login: str) -> Statements:
    """The hundred most pressing that may be theirs, and the requests about them."""
    me = bare.party[login]
    reasons = [
        f"(lead_id = {me.id} AND status IN ('pending_ack', 'processing', 'pending_intake'))",
        f"((delegate_id = {me.id} OR responsible_id = {me.id}) AND status IN ('pending_ack', 'processing'))",
        f"id IN (SELECT issue_id FROM request WHERE state = 'pending' AND target_id = {me.id})",
    ]
    late = f"status NOT IN {STILL} AND (overdue_at IS NOT NULL OR due_at < {bare.now})"
    for level, (key, coordinator) in enumerate(bare.stages):
        if coordinator.role != me.role:
            continue
        keys = ", ".join(f"'{each}'" for each, _ in bare.stages[max(0, level - 1) : level + 1])
        covered = [
            each.id for each in bare.projects.values() if (each.city == me.city if me.city else each.department == me.organ)
        ]
        mine = "1 = 1" if coordinator.of == "everywhere" else _in("project_id", covered)
        waits = [
            f"(stage = '{key}' AND (status = 'pending_intake' OR ({late})))",
            f"(stage IN ({keys}) AND status = 'pending_review')",
            "id IN (SELECT issue_id FROM request WHERE state = 'pending' AND decider <> 'target')",
        ]
        reasons.append(f"({mine} AND ({' OR '.join(waits)}))")
    few = len(reasons) == 3 and login == "reporter"
    theirs = " UNION ".join(f"SELECT id FROM issue WHERE {each}" for each in reasons) if few else ""
    where = f"id IN ({theirs})" if few else f"({' OR '.join(reasons)})"
    rows = f"closed_at IS NULL AND {where} AND {_seen(bare, login)} ORDER BY due_at, id LIMIT 100"
    requests = f"SELECT * FROM request WHERE issue_id IN (SELECT id FROM (SELECT id FROM issue WHERE {rows}) AS found)"
    return [f"SELECT {SHOWN} FROM issue WHERE {rows}", requests]


def issue(bare: Bare, login: str, number: str) -> Statements:
    """One issue and all that belongs to it."""
    mine = f"(SELECT id FROM issue WHERE number = '{number}')"
    parts = [f'SELECT * FROM "{each}" WHERE issue_id = {mine}' for each in ("journal", "assignment", "request", "card")]
    whole = f"SELECT * FROM issue WHERE number = '{number}' AND {_seen(bare, login)}"
    mails = [f"SELECT * FROM {each} WHERE about = '{number}'" for each in ("outbox", "archived_mail")]
    return [*parts, whole, *mails]


def board(bare: Bare, login: str) -> Statements:
    """Open issues by project, stage and light."""
    told = " ".join(f"WHEN {condition} THEN '{light}'" for light, condition in _lights(bare).items())
    where = f"closed_at IS NULL AND {_seen(bare, login)}"
    return [f"SELECT project_id, stage, CASE {told} ELSE '' END AS light, count(*) FROM issue WHERE {where} GROUP BY 1, 2, 3"]
