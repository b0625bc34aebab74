"""The schema's versions: alembic, driven from inside, one transaction an upgrade."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from escalation.database import Store, translated
from escalation.errors import DatabaseTrouble


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The revision that this program works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def current(store: Store) -> str | None:
    """The revision that the store is at; None where there are no tables yet. Raises DatabaseTrouble."""
    with translated(store), store.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(store: Store) -> str:
    """Brings the store to the newest schema, all of it or nothing; two nodes at once do it once.

    Raises DatabaseTrouble when the store is newer than this program.
    """
    refuse_newer(store)
    with translated(store), store.engine.begin() as connection:
        if not store.is_sqlite:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7267521)")
        command.upgrade(_config(connection), "head")
    return newest()


def refuse_newer(store: Store) -> None:
    """Raises DatabaseTrouble when the store's schema is one that this program does not know."""
    at = current(store)
    known: list[Any] = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]
    if at is not None and at not in known:
        raise DatabaseTrouble(f"the database has schema {at}, which this version does not know", "use the newer program")


def refuse_old(store: Store) -> None:
    """Raises DatabaseTrouble when the store is not at the newest schema."""
    refuse_newer(store)
    at = current(store)
    if at != newest():
        raise DatabaseTrouble(f"the database has {'no tables' if at is None else f'schema {at}'}", "run `escalation init`")
