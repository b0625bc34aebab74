"""Backup and restore: the whole store in one file, from and into both databases, and never half."""

import zipfile
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from escalation import backing, migrating
from escalation.database import Store
from escalation.errors import UsageError
from escalation.queries import OUTBOX
from escalation.verifying import verify
from escalation.world import WorldReader
from tests.conftest import DATABASES, Postgres
from tests.town import CITY_COORDINATOR, Town, at


@pytest.fixture
def lived(store: Store) -> Town:
    """A town in which something has happened, and in which mails wait."""
    town = Town(store)
    for _ in range(3):
        town.dispatched()
    town.sweep("2026-09-20 09:00")
    return town


@pytest.fixture
def empty(tmp_path: Path, postgres: Postgres, new_store):  # type: ignore[no-untyped-def]
    """Makes an empty database of either kind."""
    return lambda kind: new_store(f"sqlite:///{tmp_path}/new.db" if kind == "sqlite" else postgres.fresh(empty=True))


def content(store: Store) -> dict[str, list[object]]:
    """Every row of every table but the mails, whose states a restore changes."""
    with store.reading() as session:
        return {
            table.name: [tuple(row) for row in session.connection().execute(select(table).order_by(*table.primary_key.columns))]
            for table in backing.tables()
            if table is not OUTBOX
        }


@pytest.mark.parametrize("into", DATABASES)
def test_a_backup_restores_into_either_database(lived: Town, tmp_path: Path, empty, into: str) -> None:  # type: ignore[no-untyped-def]
    manifest = backing.backup(lived.store, tmp_path / "b.zip", lived.now)
    assert manifest.rows > 200
    fresh = empty(into)
    backing.restore(tmp_path / "b.zip", fresh)
    assert content(fresh) == content(lived.store)
    with fresh.reading() as session:
        assert verify(session, WorldReader().read(session)).broken == []


def test_life_goes_on_in_a_restored_store(lived: Town, tmp_path: Path, empty, database: str) -> None:  # type: ignore[no-untyped-def]
    backing.backup(lived.store, tmp_path / "b.zip", lived.now)
    again = Town.__new__(Town)
    again.__dict__ = lived.__dict__ | {"store": empty(database.partition(":")[0].partition("+")[0])}
    backing.restore(tmp_path / "b.zip", again.store)
    again.sweeper = type(lived.sweeper)(again.store, lived.worlds, lived.outgoing)
    number = again.raise_issue()
    assert number == "WT26-0004"
    again.act(number, "dispatch", CITY_COORDINATOR)
    again.sweep("2026-11-02 09:00")
    assert again.verify().broken == []


def test_mails_that_waited_are_not_sent_twice(lived: Town, tmp_path: Path, empty) -> None:  # type: ignore[no-untyped-def]
    backing.backup(lived.store, tmp_path / "b.zip", lived.now)
    fresh = empty("sqlite")
    backing.restore(tmp_path / "b.zip", fresh)
    with fresh.reading() as session:
        states = set(session.connection().execute(select(OUTBOX.c.state, OUTBOX.c.last_error)).all())
    assert states == {("dead", backing.MAY_HAVE_GONE)}


def test_what_is_being_written_is_not_in_it(lived: Town, tmp_path: Path, empty) -> None:  # type: ignore[no-untyped-def]
    """One moment for all tables, while somebody else is in the middle of a change."""
    before = content(lived.store)
    with lived.store.transaction() as session:
        world = lived.worlds.read(session)
        from escalation import commands
        from escalation.commands import Raise

        commands.raise_issue(session, world, Raise("HLJ26-001", "power", "major", "half done", "PT0001"), lived.now, None)
        session.flush()
        backing.backup(lived.store, tmp_path / "b.zip", lived.now)
    fresh = empty("sqlite")
    backing.restore(tmp_path / "b.zip", fresh)
    assert content(fresh) == before


def test_a_damaged_backup_is_refused_and_nothing_is_changed(lived: Town, tmp_path: Path, empty) -> None:  # type: ignore[no-untyped-def]
    backing.backup(lived.store, tmp_path / "b.zip", lived.now)
    with zipfile.ZipFile(tmp_path / "b.zip") as good, zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
        for name in good.namelist():
            data = good.read(name)
            bad.writestr(name, data.replace(b'"seq":2', b'"seq":3', 1) if name == "tables/journal.jsonl" else data)
    fresh = empty("sqlite")
    with pytest.raises(UsageError, match="journal is not what was written"):
        backing.restore(tmp_path / "bad.zip", fresh)
    assert all(not rows for name, rows in content(fresh).items() if name != "alembic_version")
    backing.restore(tmp_path / "b.zip", fresh)
    assert content(fresh) == content(lived.store)

    cut = tmp_path / "cut.zip"
    cut.write_bytes((tmp_path / "b.zip").read_bytes()[:-200])
    with pytest.raises(UsageError, match="is no backup"):
        backing.restore(cut, empty("sqlite"))


def test_a_backup_of_an_older_program_restores_into_this_one(lived: Town, tmp_path: Path, empty, database: str) -> None:  # type: ignore[no-untyped-def]
    """As 0.1.0 would have written it, had it had backups: without the tables and columns that are new since."""
    backing.backup(lived.store, tmp_path / "b.zip", lived.now)
    new = {"node", "archived_issue", "archived_mail"}
    with zipfile.ZipFile(tmp_path / "b.zip") as good, zipfile.ZipFile(tmp_path / "old.zip", "w") as old:
        manifest = orjson.loads(good.read("manifest.json")) | {"revision": "0001"}
        manifest["tables"] = {name: told for name, told in manifest["tables"].items() if name not in new}
        for name in manifest["tables"]:
            data = good.read(f"tables/{name}.jsonl").replace(b',"merged_into":""', b"")
            manifest["tables"][name]["sha256"] = sha256(data).hexdigest()
            old.writestr(f"tables/{name}.jsonl", data)
        old.writestr("manifest.json", orjson.dumps(manifest))
    fresh = empty(database.partition(":")[0].partition("+")[0])
    backing.restore(tmp_path / "old.zip", fresh)
    migrating.refuse_old(fresh)
    assert content(fresh) == content(lived.store)


def test_a_store_with_something_in_it_is_never_filled(lived: Town, tmp_path: Path) -> None:
    backing.backup(lived.store, tmp_path / "b.zip", lived.now)
    with pytest.raises(UsageError, match="not empty") as refused:
        backing.restore(tmp_path / "b.zip", lived.store)
    assert ("move the old file away" if lived.store.is_sqlite else "`alter database`") in refused.value.hint
    with pytest.raises(UsageError, match="there already"):
        backing.backup(lived.store, tmp_path / "b.zip", lived.now)


def test_a_backup_of_a_newer_program_is_refused(lived: Town, tmp_path: Path, empty, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(migrating, "current", lambda store: "9999")
    backing.backup(lived.store, tmp_path / "b.zip", at("2026-09-20 09:00"))
    monkeypatch.undo()
    with pytest.raises(UsageError, match="newer program"):
        backing.restore(tmp_path / "b.zip", empty("sqlite"))
