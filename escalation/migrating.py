"""The schema's versions: alembic, driven from inside, one transaction an upgrade."""

from importlib.resources import files
from pathlib import Path

from sqlalchemy import inspect, text

from escalation.database import Store, translated
from escalation.errors import DatabaseTrouble


def revisions() -> list[str]:
    """Every revision that this program knows, oldest first; they are numbered, `0001_the_first_tables.py`."""
    versions = files("escalation") / "migrations" / "versions"
    return sorted(each.name.partition("_")[0] for each in versions.iterdir() if each.name[0].isdigit())


def newest() -> str:
    """The revision that this program works with."""
    return revisions()[-1]


def current(store: Store) -> str | None:
    """The revision that the store is at; None where there are no tables yet. Raises DatabaseTrouble.

    Looking makes no file: a command typed in the wrong folder would leave an empty store there.
    """
    if store.is_absent:
        return None
    with store.reading() as session:
        connection = session.connection()
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found


def upgrade(store: Store, to: str = "head") -> str:
    """Brings the store to the newest schema (or `to`), all of it or nothing; two nodes at once do it once.

    Raises DatabaseTrouble when the store is newer than this program.
    """
    # alembic takes longer to import than most commands to run, and only this one needs it
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    refuse_newer(store)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with translated(store), store.engine.begin() as connection:
        if not store.is_sqlite:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7267521)")
            if inspect(connection).has_table("alembic_version"):
                # every writer has read it (`Store.transaction`): those that are at work end first, later ones see what it becomes
                connection.exec_driver_sql("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        config.attributes["connection"] = connection
        command.upgrade(config, to)
    return newest() if to == "head" else to


def refuse_newer(store: Store) -> None:
    """Raises DatabaseTrouble when the store's schema is one that this program does not know."""
    at = current(store)
    if at is not None and at not in revisions():
        raise DatabaseTrouble(f"the database has schema {at}, which this version does not know", "use the newer program")


def refuse_absent(store: Store) -> None:
    """Raises DatabaseTrouble when the store's file is not there."""
    if store.is_absent:
        hint = "put it back or restore a backup; a new office runs `escalation init`; or is another folder's config.toml meant?"
        raise DatabaseTrouble(f"there is no database {store.name()}", hint)


def refuse_old(store: Store) -> None:
    """Raises DatabaseTrouble when the store is not at the newest schema."""
    refuse_absent(store)
    refuse_newer(store)
    at = current(store)
    if at != newest():
        raise DatabaseTrouble(f"the database has {'no tables' if at is None else f'schema {at}'}", "run `escalation init`")
