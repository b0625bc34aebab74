"""What was freed between what is kept does not stay with the process."""

import ctypes
from importlib import import_module

import psutil
import pytest
from sqlalchemy import text

from escalation import memory
from escalation.app import App
from escalation.config import DatabaseSettings, Settings
from escalation.database import Store
from escalation.memory import give_back
from escalation.notices import when
from escalation.sqlite import sqlite3
from notifications.moments import moment_text
from tests.town import Town

MEGABYTE = 1 << 20


def sqlite_uses() -> int:
    """Bytes that SQLite holds in this process (https://sqlite.org/c3ref/memory_highwater.html)."""
    driver = import_module("pysqlite3._sqlite3" if sqlite3.__name__.startswith("pysqlite3") else "_sqlite3")
    used = ctypes.CDLL(driver.__file__).sqlite3_memory_used
    used.restype = ctypes.c_int64
    return int(used())


@pytest.mark.skipif(not hasattr(memory._LIBC, "malloc_trim"), reason="this C library cannot give memory back")
def test_freed_memory_goes_back() -> None:
    """Of two thousand pieces of 32 KB every tenth is kept, so that no end of the heap is free."""
    pieces: list[bytearray | None] = [bytearray(b"x" * 32_768) for _ in range(2_000)]
    for place in range(len(pieces)):
        if place % 10:
            pieces[place] = None
    process = psutil.Process()
    before = process.memory_info().rss
    give_back()
    assert before - process.memory_info().rss > 40 * MEGABYTE


def test_idle_connections_let_go_of_what_they_have_read(sqlite: str) -> None:
    """And one that is in use goes on; a new one comes when it is wanted."""
    store = Store(sqlite)
    many = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000) SELECT i, zeroblob(1000) AS bytes FROM n"
    )
    with store.transaction() as session:
        session.connection().execute(text(f"CREATE TABLE large AS {many}"))
    with store.reading() as session:
        read = text("SELECT sum(length(bytes)) FROM large")
        assert session.connection().execute(read).scalar() == 6_000_000
        store.let_go()
        assert session.connection().execute(read).scalar() == 6_000_000
    kept = sqlite_uses()
    store.let_go()
    assert kept - sqlite_uses() > 4 * MEGABYTE
    with store.reading() as session:
        assert session.connection().execute(read).scalar() == 6_000_000
    store.close()


def test_what_was_worked_out_is_forgotten_and_the_world_is_not(sqlite: str) -> None:
    app, town = App(Settings(database=DatabaseSettings(url=sqlite))), Town(Store(sqlite))
    app.give_back()
    world = app.look(lambda session, world: world)
    world.remember(("letters",), "who is told of what")
    route, rules = world.route(world.active, "land", 1), world.rules()
    rules.next_after(town.now, rules.workflow.intake.repeat)
    rules.overdue_wd(town.now, town.now)
    rules.dispatch_clocks("city", "major", town.now)
    world.calendar.period(town.now.date(), False, 3)
    world.calendar.opening(town.now.date())
    when(town.now, "en", "Asia/Shanghai")
    moment_text(town.now)
    world.shortly(("count",), 1_000, town.now)
    kept = [world.memo, world.calendar._openings, world.calendar._closings, world.calendar._periods]
    caches = (rules.next_after, rules.overdue_wd, rules.dispatch_clocks, when, moment_text)
    assert all(kept) and all(each.cache_info().currsize for each in caches)
    app.give_back()
    assert not any(kept) and not any(each.cache_info().currsize for each in caches)
    assert world.route(world.active, "land", 1) is not route
    assert world.lately(("count",), town.now) == (1_000, town.now), "what was found out lately stays for its minute"
    assert app.look(lambda session, world: world) is world
    app.close()
    town.store.close()
