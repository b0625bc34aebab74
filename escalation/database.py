"""The store: one engine for SQLite or PostgreSQL, its transactions, and what its troubles mean to a person.

SQLite as it comes loses updates (read, then write, under a deferred transaction), so every writing transaction begins with
BEGIN IMMEDIATE; a version that can lose committed pages in WAL mode keeps a rollback journal (`sqlite.py`).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Engine, QueuePool, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlmodel import Session

from escalation.errors import Contention, DatabaseTrouble
from escalation.sqlite import sqlite3, wal_is_safe
from workflows.sentence import say

T = TypeVar("T")
#: How often a transaction is tried that the database gave up for another's sake.
TRIES = 4
READING, LARGE = "escalation_reading", "escalation_large"
#: So many prepared statements a SQLite connection keeps. One that writes 500 rows (`bulk.py`) holds 1.2 MB and its text is never
#: the same again, so the library's own 128 of them grow to 150 MB a connection.
STATEMENTS = 16
#: KiB of pages that a SQLite connection keeps. Every connection fills its own, and the file is in the system's cache anyway.
CACHE = 16_384
#: The same while it writes thousands of issues at once: what does not fit is written to the log and read back again and again.
LARGE_CACHE = 65_536
#: Pages in the log after which they are brought home into the file: most are written many times by one sweep.
HOME = 16_384
#: How long PostgreSQL lets a transaction stand in which nothing is asked for: a node that froze in one holds its rows no longer.
#: An import reads its files in one, and a backup writes what it has read.
STANDS_STILL = "300s"
REVISION = text("SELECT version_num FROM alembic_version")
#: Bytes of its log that a SQLite file keeps once what is in it has been brought home.
LOG = 64 * 2**20


class Store:
    """A database: `transaction()` to write, `reading()` to look."""

    def __init__(
        self, url: str, *, busy_seconds: float = 30, connect_seconds: int = 10, stands_still: str = STANDS_STILL
    ) -> None:
        parsed = make_url(url)
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.engine = _sqlite(url, busy_seconds)
        else:
            self.engine = create_engine(
                url,
                pool_pre_ping=True,
                pool_size=10,
                max_overflow=40,
                connect_args={
                    "connect_timeout": connect_seconds,
                    "application_name": "escalation",
                    # a server that is gone without a word is noticed in a minute, not in two hours
                    "keepalives_idle": 30,
                    "keepalives_interval": 10,
                    "keepalives_count": 3,
                    "tcp_user_timeout": 60_000,
                },
            )
            event.listen(self.engine, "connect", lambda connection, _: _bound(connection, stands_still))
        #: The schema that this program writes; where it is named, nothing is written into another one.
        self.revision = ""
        # SQLite's readers see one moment anyway
        snapshot = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reader = self.engine.execution_options(**{READING: True}, **snapshot)
        #: How many transactions were tried again since this process began.
        self.retried = 0

    def let_go(self) -> None:
        """Closes idle SQLite connections: each keeps its statements, and 16 MB of pages that the system's cache has anyway."""
        pool = self.engine.pool
        if self.is_sqlite and isinstance(pool, QueuePool):
            for idle in [self.engine.raw_connection() for _ in range(pool.checkedin())]:
                idle.invalidate()

    @contextmanager
    def transaction(self, *, large: bool = False) -> Iterator[Session]:
        """A session whose work is committed when the block ends and rolled back when it raises. `large`: thousands of rows.

        Raises DatabaseTrouble when the store cannot be used; every other exception passes through.
        """
        self._refuse_vanished()
        engine = self.engine.execution_options(**{LARGE: True}) if large else self.engine
        with translated(self), Session(engine, expire_on_commit=False) as session, session.begin():
            self._refuse_other_schema(session)
            yield session

    def _refuse_other_schema(self, session: Session) -> None:
        """A node that goes on while a newer program upgrades the store must not write what that one no longer understands."""
        if self.revision and (found := session.connection().execute(REVISION).scalar()) != self.revision:
            raise DatabaseTrouble(
                f"the database has schema {found}, this program writes {self.revision} ({self.name()})",
                "another program has upgraded it meanwhile: start the one that is installed now",
            )

    @property
    def is_absent(self) -> bool:
        """Is its file not there? SQLite makes one for whoever only looks; a PostgreSQL says so itself."""
        return self.is_sqlite and not os.path.exists(self.url.database or "")

    def _refuse_vanished(self) -> None:
        """SQLite goes on writing into a file that was deleted under it, and all of it would be lost."""
        path = self.url.database
        if self.is_sqlite and self.engine.pool.checkedin() and path and not os.path.exists(path):  # type: ignore[attr-defined]
            self.engine.dispose()
            raise DatabaseTrouble(f"the database file is gone ({self.name()})", "put it back, or restore the newest backup")

    def write(self, work: Callable[[Session], T], *, large: bool = False) -> T:
        """Does work in a transaction and answers what it answers; tried again when the database preferred another's.

        `work` is done anew from its beginning, so it must not keep anything of the try before.
        """
        for _ in range(TRIES - 1):
            try:
                with self.transaction(large=large) as session:
                    return work(session)
            except Contention:
                self.retried += 1
        with self.transaction(large=large) as session:
            return work(session)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only looks, and sees the store as of one moment, whoever writes meanwhile.

        Else `verify` would call an issue broken that is just moving, and a summary would not add up.
        Raises DatabaseTrouble when the store cannot be used.
        """
        with translated(self), Session(self._reader, expire_on_commit=False) as session, session.begin():
            yield session

    def check(self) -> None:
        """Looks at every page of a SQLite file. Raises DatabaseTrouble when one is damaged; PostgreSQL looks after its own."""
        if not self.is_sqlite:
            return
        with self.reading() as session:
            found = session.connection().execute(text("PRAGMA integrity_check(1)")).scalar()
        if found != "ok":
            hint = "stop, keep a copy, and restore the newest backup"
            raise DatabaseTrouble(f"the database file is damaged: {found} ({self.name()})", hint)

    def ahead(self, now: datetime) -> timedelta:
        """How far a clock is ahead of the database's own; nothing on SQLite, which has none."""
        if self.is_sqlite:
            return timedelta(0)
        with self.reading() as session:
            there: datetime = session.connection().execute(text("SELECT clock_timestamp()")).scalar_one()
        return now - there.astimezone(UTC)

    def libpq(self) -> str:
        """The address as PostgreSQL's own library wants it, password and all: not for people's eyes."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def close(self) -> None:
        """Gives all connections back."""
        self.engine.dispose()

    def name(self) -> str:
        """Where it is, without a password."""
        return self.url.render_as_string(hide_password=True)


def _sqlite(url: str, busy_seconds: float) -> Engine:
    # as many as there are threads that answer pages; a connection that is closed takes what it has read with it. The newest
    # one back is the next one out: its pages and statements are warm, and the others' are not filled as well
    driver = {"timeout": busy_seconds, "cached_statements": STATEMENTS}
    engine = create_engine(url, module=sqlite3, connect_args=driver, pool_size=20, max_overflow=30, pool_use_lifo=True)
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def _on_sqlite_connect(connection: Any, record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    _set_journal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{CACHE}")


def _bound(connection: Any, stands_still: str) -> None:
    connection.autocommit = True
    connection.execute(f"SET idle_in_transaction_session_timeout = '{stands_still}'")
    connection.autocommit = False


def _set_journal(connection: Any) -> None:
    """WAL where it is safe: who looks never waits for who writes. The file keeps its mode, so this changes it once."""
    wanted = "wal" if wal_is_safe() else "delete"
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != wanted:
        try:
            connection.execute(f"PRAGMA journal_mode = {wanted}")
        except sqlite3.OperationalError:
            # somebody is just using the file, or may only read it: as it is it is slower, and as safe
            if wanted != "wal":
                raise
    connection.execute(f"PRAGMA journal_size_limit = {LOG}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {HOME}")


def _on_sqlite_begin(connection: Any) -> None:
    options = connection.get_execution_options()
    cache = LARGE_CACHE if options.get(LARGE) else CACHE
    if connection.info.get("cache", CACHE) != cache:
        connection.exec_driver_sql(f"PRAGMA cache_size = -{cache}")
        connection.info["cache"] = cache
    connection.exec_driver_sql("BEGIN" if options.get(READING) else "BEGIN IMMEDIATE")


#: What the drivers say -> what it means and what to do.
TROUBLES: tuple[tuple[str, str, str], ...] = (
    ("database is locked", "the database is locked by another program", "wait for it to finish, or stop it"),
    ("disk is full", "the disk of the database is full", "make room; nothing was half done"),
    ("no space left", "the disk of the database is full", "make room; nothing was half done"),
    ("readonly database", "the database is read-only", "give this user the right to write the file and its folder"),
    ("read-only", "the database is read-only", "connect to a server that takes writes"),
    ("unable to open database file", "the database file cannot be opened", "check the folder and the rights in [database] url"),
    ("not a database", "the file is not a database", "check [database] url, or restore a backup"),
    ("malformed", "the database file is damaged", "stop, keep a copy, and restore the newest backup"),
    ("disk i/o error", "the disk of the database fails", "check the disk; nothing was half done"),
    ("no such table", "the database has no tables yet, or an old schema", "run `escalation init`"),
    ("undefinedtable", "the database has no tables yet, or an old schema", "run `escalation init`"),
    ("no such column", "the database has an old schema", "run `escalation init`"),
    ("undefinedcolumn", "the database has an old schema", "run `escalation init`"),
    ("password authentication failed", "the database refuses the login", "check user and password in [database] url"),
    ("does not exist", "the database does not exist", "create it, or check [database] url"),
    ("connection refused", "the database does not answer", "is the server running? check host and port in [database] url"),
    ("could not translate host", "the database's host name is not known", "check the host in [database] url"),
    ("failed to resolve", "the database's host name is not known", "check the host in [database] url"),
    ("timeout expired", "the database does not answer in time", "is the server running? check host and port"),
    (
        "server closed the connection",
        "the database closed the connection",
        "it will be tried again; is the server being restarted?",
    ),
    *(
        (said, "the database closed the connection", "it will be tried again; is the server being restarted?")
        for said in ("consuming input failed", "connection is closed", "sending query failed")
    ),
    ("connection is lost", "the database closed the connection", "it will be tried again; is the server being restarted?"),
    ("terminating connection", "the database closed the connection", "it will be tried again; is the server being restarted?"),
)


@contextmanager
def translated(store: Store) -> Iterator[None]:
    """Turns the driver's troubles into one sentence with a mend; programming mistakes pass through as they are."""
    try:
        yield
    except (OperationalError, DBAPIError) as error:
        said = f"{type(error.orig).__name__} {error.orig}".lower()
        if "deadlock" in said or "serializ" in said:
            raise Contention(say("the database is busy with others ({name})", name=store.name()), "repeat it") from error
        for pattern, meaning, mend in TROUBLES:
            if pattern in said:
                raise DatabaseTrouble(f"{meaning} ({store.name()})", mend) from error
        if isinstance(error, OperationalError):
            raise DatabaseTrouble(f"the database fails: {error.orig} ({store.name()})", "see its log") from error
        raise


__all__ = ["SQLAlchemyError", "Store", "translated"]
