"""The store's promises to whoever works with it: what is tried again, what is noticed, what each trouble is called."""

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select, text, update
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError
from sqlmodel import Session

from escalation import migrating, queries, scope
from escalation.database import CACHE, HOME, LARGE_CACHE, LOG, TROUBLES, Store, translated
from escalation.errors import Contention, DatabaseTrouble
from escalation.models import Counter
from escalation.queries import OUTBOX
from escalation.sqlite import sqlite3, wal_is_safe
from notifications.among import among, among_many

New = Callable[[str], Store]


def count(session: Session, prefix: str = "x") -> None:
    session.add(Counter(prefix=prefix, last=1))


@pytest.mark.parametrize("failures", [0, 3, 4])
def test_work_that_lost_to_anothers_is_tried_four_times(sqlite: str, new_store: New, failures: int) -> None:
    store, tries = new_store(sqlite), 0

    def work(session: Session) -> str:
        nonlocal tries
        tries += 1
        count(session)
        session.flush()
        if tries <= failures:
            raise Contention("another was preferred")
        return "done"

    if failures < 4:
        assert store.write(work) == "done"
    else:
        with pytest.raises(Contention):
            store.write(work)
    assert (tries, store.retried) == (min(failures + 1, 4), min(failures, 3))


def test_what_was_read_or_written_is_known_when_the_session_is_over(store: Store) -> None:
    with store.transaction() as session:
        row = Counter(prefix="x", last=7)
        session.add(row)
    assert row.last == 7
    with store.reading() as session:
        seen = session.get(Counter, "x")
    assert seen is not None
    assert seen.last == 7


def test_nobody_waits_for_a_writer_to_look_at_sqlite_and_no_two_write(sqlite: str, new_store: New) -> None:
    store, other = new_store(sqlite), Store(sqlite, busy_seconds=0.01)
    with closing(other), store.transaction() as writing:
        writing.connection()
        with other.reading() as session:
            assert session.get(Counter, "x") is None
        with pytest.raises(DatabaseTrouble, match="locked"), other.transaction() as session:
            session.connection()
    other.close()
    assert other.engine.pool.checkedin() == 0  # type: ignore[attr-defined]


def test_what_sqlite_is_told(sqlite: str, new_store: New) -> None:
    with new_store(sqlite).reading() as session:
        told = {name: session.connection().execute(text(f"PRAGMA {name}")).scalar() for name in ("foreign_keys", "synchronous")}
        kept = {name: session.connection().execute(text(f"PRAGMA {name}")).scalar() for name in ("temp_store", "cache_size")}
    assert told == {"foreign_keys": 1, "synchronous": 2}
    assert kept == {"temp_store": 2, "cache_size": -CACHE}


def test_a_large_transaction_has_more_pages_and_gives_them_back(sqlite: str, new_store: New) -> None:
    store = new_store(sqlite)

    def pages(*, large: bool) -> int:
        return store.write(lambda session: session.connection().execute(text("PRAGMA cache_size")).scalar_one(), large=large)

    assert [pages(large=each) for each in (False, True, False)] == [-CACHE, -LARGE_CACHE, -CACHE]


def test_a_new_file_is_kept_as_safely_as_it_can_be(tmp_path: Path) -> None:
    """Its log is ahead of it where that is safe, is written through, and does not stay large."""
    store = Store(f"sqlite:///{tmp_path / 'new.db'}")
    with store.transaction() as session:
        kept = {
            name: session.connection().exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "journal_size_limit", "wal_autocheckpoint")
        }
    store.close()
    assert kept == {
        "journal_mode": "wal" if wal_is_safe() else "delete",
        "synchronous": 2,
        "foreign_keys": 1,
        "journal_size_limit": LOG,
        "wal_autocheckpoint": HOME,
    }


def test_looking_for_a_store_that_is_not_there_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    store = Store(f"sqlite:///{path}")
    assert store.is_absent
    assert migrating.current(store) is None
    assert not path.exists()
    store.close()
    path.touch()
    assert not Store(f"sqlite:///{path}").is_absent


def test_a_file_that_is_gone_is_noticed_and_nothing_goes_into_the_old_one(sqlite: str, new_store: New) -> None:
    store, path = new_store(sqlite), sqlite.removeprefix("sqlite:///")
    with store.transaction() as session:
        count(session, "before")
    shutil.copy(path, f"{path}.backup")
    os.remove(path)
    with pytest.raises(DatabaseTrouble, match="file is gone") as caught, store.transaction():
        pass
    assert "restore the newest backup" in caught.value.hint
    shutil.copy(f"{path}.backup", path)
    with store.transaction() as session:
        count(session, "after")
    # the log is carried home, as happens by itself after some pages: by an old connection into a file that is no more
    with closing(store.engine.raw_connection()) as connection:
        connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT prefix FROM counter ORDER BY prefix").fetchall() == [("after",), ("before",)]


def test_a_file_is_made_by_whoever_is_first(tmp_path, new_store: New) -> None:  # type: ignore[no-untyped-def]
    with new_store(f"sqlite:///{tmp_path / 'new.db'}").transaction() as session:
        session.connection().execute(text("CREATE TABLE x (y)"))
    assert (tmp_path / "new.db").stat().st_size > 0


