"""The ledger cut by province inside one PostgreSQL: the same program, the same statements, on partitioned tables.

uv run python benchmarks/partitioned.py --provinces 4 --n 2500

What has to change is in `partition`, and nothing in the program: every table of issues carries a province, which is the first
column of its keys; a connection says whose it is, row-level security puts `province = mine` to every statement, and so the
planner looks at one partition alone. Citus distributes by the same column (`create_distributed_table`), with the same keys.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import Connection, Engine, create_engine, text

from benchmarks.seeding import Postgres
from escalation import bulk, commands, migrating
from escalation.applying import Outgoing
from escalation.commands import Do, Raise
from escalation.database import Store
from escalation.sweep import Sweeper
from escalation.verifying import verify
from escalation.world import WorldReader
from tests.town import CITY_COORDINATOR, OWNER, Town, at

#: Everything that belongs to one issue and so to one province. Parties, projects, rules, calendar and nodes are everywhere
#: ("reference tables").
CUT = ("issue", "assignment", "request", "journal", "card", "set_aside", "outbox", "archived_issue", "archived_mail")
#: What a connection says of itself.
MINE = "current_setting('escalation.province')::int"
ROLE = "escalation_program"
DUE = at("2026-09-21 17:01")


def partition(engine: Engine, provinces: Sequence[int]) -> None:
    """Cuts an empty store of the newest schema by province, and lets a role in that sees one province at a time."""
    with engine.begin() as connection:
        parents = {table: _parents(connection, table) for table in CUT}
        for table in CUT:
            _cut(connection, table, provinces)
        for table in CUT:
            for column, parent in parents[table]:
                if parent in CUT:
                    target = f"{parent} (province, id)"
                    connection.exec_driver_sql(f"ALTER TABLE {table} ADD FOREIGN KEY (province, {column}) REFERENCES {target}")
                else:
                    connection.exec_driver_sql(f"ALTER TABLE {table} ADD FOREIGN KEY ({column}) REFERENCES {parent} (id)")
        if not connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": ROLE}).first():
            connection.exec_driver_sql(f"CREATE ROLE {ROLE} LOGIN")
        connection.exec_driver_sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {ROLE}")
        connection.exec_driver_sql(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {ROLE}")


def _parents(connection: Connection, table: str) -> list[tuple[str, str]]:
    statement = text(
        "SELECT attname, confrelid::regclass::text FROM pg_constraint "
        "JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1] "
        "WHERE contype = 'f' AND conrelid = CAST(:table AS regclass)"
    )
    return [(row[0], row[1]) for row in connection.execute(statement, {"table": table})]


def _cut(connection: Connection, table: str, provinces: Sequence[int]) -> None:
    run = connection.exec_driver_sql
    indexes = connection.execute(
        text("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = :table"), {"table": table}
    )
    made = [row[0] for row in indexes]
    sequences = connection.execute(
        text(
            "SELECT DISTINCT pg_get_serial_sequence(:table, attname) FROM pg_attribute "
            "WHERE attrelid = CAST(:table AS regclass) AND attnum > 0"
        ),
        {"table": table},
    )
    for (sequence,) in sequences:
        if sequence:
            run(f"ALTER SEQUENCE {sequence} OWNED BY NONE")
    columns = f"LIKE {table} INCLUDING DEFAULTS, province int NOT NULL DEFAULT {MINE}"
    run(f"CREATE TABLE cut_{table} ({columns}) PARTITION BY LIST (province)")
    run(f"DROP TABLE {table} CASCADE")
    run(f"ALTER TABLE cut_{table} RENAME TO {table}")
    for province in provinces:
        run(f"CREATE TABLE {table}_{province} PARTITION OF {table} FOR VALUES IN ({province})")
    for definition in made:
        # a unique key is one within its province
        unique = definition.startswith("CREATE UNIQUE")
        head, _, columns = definition.partition(" USING btree (")
        run(f"{head} USING btree ({'province, ' if unique else ''}{columns}")
    run(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    run(f"CREATE POLICY mine ON {table} USING (province = {MINE}) WITH CHECK (province = {MINE})")


def url_of(url: str, province: int) -> str:
    """The address of a store as the program of one province uses it."""
    return url.replace("//postgres:@", f"//{ROLE}@") + "&options=" + quote(f"-c escalation.province={province}")


def populate(store: Store, count: int, *, first: bool) -> None:
    """So many dispatched issues; the first province also brings the parties, projects and rules that all share."""
    if first:
        Town(store)
    worlds, outgoing, now = WorldReader(), Outgoing(), at("2026-09-01 09:00")
    for start in range(0, count, 1000):
        with store.transaction() as session:
            world = worlds.read(session)
            wanted = [Raise("HLJ26-001", "power", "major", f"第{n}个问题", OWNER) for n in range(start, min(start + 1000, count))]
            numbers = [each.facts.number for each in commands.raise_many(session, world, wanted, now, outgoing)]
            commands.act_many(session, world, [Do(number, "dispatch", CITY_COORDINATOR) for number in numbers], now, outgoing)


def looked_at(store: Store) -> list[str]:
    """The partitions that the statement which finds the due issues really reads."""
    with store.reading() as session:
        due = "SELECT id FROM issue WHERE wake_at <= now() ORDER BY wake_at LIMIT 100 FOR UPDATE SKIP LOCKED"
        plan = session.connection().execute(text(f"EXPLAIN (COSTS OFF) {due}"))
        return [name for (line,) in plan for name in re.findall(r" on (issue_\d+)", line)]


def sweep_when_told(url: str) -> None:
    """A worker of one province: ready, waits for a line, sweeps."""
    store = Store(url)
    sweeper = Sweeper(store, WorldReader(), Outgoing())
    sweeper.sweep_once(at("2026-09-01 09:01"))
    print("ready", flush=True)
    sys.stdin.readline()
    print(sweeper.sweep_once(DUE).escalated["department"], flush=True)


def together(urls: Sequence[str], *more: str) -> tuple[int, float]:
    """A worker for each address, all at once; how many were moved, and in how many seconds."""
    nodes = [
        subprocess.Popen(
            [sys.executable, __file__, "--child", url, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for url in urls
    ]
    for node in nodes:
        assert node.stdout is not None and node.stdout.readline() == "ready\n"
    begun = perf_counter()
    moved = sum(int(node.communicate("go\n")[0]) for node in nodes)
    return moved, perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provinces", type=int, default=4)
    parser.add_argument("--n", type=int, default=2_500, help="issues that are due in each")
    parser.add_argument("--child", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--staged", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    bulk.STAGED = asked.staged
    if asked.child:
        sweep_when_told(asked.child)
        return
    postgres = Postgres()
    postgres.execute("CREATE DATABASE whole")
    whole = Store(postgres.url("whole"))
    migrating.upgrade(whole)
    populate(whole, asked.n * asked.provinces, first=True)
    moved, seconds = together([postgres.url("whole")] * asked.provinces)
    print(f"one store, {asked.provinces} workers: {moved:,} moved, {moved / seconds:,.0f} a second")
    whole.close()

    postgres.execute("CREATE DATABASE cut")
    url = postgres.url("cut")
    store = Store(url)
    migrating.upgrade(store)
    store.close()
    provinces = range(1, asked.provinces + 1)
    engine = create_engine(url)
    partition(engine, provinces)
    engine.dispose()
    bulk.STAGED = True
    stores = [Store(url_of(url, province)) for province in provinces]
    for number, each in enumerate(stores):
        populate(each, asked.n, first=number == 0)
    moved, seconds = together([url_of(url, province) for province in provinces], "--staged")
    print(f"cut into {asked.provinces}, a worker each: {moved:,} moved, {moved / seconds:,.0f} a second")
    for province, each in zip(provinces, stores, strict=True):
        with each.reading() as session:
            found = verify(session, WorldReader().read(session))
        assert found.ok and found.issues == asked.n, found.broken[:3]
        assert looked_at(each) == [f"issue_{province}"], looked_at(each)
        each.close()
    print(f"each sees its own {asked.n:,} issues, reads its own partition alone, and verifies")
    postgres.stop()


if __name__ == "__main__":
    main()
