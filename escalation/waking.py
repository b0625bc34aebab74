"""Waking: a node that sleeps until the next deadline hears of an earlier one that another process has set.

PostgreSQL tells its listeners at the commit (LISTEN and NOTIFY). SQLite tells nobody, but counts the changes that others have
made to its file (`PRAGMA data_version`), and asking it twice a second costs nothing worth measuring. Neither is relied on: a
node looks at the store at least once a minute whatever it hears (promises.md, P2).
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlmodel import Session

from escalation.database import Store
from escalation.sqlite import sqlite3

log = logging.getLogger(__name__)

CHANNEL = "escalation"
#: How often a SQLite file is asked whether somebody else has changed it, in seconds.
ASKED = 0.5
#: After a lost connection: the first wait and the longest, in seconds.
SOON, LONGEST = 1.0, 30.0


def tell(session: Session) -> None:
    """Tells the other nodes, once this transaction is committed, that there may be something to do sooner."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")


async def listen(store: Store, heard: Callable[[], None]) -> None:
    """Calls `heard` whenever another process may have changed something, until it is cancelled; comes back by itself."""
    wait, clock = SOON, asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            await (_watch(store, heard) if store.is_sqlite else _subscribe(store, heard))
        except (OSError, sqlite3.Error) as error:
            wait = SOON if clock() - began > LONGEST else wait
            log.warning("not listening to other nodes for %.0f s: %s", wait, error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST)
            heard()


async def _subscribe(store: Store, heard: Callable[[], None]) -> None:
    # it takes longer to load than most commands to run, and SQLite has no use for it
    import psycopg  # noqa: PLC0415

    try:
        connection = await psycopg.AsyncConnection.connect(
            store.libpq(), autocommit=True, keepalives_idle=30, keepalives_interval=10, keepalives_count=3
        )
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            heard()
            async for _ in connection.notifies():
                heard()
    except psycopg.Error as error:
        raise ConnectionError(str(error)) from error


async def _watch(store: Store, heard: Callable[[], None]) -> None:
    file = Path(store.url.database or "").absolute().as_uri()
    with closing(sqlite3.connect(f"{file}?mode=ro", uri=True, timeout=0)) as connection:
        seen = _version(connection)
        heard()
        while True:
            await asyncio.sleep(ASKED)
            version = _version(connection)
            if version not in (seen, None):
                heard()
                seen = version


def _version(connection: sqlite3.Connection) -> int | None:
    """The file's count of changes by others; None while somebody is just writing it."""
    try:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return None
        raise
