"""Backups: the whole store in one file while everybody works on, the same from SQLite and PostgreSQL; and back again.

The file is a zip: `manifest.json`, and a line of JSON a row in `tables/NAME.jsonl`. So a backup of a SQLite file restores into
PostgreSQL, which is also how an office moves from the one to the other.
"""

import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Table, func, insert, select, text, update
from sqlmodel import SQLModel

from escalation import migrating, models
from escalation.database import Store, translated
from escalation.errors import UsageError
from escalation.portable import from_json, to_json
from escalation.queries import OUTBOX
from escalation.sqlite import sqlite3

assert models.__all__, "the tables are known once they are imported"
FORMAT = 1
ROWS = 500
#: What is said of mails that waited when the backup was made.
MAY_HAVE_GONE = "restored from a backup: it may have gone out since; `escalation outbox retry` sends it again"


class Manifest(NamedTuple):
    """What a backup says of itself."""

    format: int
    program: str
    revision: str
    made_at: str
    tables: dict[str, dict[str, Any]]

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(int(each["rows"]) for each in self.tables.values())


def tables() -> list[Table]:
    """Every table, those first that others point to."""
    return list(SQLModel.metadata.sorted_tables)


def backup(store: Store, out: Path, now: datetime) -> Manifest:
    """Writes the store, as it is at one moment, into a file that is there whole or not at all.

    Raises UsageError if the file is there already or cannot be written, DatabaseTrouble.
    """
    if out.exists():
        raise UsageError(f"{out} is there already", "name another file: a backup is never written over")
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            with _snapshot(store) as connection:
                manifest = _written(connection, file, migrating.current(store) or "", now)
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}", "name a file in a folder with room and rights") from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


@contextmanager
def _snapshot(store: Store) -> Iterator[Connection]:
    """All tables as of one moment, without holding anybody up: SQLite is copied first, page by page."""
    if not store.is_sqlite:
        with translated(store), store.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            yield connection
        return
    with tempfile.TemporaryDirectory(prefix="backup-") as folder, translated(store):
        copy = Path(folder) / "copy.db"
        with closing(sqlite3.connect(copy)) as target, store.engine.connect() as source:
            driver: Any = source.connection.driver_connection
            driver.backup(target)
        scratch = Store(f"sqlite:///{copy}")
        try:
            with scratch.reading() as session:
                yield session.connection()
        finally:
            scratch.close()


def _written(connection: Connection, file: Any, revision: str, now: datetime) -> Manifest:
    told: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        for table in tables():
            digest, count = sha256(), 0
            with archive.open(_member(table.name), "w", force_zip64=True) as out:
                order = [*table.primary_key.columns]
                rows = connection.execution_options(stream_results=True).execute(select(table).order_by(*order))
                for row in (each._mapping for each in rows):
                    line = to_json(row) + b"\n"
                    digest.update(line)
                    count += out.write(line) > 0
            told[f"{table.name}"] = {"rows": count, "sha256": digest.hexdigest()}
        manifest = Manifest(FORMAT, version("escalation"), revision, now.astimezone(UTC).isoformat(), told)
        archive.writestr("manifest.json", orjson.dumps(manifest._asdict(), option=orjson.OPT_INDENT_2))
    return manifest


def manifest_of(path: Path) -> Manifest:
    """What a backup says of itself. Raises UsageError when it is no backup, or one that this program cannot read."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = Manifest(**orjson.loads(archive.read("manifest.json")))
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is no backup: {error}", "name a file that `escalation backup` has written") from error
    if manifest.format != FORMAT or manifest.revision not in migrating.revisions():
        raise UsageError(f"{path} was written by a newer program ({manifest.program})", "install that program, or a newer one")
    return manifest


def restore(path: Path, store: Store) -> Manifest:
    """Fills an empty store of this program's schema from a backup, all of it or nothing; what is new since has its default.

    Mails that waited when the backup was made are given up rather than sent twice: `outbox retry` sends them.
    Raises UsageError when the store is not empty, or when the backup is damaged; then nothing was changed.
    """
    manifest = manifest_of(path)
    at = migrating.current(store)
    if at is not None and (at != migrating.newest() or _filled(store)):
        aside = "move the old file away" if store.is_sqlite else "rename the old one (`alter database`) and make an empty one"
        raise UsageError(f"{store.name()} is not empty", f"restore into a new database: {aside}, or name another")
    migrating.upgrade(store)
    try:
        with zipfile.ZipFile(path) as archive, translated(store), store.engine.begin() as connection:
            _refuse_damaged(archive, manifest)
            for table in tables():
                if table.name in manifest.tables:
                    _fill(connection, table, archive)
            _give_up_waiting(connection)
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError) as error:
        raise UsageError(f"the backup is damaged: {error}", "use another backup") from error
    return manifest


def _filled(store: Store) -> bool:
    with store.reading() as session:
        return any(session.connection().execute(select(func.count()).select_from(table)).scalar() for table in tables())


def _refuse_damaged(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    for name, told in manifest.tables.items():
        digest = sha256()
        with archive.open(_member(name)) as lines:
            for line in lines:
                digest.update(line)
        if digest.hexdigest() != told["sha256"]:
            raise UsageError(f"the backup is damaged: table {name} is not what was written", "use another backup")


def _member(table: str) -> str:
    return f"tables/{table}.jsonl"


def _fill(connection: Connection, table: Table, archive: zipfile.ZipFile) -> None:
    """One table; a column that points into the table itself (a deputy) is set when all its rows are there."""
    own = [column.name for column in table.columns if any(key.column.table is table for key in column.foreign_keys)]
    pointing: list[tuple[int, dict[str, Any]]] = []
    with archive.open(_member(table.name)) as lines:
        while some := list(islice(lines, ROWS)):
            rows = [from_json(table, line) for line in some]
            if own:
                pointing += [(row["id"], {name: row[name] for name in own}) for row in rows if any(row[name] for name in own)]
            connection.execute(insert(table), [row | dict.fromkeys(own) for row in rows])
    for identity, values in pointing:
        connection.execute(update(table).where(table.c.id == identity).values(**values))
    _numbers_go_on(connection, table)


def _numbers_go_on(connection: Connection, table: Table) -> None:
    """PostgreSQL gives out numbers of its own, and has to be told which are taken."""
    column = table.autoincrement_column
    if connection.dialect.name != "postgresql" or column is None:
        return
    sequence = connection.execute(text("SELECT pg_get_serial_sequence(:t, :c)"), {"t": table.name, "c": column.name}).scalar()
    highest = connection.execute(select(func.max(column))).scalar()
    if sequence and highest:
        connection.execute(text("SELECT setval(:s, :n)"), {"s": sequence, "n": highest})


def _give_up_waiting(connection: Connection) -> None:
    waiting = update(OUTBOX).where(OUTBOX.c.state.in_(("queued", "sending")))
    connection.execute(waiting.values(state="dead", last_error=MAY_HAVE_GONE, lease_by=None, lease_until=None))


@contextmanager
def scratch(path: Path) -> Iterator[tuple[Store, Manifest]]:
    """A backup restored into a store of its own that is thrown away afterwards, to see whether it is any good."""
    with tempfile.TemporaryDirectory(prefix="restore-") as folder:
        store = Store(f"sqlite:///{folder}/check.db")
        try:
            yield store, restore(path, store)
        finally:
            store.close()


__all__ = ["Manifest", "backup", "manifest_of", "restore", "scratch", "tables"]
