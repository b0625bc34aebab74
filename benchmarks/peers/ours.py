"""Our sweep for a harness of peers that names this folder in BENCH_PEERS: its own store, its own check.

Ours writes nine rows an issue (the issue, two stays, a journal entry with its hash, a card, four mails with what they say), the
peers of the harness write three lean ones. So the naive design and APScheduler are here once more, as `same-rows-…`: the same
design, writing what we write.
"""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cases import case

WHOLE = "the real sweep on its own tables: nine rows an issue"
ONE = "one machine, one session, one commit an issue; our nine rows"

JOBS = "a date job an issue, 10 N jobs stored; our nine rows"


def _store(context):  # type: ignore[no-untyped-def]
    # imported here: our tables and those of a peer in the same process may have the same names
    from benchmarks.seeding import Stores
    from escalation.database import Store

    if not context.uri:
        return Store(Stores("sqlite", Path(context.tmp), None).seeded(context.n))
    stores = Stores("postgresql", Path(context.tmp), _Beside(context.uri))
    return Store(stores.seeded(context.n))


class _Beside:
    """A database of our own on the server that the harness started."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def url(self, name: str) -> str:
        import psycopg

        found = psycopg.conninfo.conninfo_to_dict(self._uri)
        return f"postgresql+psycopg://{found.get('user', 'postgres')}:@/{name}?host={found['host']}"

    def execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self._uri, autocommit=True) as connection:
            if name := statement.removeprefix("CREATE DATABASE ").split()[0]:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(statement)


def _sweep(context) -> Callable[[], int]:  # type: ignore[no-untyped-def]
    from benchmarks.seeding import DUE, NOW
    from escalation.applying import Outgoing
    from escalation.sweep import Sweeper
    from escalation.world import WorldReader

    sweeper = Sweeper(_store(context), WorldReader(), Outgoing())
    sweeper.sweep_once(DUE)
    return lambda: sweeper.sweep_once(NOW).escalated["department"]


def _one_by_one(context) -> Callable[[], int]:  # type: ignore[no-untyped-def]
    from benchmarks import naive
    from benchmarks.seeding import NOW

    store = _store(context)
    return lambda: naive.run(store, NOW, context.n)[0]


@case("ours-sqlite", "sqlite", own_store=True, note=WHOLE)
def ours_sqlite(context):  # type: ignore[no-untyped-def]
    work = _sweep(context)
    yield work
    yield work


@case("ours-pg", "pg", own_store=True, note=WHOLE)
def ours_pg(context):  # type: ignore[no-untyped-def]
    work = _sweep(context)
    yield work
    yield work


@case("same-rows-naive-sqlite", "sqlite", own_store=True, note=ONE, max_n=10_000)
def naive_sqlite(context):  # type: ignore[no-untyped-def]
    work = _one_by_one(context)
    yield work
    yield work


@case("same-rows-naive-pg", "pg", own_store=True, note=ONE, max_n=10_000)
def naive_pg(context):  # type: ignore[no-untyped-def]
    work = _one_by_one(context)
    yield work
    yield work


_left: dict[str, object] = {}


def escalate_by_job(number: int) -> None:
    """What one job does: the issue of its number, as the naive design does it."""
    from benchmarks import naive
    from benchmarks.seeding import NOW

    with _left["store"].transaction() as session:  # type: ignore[attr-defined]
        naive._escalate(session, number, NOW)
    _left["count"] -= 1  # type: ignore[operator]
    if not _left["count"]:
        _left["done"].set()  # type: ignore[attr-defined]


@case("same-rows-apscheduler", "sqlite", own_store=True, note=JOBS, max_n=10_000)
def apscheduler(context):  # type: ignore[no-untyped-def]
    from cases import peers

    _left.update(store=_store(context), count=context.n, done=threading.Event())
    job, peers.aps_job = peers.aps_job, escalate_by_job
    scheduler, jobs = peers.aps_scheduler(f"{context.tmp}/jobs.db")
    peers.aps_fill(scheduler, jobs, 10 * context.n, True)
    peers.aps_job = job

    def work() -> int:
        scheduler.resume()
        _left["done"].wait()  # type: ignore[attr-defined]
        scheduler.pause()
        return context.n

    yield work
    yield None
    scheduler.shutdown()
