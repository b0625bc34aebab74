"""How fast overdue issues move: our sweep beside the floor (bare set SQL) and the naive design, in one run.

uv run python benchmarks/sweep.py --n 1000 10000 --database sqlite postgresql
uv run python benchmarks/sweep.py --idle 1000000
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import text

from benchmarks import floor, naive
from benchmarks.seeding import DUE, NOW, Postgres, Stores
from escalation import queries
from escalation.applying import Outgoing
from escalation.database import Store
from escalation.sweep import Sweeper
from escalation.verifying import verify
from escalation.world import WorldReader
from notifications.moments import moment_text

NAIVE_AT_MOST = 500
#: A second look is taken at every journal where that is quick.
VERIFIED_UP_TO = 1_000
TABLES = ("issue", "assignment", "journal", "outbox", "card")


def measure(url: str) -> dict[str, float]:
    """One sweep in this process: seconds, and memory above the idle process in MB."""
    store = Store(url)
    sweeper = Sweeper(store, WorldReader(), Outgoing())
    sweeper.sweep_once(DUE)  # warm: nothing is due yet, but everything is imported and read
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun, worked = perf_counter(), process_time()
    swept = sweeper.sweep_once(NOW)
    seconds, worked = perf_counter() - begun, process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    again = sweeper.sweep_once(NOW)
    store.close()
    assert again.examined == 0, again.as_json()
    return {"seconds": seconds, "worked": worked, "peak_mb": peak / 1024, "moved": swept.escalated["department"]}


def idle(url: str) -> dict[str, float]:
    """A sweep over a store where nothing is due, in milliseconds, and the bare look; the plan reads the index alone."""
    store = Store(url)
    sweeper = Sweeper(store, WorldReader(), Outgoing())
    sweeper.sweep_once(DUE)
    looks, sweeps = [], []
    with store.reading() as session:
        connection = session.connection()
        plan = _plan(store, connection)
        for _ in range(300):
            begun = perf_counter()
            queries.due_ids(connection, DUE, 10)
            looks.append((perf_counter() - begun) * 1000)
    for _ in range(300):
        begun = perf_counter()
        sweeper.sweep_once(DUE)
        sweeps.append((perf_counter() - begun) * 1000)
    store.close()
    assert "ix_issue_wake_at" in plan, plan
    return {
        "p50_ms": statistics.median(sweeps),
        "p99_ms": sorted(sweeps)[int(len(sweeps) * 0.99)],
        "look_p50_ms": statistics.median(looks),
    }


def _plan(store: Store, connection) -> str:  # type: ignore[no-untyped-def]
    prefix = "EXPLAIN QUERY PLAN " if store.is_sqlite else "EXPLAIN "
    compiled = queries.due_statement(DUE, 10).compile(store.engine, compile_kwargs={"literal_binds": False})
    values = compiled.construct_params()
    rows = connection.execute(text(prefix + _readable(str(compiled), store)), _named(compiled, values, store)).all()
    return " ".join(str(row) for row in rows)


def _readable(statement: str, store: Store) -> str:
    for name in ("wake_at_1", "param_1"):
        statement = statement.replace(f"%({name})s::TIMESTAMP WITH TIME ZONE", f":{name}").replace(
            f"%({name})s::INTEGER", f":{name}"
        )
        statement = statement.replace(f"%({name})s", f":{name}")
    if store.is_sqlite:
        for name in ("wake_at_1", "param_1", "param_2"):
            statement = statement.replace("?", f":{name}", 1)
    return statement


def _named(compiled, values, store: Store) -> dict[str, object]:  # type: ignore[no-untyped-def]
    found = {"wake_at_1": moment_text(DUE) if store.is_sqlite else DUE, "param_1": 10, "param_2": 0}
    return {name: value for name, value in found.items() if f":{name}" in _readable(str(compiled), store)}


def child(case: str, url: str) -> dict[str, float]:
    """A case in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--child", case, url], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows_of(url: str) -> dict[str, int]:
    store = Store(url)
    with store.reading() as session:
        found = {table: session.connection().execute(text(f"SELECT count(*) FROM {table}")).scalar() or 0 for table in TABLES}
    store.close()
    return found


