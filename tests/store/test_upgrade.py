"""Upgrading: a store of every released version opens, migrates in one step or not at all, and verifies."""

import gzip
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import column, inspect, text
from sqlalchemy import table as sql_table

from escalation import backing, migrating
from escalation.database import Store
from escalation.errors import DatabaseTrouble
from escalation.sqlite import sqlite3
from escalation.verifying import verify
from escalation.world import WorldReader
from tests.conftest import Postgres

STORES = Path(__file__).parents[1] / "stores"
#: Released version -> the schema it came with.
RELEASED = {"0.1.0": "0001"}


def as_released(version: str, tmp_path: Path) -> Path:
    """The file of a store that the released program has left behind, in the middle of its work."""
    path = tmp_path / f"{version}.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(gzip.decompress((STORES / f"{version}.sql.gz").read_bytes()).decode())
    return path


def into_postgresql(path: Path, store: Store, schema: str) -> None:
    """The same rows in PostgreSQL, at the same schema."""
    migrating.upgrade(store, schema)
    old = Store(f"sqlite:///{path}")
    there = set(inspect(store.engine).get_table_names())
    with old.reading() as reading, store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE party DISABLE TRIGGER ALL")
        for table in (each for each in backing.tables() if each.name in there):
            known = {each["name"] for each in inspect(connection).get_columns(table.name)}
            columns = [each for each in table.c if each.name in known]
            then = sql_table(table.name, *[column(each.name, each.type) for each in columns])
            rows = [dict(row) for row in reading.connection().execute(then.select()).mappings()]
            if rows:
                connection.execute(then.insert(), [{f"{name}": value for name, value in row.items()} for row in rows])
        connection.exec_driver_sql("ALTER TABLE party ENABLE TRIGGER ALL")
    old.close()


@pytest.fixture(params=sorted(RELEASED))
def released(request: pytest.FixtureRequest, tmp_path: Path, new_store) -> Store:  # type: ignore[no-untyped-def]
    return new_store(f"sqlite:///{as_released(request.param, tmp_path)}")


def sound(store: Store) -> int:
    with store.reading() as session:
        found = verify(session, WorldReader().read(session))
    assert found.broken == []
    return found.issues


def test_a_released_store_is_upgraded(released: Store) -> None:
    with pytest.raises(DatabaseTrouble, match="has schema"):
        migrating.refuse_old(released)
    assert migrating.upgrade(released) == migrating.newest()
    migrating.refuse_old(released)
    assert sound(released) == 36


def test_a_released_store_on_postgresql_is_upgraded(tmp_path: Path, postgres: Postgres, new_store) -> None:  # type: ignore[no-untyped-def]
    for version, schema in RELEASED.items():
        store = new_store(postgres.fresh(empty=True))
        into_postgresql(as_released(version, tmp_path), store, schema)
        migrating.upgrade(store)
        assert sound(store) == 36


def test_an_upgrade_that_fails_half_way_changes_nothing(released: Store, postgres: Postgres, new_store) -> None:  # type: ignore[no-untyped-def]
    """The last table that the upgrade makes is in its way; the first ones must not stay either."""
    other = new_store(postgres.fresh(empty=True))
    migrating.upgrade(other, "0001")
    for store in (released, other):
        with store.engine.begin() as connection:
            connection.execute(text("CREATE TABLE archived_mail (here INTEGER)"))
        with pytest.raises(Exception, match="archived_mail"):
            migrating.upgrade(store)
        assert migrating.current(store) == "0001"
        assert "node" not in inspect(store.engine).get_table_names()
        with store.engine.begin() as connection:
            connection.execute(text("DROP TABLE archived_mail"))
        migrating.upgrade(store)
        migrating.refuse_old(store)
