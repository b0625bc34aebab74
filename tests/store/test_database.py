"""The store: no update is lost, every trouble of a database is one sentence, and the schema is what the models say."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlmodel import SQLModel

from escalation import migrating
from escalation.database import Store
from escalation.errors import DatabaseTrouble
from escalation.models import Counter
from escalation.sqlite import sqlite3, wal_is_safe
from tests.conftest import Postgres


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 9), False),
        ((3, 44, 5), False),
        ((3, 45, 9), False),
        ((3, 44, 6), True),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
    ],
)
def test_wal_is_used_only_where_it_loses_nothing(version: tuple[int, int, int], safe: bool) -> None:
    assert wal_is_safe(version) is safe
    assert wal_is_safe((3, 51, 3))
    assert wal_is_safe((3, 52, 0))


def test_the_journal_mode_follows_the_library(sqlite: str, new_store) -> None:  # type: ignore[no-untyped-def]
    store = new_store(sqlite)
    with store.reading() as session:
        mode = session.connection().execute(text("PRAGMA journal_mode")).scalar()
        synchronous = session.connection().execute(text("PRAGMA synchronous")).scalar()

    assert mode == ("wal" if wal_is_safe() else "delete")
    assert synchronous == 2


def test_no_update_is_lost_between_writers(store: Store, new_store) -> None:  # type: ignore[no-untyped-def]
    """Read, then write, from four connections at once: as SQLAlchemy comes, SQLite loses most of them."""
    with store.transaction() as session:
        session.add(Counter(prefix="test", last=0))
    url = store.url.render_as_string(hide_password=False)

    def count() -> None:
        own = new_store(url)
        for _ in range(25):
            with own.transaction() as session:
                row = session.get(Counter, "test", with_for_update=True)
                assert row is not None
                row.last += 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with store.reading() as session:
        row = session.get(Counter, "test")
        assert row is not None
        assert row.last == 100


def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction() as session:
        session.add(Counter(prefix="half", last=1))
        session.flush()
        raise ZeroDivisionError

    with store.reading() as session:
        assert session.get(Counter, "half") is None


def test_the_migrations_make_what_the_models_say(store: Store) -> None:
    with store.engine.connect() as connection:
        # what search keeps is the databases' own affair
        ours = {"compare_type": False, "include_name": lambda name, kind, parents: not str(name).startswith("issue_search")}
        context = MigrationContext.configure(connection, opts=ours)
        assert compare_metadata(context, SQLModel.metadata) == []
    assert migrating.current(store) == migrating.newest()


def test_upgrading_twice_changes_nothing(store: Store) -> None:
    assert migrating.upgrade(store) == migrating.newest()


def test_a_store_of_a_newer_program_is_refused(store: Store) -> None:
    with store.transaction() as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(DatabaseTrouble, match="9999"):
        migrating.upgrade(store)


def test_a_store_without_tables_says_what_to_do(tmp_path: Path, postgres: Postgres, new_store) -> None:  # type: ignore[no-untyped-def]
    for url in (f"sqlite:///{tmp_path / 'empty.db'}", postgres.fresh(empty=True)):
        store = new_store(url)
        with pytest.raises(DatabaseTrouble) as caught, store.reading() as session:
            session.get(Counter, "x")
        assert "escalation init" in caught.value.hint
        with pytest.raises(DatabaseTrouble, match="no tables"):
            migrating.refuse_old(store)


def trouble(store: Store) -> DatabaseTrouble:
    with pytest.raises(DatabaseTrouble) as caught, store.transaction() as session:
        session.add(Counter(prefix="x" * 100, last=1))
        session.flush()
    return caught.value


def test_a_file_that_is_no_database(tmp_path: Path, new_store) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "escalation.db"
    path.write_bytes(b"this is not a database, it is a letter" * 100)

    assert "not a database" in trouble(new_store(f"sqlite:///{path}")).message


def test_a_folder_that_is_not_there(tmp_path: Path, new_store) -> None:  # type: ignore[no-untyped-def]
    assert "cannot be opened" in trouble(new_store(f"sqlite:///{tmp_path / 'no' / 'where.db'}")).message


def test_a_database_that_takes_no_writes(sqlite: str, new_store) -> None:  # type: ignore[no-untyped-def]
    path = sqlite.removeprefix("sqlite:///")

    assert "read-only" in trouble(new_store(f"sqlite:///file:{path}?mode=ro&uri=true")).message


def test_a_full_disk_leaves_nothing_half_done(sqlite: str, new_store) -> None:  # type: ignore[no-untyped-def]
    """The file may not grow: what a full disk says, without filling one."""
    store = new_store(sqlite)
    with pytest.raises(DatabaseTrouble, match="full"), store.transaction() as session:
        pages = session.connection().execute(text("PRAGMA page_count")).scalar()
        session.connection().execute(text(f"PRAGMA max_page_count = {pages}"))
        for number in range(2000):
            session.connection().execute(text(f"INSERT INTO counter VALUES ('{number:0100d}', 1)"))

    with store.reading() as session:
        assert session.connection().execute(text("SELECT count(*) FROM counter")).scalar() == 0


def test_a_database_that_somebody_holds(sqlite: str, request: pytest.FixtureRequest) -> None:
    holder = sqlite3.connect(sqlite.removeprefix("sqlite:///"), isolation_level=None)
    request.addfinalizer(holder.close)
    holder.execute("BEGIN EXCLUSIVE")
    store = Store(sqlite, busy_seconds=0.05)
    request.addfinalizer(store.close)

    assert "locked" in trouble(store).message


def test_a_server_that_is_not_there(new_store) -> None:  # type: ignore[no-untyped-def]
    store = new_store("postgresql+psycopg://escalation:very-secret@127.0.0.1:1/escalation")

    found = trouble(store)

    assert "does not answer" in found.message
    assert "very-secret" not in f"{found.message} {found.hint}"


def test_nothing_is_written_into_another_schema(store: Store) -> None:
    """Once it is said which one is ours, also by a node that was there before the store was upgraded."""
    store.revision = migrating.newest()
    with store.transaction() as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTrouble, match="schema 9999, this program writes"), store.transaction() as session:
        session.connection().execute(text("DELETE FROM alembic_version"))
    with store.reading() as session:
        assert session.connection().execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
    store.revision = ""
    with store.transaction() as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = :ours"), {"ours": migrating.newest()})


def test_a_transaction_may_stand_still_for_five_minutes(postgresql: str, new_store) -> None:  # type: ignore[no-untyped-def]
    with new_store(postgresql).reading() as session:
        assert session.connection().execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one() == "5min"


def test_connections_to_a_server_are_kept(postgresql: str, new_store: Callable[[str], Store]) -> None:
    """To make one costs a server a process; only a file's connections are closed when they have nothing to do."""
    store = new_store(postgresql)

    def server_process() -> int:
        with store.reading() as session:
            return int(session.connection().execute(text("SELECT pg_backend_pid()")).scalar_one())

    before = server_process()
    store.let_go()
    assert server_process() == before