def check(url: str, n: int) -> None:
    """Each overdue issue moved once, with its entry, its stay and its mails; small stores are verified whole."""
    store = Store(url)
    with store.reading() as session:
        count = lambda what: session.connection().execute(text(what)).scalar()  # noqa: E731
        assert count("SELECT count(*) FROM issue WHERE stage = 'department' AND assignment_no = 3") >= n
        assert count("SELECT count(*) FROM journal WHERE seq = 3 AND action = 'escalate_auto'") == n
        assert count("SELECT count(*) FROM assignment WHERE no = 2 AND outcome = 'escalated_overdue'") == n
        assert count("SELECT count(DISTINCT about) FROM outbox") == n
        if n <= VERIFIED_UP_TO:
            found = verify(session, WorldReader().read(session)).broken
            # the seed's deadlines were set by SQL and its dispatches told nobody: that is not what is looked at here
            assert not [each for each in found if each.invariant in ("chain", "journal", "assignment", "escalation")]
    store.close()


def compare(stores: Stores, n: int, runs: int) -> list[dict[str, object]]:
    """The sweep, the floor and the naive design on copies of one store."""
    seed = stores.seeded(n)
    swept = stores.copy(seed)
    measured = [child("sweep", swept)]
    assert measured[0]["moved"] == n
    check(swept, n)
    floors = [_floor(stores, seed, swept, n) for _ in range(runs)]
    expected = rows_of(swept)
    stores.drop(swept)
    for _ in range(runs - 1):
        copy = stores.copy(seed)
        measured.append(child("sweep", copy))
        stores.drop(copy)
    copy = stores.copy(seed)
    slow = child("naive", copy)
    stores.drop(copy)
    stores.drop(seed)
    seconds, bare = statistics.median(each["seconds"] for each in measured), statistics.median(floors)
    common = {"database": stores.database, "n": n, "floor_per_second": n / bare}
    per_second = n / seconds
    return [
        common
        | {
            "case": "sweep",
            "per_second": per_second,
            "ratio": bare / seconds,
            "peak_mb": max(each["peak_mb"] for each in measured),
            "rows": expected,
        },
        common | {"case": "naive", "per_second": slow["per_second"], "ratio": slow["per_second"] / (n / bare)},
    ]


def _floor(stores: Stores, seed: str, swept: str, n: int) -> float:
    store = stores.copy(seed)
    if stores.postgres is None:
        prepared = stores.folder / "prepared.db"
        prepared.unlink(missing_ok=True)
        path = Path(store.removeprefix("sqlite:///"))
        floor.prepare_sqlite(Path(swept.removeprefix("sqlite:///")), prepared)
        seconds = floor.run_sqlite(path, prepared, _pragmas(store))
        prepared.unlink()
    else:
        plain = store.replace("+psycopg", "").replace(":@", "@")
        floor.prepare_postgresql(swept.replace("+psycopg", "").replace(":@", "@"), plain)
        seconds = floor.run_postgresql(plain)
    assert rows_of(store) == rows_of(swept), (rows_of(store), rows_of(swept))
    check(store, n)
    stores.drop(store)
    return seconds


def _pragmas(url: str) -> tuple[str, ...]:
    """The settings that the product opens this store with."""
    store = Store(url)
    with store.reading() as session:
        read = lambda name: session.connection().execute(text(f"PRAGMA {name}")).scalar()  # noqa: E731
        found = tuple(
            f"PRAGMA {name} = {read(name)}"
            for name in ("foreign_keys", "journal_mode", "synchronous", "temp_store", "cache_size")
        )
    store.close()
    return found


def run_child(case: str, url: str) -> None:
    if case == "sweep":
        print(json.dumps(measure(url)))
    elif case == "idle":
        print(json.dumps(idle(url)))
    else:
        store = Store(url)
        moved, seconds = naive.run(store, NOW, NAIVE_AT_MOST)
        print(json.dumps({"per_second": moved / seconds}))


def show(row: dict[str, object], quiet: bool) -> dict[str, object]:
    """Prints a row as soon as it is known."""
    if not quiet:
        print(
            "  ".join(f"{key} {value:,.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()),
            flush=True,
        )
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--database", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--idle", type=int, default=0, metavar="OPEN", help="an idle sweep over so many open issues")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=2, metavar=("CASE", "URL"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        run_child(*asked.child)
        return
    rows: list[dict[str, object]] = []
    for database in asked.database:
        postgres = Postgres() if database == "postgresql" else None
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            stores = Stores(database, Path(folder), postgres)
            if asked.idle:
                url = stores.seeded(asked.idle // 10, overdue=0)
                rows.append(show({"case": "idle", "database": database, "n": asked.idle} | child("idle", url), asked.json))
            else:
                for n in asked.n:
                    rows += [show(row, asked.json) for row in compare(stores, n, 1 if n >= 100_000 else asked.runs)]
        if postgres is not None:
            postgres.stop()
    if asked.json:
        print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