def test_a_damaged_file_is_named(sqlite: str, new_store: New) -> None:
    store, path = new_store(sqlite), sqlite.removeprefix("sqlite:///")
    store.check()
    with store.transaction() as session:
        for number in range(200):
            count(session, f"{number:0100d}")
    store.close()
    with open(path, "r+b") as file:
        file.seek(-5000, os.SEEK_END)
        file.write(b"?" * 4000)
    with pytest.raises(DatabaseTrouble, match="damaged") as caught:
        store.check()
    assert "restore the newest backup" in caught.value.hint


def test_a_server_that_is_gone_is_noticed_within_a_minute(postgresql: str, new_store: New) -> None:
    store, other = new_store(postgresql), new_store(postgresql)
    store.check()
    with store.reading() as session:
        told = session.connection().connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
        mine = session.connection().execute(text("SELECT pg_backend_pid()")).scalar_one()
    told = {name: int(value) for name, value in told.items() if value.isdigit()}
    assert told["keepalives_idle"] + told["keepalives_interval"] * told["keepalives_count"] <= 60
    assert told["tcp_user_timeout"] <= 60_000
    assert told["connect_timeout"] == 10
    with other.transaction() as session:
        session.connection().execute(text(f"SELECT pg_terminate_backend({mine}, 5000)"))
    with store.transaction() as session:
        assert session.connection().execute(text("SELECT pg_backend_pid()")).scalar_one() != mine


def test_how_far_a_clock_is_ahead_of_the_databases(store: Store) -> None:
    hour = timedelta(hours=1)
    ahead = store.ahead(datetime.now(UTC) + hour)
    assert ahead == timedelta(0) if store.is_sqlite else abs(ahead - hour) < timedelta(minutes=1)


def test_a_password_is_for_the_driver_alone(new_store: New) -> None:
    store = new_store("postgresql+psycopg://one:very-secret@127.0.0.1:1/escalation")
    assert store.libpq() == "postgresql://one:very-secret@127.0.0.1:1/escalation"
    assert store.name() == "postgresql+psycopg://one:***@127.0.0.1:1/escalation"


@pytest.mark.parametrize(("said", "meaning", "mend"), TROUBLES)
def test_every_trouble_is_said_with_its_mend(sqlite: str, new_store: New, said: str, meaning: str, mend: str) -> None:
    store = new_store(sqlite)
    with pytest.raises(DatabaseTrouble) as caught, translated(store):
        raise ProgrammingError("SELECT 1", {}, Exception(f"oh: {said.upper()}!"))
    assert (caught.value.message, caught.value.hint) == (f"{meaning} ({store.name()})", mend)
    assert type(caught.value) is DatabaseTrouble


def test_a_fight_is_told_from_a_trouble_and_a_mistake_from_both(sqlite: str, new_store: New) -> None:
    store = new_store(sqlite)
    for said in ("deadlock detected", "could not serialize access", "DeadlockDetected"):
        with pytest.raises(Contention, match="busy with others"), translated(store):
            raise OperationalError("SELECT 1", {}, Exception(said))
    with pytest.raises(DatabaseTrouble, match="the database fails: it rains") as caught, translated(store):
        raise OperationalError("SELECT 1", {}, Exception("it rains"))
    assert type(caught.value) is DatabaseTrouble
    with pytest.raises(DataError), translated(store):
        raise DataError("SELECT 1", {}, Exception("it rains"))


def test_on_sqlite_what_is_among_some_is_looked_up_and_not_looked_for(sqlite: str, new_store: New) -> None:
    """SQLAlchemy says `IN (…) = 1` of what it does not know to be a condition, and then every row is read."""
    store = new_store(sqlite)
    asked = [
        (queries._NUMBERED, {"numbers": ["WT26-0001", "WT26-0002"]}),
        (queries._CLAIM, {"ids": [1, 2], "now": datetime(2026, 9, 1, tzinfo=UTC)}),
        (queries._PENDING, {"ids": [1, 2]}),
        (queries._OBJECTORS, {"ids": [1, 2]}),
        (scope._SEEN, {"number": "WT26-0001", "projects": [1], "parties": [2]}),
        (select(OUTBOX.c.id).where(among(OUTBOX.c.key, ["a", "b"])), {}),
        (update(OUTBOX).where(among(OUTBOX.c.id, [1, 2])).values(state="queued"), {}),
        (select(OUTBOX.c.key).where(among_many(OUTBOX.c.id, [1, 2])), {}),
    ]
    plans: list[str] = []

    def explain(connection, cursor, statement, values, context, many) -> None:  # type: ignore[no-untyped-def]
        driver = connection.connection.driver_connection
        plans.extend(str(row[3]) for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}", values))

    event.listen(store.engine, "before_cursor_execute", explain)
    with store.transaction() as session:
        for statement, values in asked:
            session.connection().execute(statement, values)
    assert len(plans) >= len(asked)
    # the ids of one text are gone through
    assert not [plan for plan in plans if plan.startswith("SCAN") and "VIRTUAL TABLE" not in plan], plans
