"""A database that keeps everybody waiting: held by another program, by a node that froze, or behind a wire that says nothing."""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text

from escalation import migrating
from escalation.app import App
from escalation.database import Store
from escalation.queries import ISSUE
from escalation.sqlite import sqlite3
from tests.faults import offices
from tests.faults.nursery import Nursery
from tests.faults.test_databases import WRITES, one
from tests.faults.test_kill import finish, torn
from tests.faults.test_two_nodes import many, moves, overdue_moment
from tests.programs import ESCALATION, LONG, PATIENT, ended, free_port, needed, until
from tests.web.test_serving import ask

#: A process that was told to stop ends within so many seconds (promises.md, row 29).
TEN = 10.0
#: The same beside other tests on a busy machine; without a watchdog it would be half a minute or more.
LATE = 25.0
#: What these nodes have for a database that says nothing (seconds); an office's have three minutes.
PATIENCE = 12


@contextmanager
def running(folder: Path, *words: str, program: Sequence[str] = PATIENT) -> Iterator[subprocess.Popen[bytes]]:
    """`escalation …` in a folder, killed if it is still there at the end; what it says is in `log`."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*program, *words, "--config", str(folder / "config.toml")], cwd=offices.ROOT, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def quick(folder: Path) -> None:
    """Looks, and sends what waits, every second."""
    config = folder / "config.toml"
    config.write_text(
        config.read_text("utf-8").replace("_seconds = 60", "_seconds = 1") + f"patience_seconds = {PATIENCE}\n", "utf-8"
    )


def log_of(folder: Path) -> str:
    return (folder / "log").read_text("utf-8")


def answering(port: int) -> bool:
    try:
        return ask(port, "/health/live")[0] == 200
    except OSError:
        return False


def test_a_file_held_by_another_program_holds_up_no_page_and_no_end(sqlite: str, tmp_path: Path, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    app, port = offices.install(tmp_path, sqlite), free_port()
    quick(tmp_path)
    with running(tmp_path, "serve", "--port", str(port), program=ESCALATION) as process:
        until(lambda: answering(port))
        offices.delay(app)
        other = sqlite3.connect(sqlite.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        slowest = 0.0
        for _ in range(20):  # a sweep and a dispatch are begun meanwhile, and wait
            began = time.monotonic()
            assert ask(port, "/health/live")[0] == 200
            assert ask(port, "/login")[0] == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.1)
        code, seconds = ended(process)
        other.execute("ROLLBACK")
        other.close()
    assert code in (0, 5), "ended by itself, or by its watchdog"
    assert seconds < (TEN if long else LATE)
    assert app.verify().broken == []
    app.close()
    figure(
        7,
        "the file held by another program while `serve` works, then SIGTERM, sqlite",
        f"pages went on, the slowest {slowest:.2f} s; ended after {seconds:.1f} s, verify ok",
    )


@pytest.mark.parametrize(
    ("calls", "error", "said"),
    [("pwrite64", "ENOSPC", "the disk of the database is full"), ("fsync,fdatasync", "EIO", "the disk of the database fails")],
    ids=["full", "broken"],
)
def test_a_disk_that_takes_nothing_and_then_does(sqlite: str, tmp_path: Path, figure, calls: str, error: str, said: str) -> None:  # type: ignore[no-untyped-def]
    """The kernel answers a worker's writes with an error, says strace; when it no longer does, the worker goes on by itself."""
    app = offices.install(tmp_path, sqlite)
    quick(tmp_path)
    with running(tmp_path, "worker") as worker:
        offices.delay(app)
        inject = f"inject={calls}:error={error}"
        command = [needed("strace"), "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject, "-p", f"{worker.pid}"]
        spoiling = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until(lambda: all("TracerPid:\t0" not in each.read_text() for each in Path(f"/proc/{worker.pid}/task").glob("*/status")))
        issue, _ = app.raise_issue(offices.wanted(datetime.now(UTC)), datetime.now(UTC))
        until(lambda: said in log_of(tmp_path))
        assert version_of(app, issue["number"]) == 2, "raised and dispatched, and not moved"
        assert app.verify().broken == []
        spoiling.send_signal(signal.SIGINT)
        spoiling.wait(timeout=10)
        until(lambda: version_of(app, issue["number"]) > 2)
        assert ended(worker)[0] == 0
    assert app.verify().broken == []
    app.close()
    figure(
        7,
        f"{error} at every {' and '.join(calls.split(','))} of a worker for a while (strace), sqlite",
        "said in the log, nothing half done, and as soon as the disk took writes again it went on by itself, verify ok",
    )


def test_a_sweeper_that_froze_gives_way(postgresql: str, new_store, request, figure) -> None:  # type: ignore[no-untyped-def]
    """Nobody wakes it and nobody kills it: the server ends its transaction, and the others do its work."""
    store: Store = new_store(postgresql)
    town, numbers = many(store, 2_000)
    nursery = Nursery(postgresql)
    request.addfinalizer(nursery.close)
    pid = nursery.child("sweep", overdue_moment(), stands_still="6s")
    still = text(f"{WRITES.text} AND state = 'idle in transaction'")
    while True:  # not while it is being answered: then the server waits for it, and not it for the server
        until(lambda: one(store, WRITES))
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.05)
        if one(store, still):
            break
        os.kill(pid, signal.SIGCONT)
    town.sweep(overdue_moment())
    at_once, began = moves(store).total(), time.monotonic()
    while moves(store).total() < len(numbers):
        assert time.monotonic() - began < LONG, "what a frozen node holds is held for ever"
        time.sleep(0.2)
        town.sweep(overdue_moment())
    seconds = time.monotonic() - began
    os.kill(pid, signal.SIGCONT)
    assert nursery.code() == 1, "the late one is told that its transaction is gone"
    finish(town, overdue_moment())
    assert moves(store) == {(number, "department"): 1 for number in numbers}
    assert torn(store) == []
    assert town.verify().broken == []
    figure(
        4,
        "a sweeper frozen in the middle of its one large transaction (SIGSTOP), never woken, postgresql",
        f"{len(numbers) - at_once} of {len(numbers)} waited for it; the others had all {seconds:.1f} s later, of 6 s that it may stand still",
    )


class Wire:
    """A way to PostgreSQL over TCP that can fall silent: it takes everything, acknowledges it, and passes nothing on."""

    def __init__(self, server: Path) -> None:
        self.server, self.silent = str(server), threading.Event()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._pass_on, args=(self.listening.accept()[0],), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, selectors.DefaultSelector() as either, contextlib.suppress(OSError):
            server.connect(self.server)
            either.register(client, selectors.EVENT_READ, server)
            either.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in either.select():
                    said = key.fileobj.recv(65_536)  # type: ignore[union-attr]
                    if not said:
                        return
                    if not self.silent.is_set():
                        key.data.sendall(said)

    def close(self) -> None:
        self.listening.close()


@pytest.fixture
def behind(postgresql: str, tmp_path: Path) -> Iterator[tuple[App, Wire]]:
    """An office whose nodes reach their database over such a wire; the test itself goes straight."""
    name, _, host = postgresql.split("@/")[1].partition("?host=")
    app = offices.install(tmp_path, postgresql)
    wire = Wire(Path(host) / ".s.PGSQL.5432")
    quick(tmp_path)
    config = tmp_path / "config.toml"
    through = f"postgresql+psycopg://postgres:@127.0.0.1:{wire.port}/{name}"
    config.write_text(config.read_text("utf-8").replace(postgresql, through), "utf-8")
    yield app, wire
    wire.close()
    app.close()


@pytest.mark.parametrize("told", [False, True], ids=["by-itself", "SIGTERM"])
def test_a_database_that_says_nothing_any_more(behind: tuple[App, Wire], tmp_path: Path, figure, long: bool, told: bool) -> None:  # type: ignore[no-untyped-def]
    """Half-open: the connections stand, what is sent is acknowledged, no answer comes, and no error."""
    app, wire = behind
    with running(tmp_path, "worker", program=ESCALATION) as worker:
        offices.delay(app)
        wire.silent.set()
        time.sleep(1.5)
        if told:
            code, seconds = ended(worker)
            assert seconds < (TEN + 0.5 if long else LATE)
        else:
            began = time.monotonic()
            code = worker.wait(timeout=LONG)
            seconds = 1.5 + time.monotonic() - began
            assert "said nothing" in log_of(tmp_path)
        assert code == 5
    wire.silent.clear()
    issue, _ = app.raise_issue(offices.wanted(datetime.now(UTC)), datetime.now(UTC))
    with running(tmp_path, "worker"):
        offices.delay(app)
    assert app.verify().broken == []
    figure(
        5,
        "the way to the database goes silent, nothing is refused (half-open TCP), postgresql"
        + (", then SIGTERM" if told else ""),
        f"the process ended with 5 after {seconds:.1f} s{'' if told else f' ({PATIENCE} s of patience)'}, the next one works on, verify ok",
    )
    assert issue["number"]


def test_a_node_that_is_older_than_the_store_writes_nothing(database: str, tmp_path: Path, figure) -> None:  # type: ignore[no-untyped-def]
    """Another machine's program is upgraded while this one works: it says so and waits for its own upgrade."""
    app = offices.install(tmp_path, database)
    quick(tmp_path)
    with running(tmp_path, "worker") as worker:
        offices.delay(app)
        _set_revision(app, "9999")
        issue, _ = app.raise_issue(offices.wanted(datetime.now(UTC)), datetime.now(UTC))
        until(lambda: "schema 9999" in log_of(tmp_path))
        time.sleep(1.5)
        before = version_of(app, issue["number"])
        assert worker.poll() is None
        _set_revision(app, migrating.newest())
        until(lambda: version_of(app, issue["number"]) > before)
        assert ended(worker)[0] == 0
    assert before == 2, "raised and dispatched, and not moved"
    assert app.verify().broken == []
    app.close()
    figure(
        26,
        f"a store upgraded by another machine while a worker runs, {app.store.engine.dialect.name}",
        "the worker wrote nothing more and said why; as soon as the schema was its own again it went on",
    )


def version_of(app: App, number: str) -> int:
    with app.store.reading() as session:
        return int(session.connection().execute(select(ISSUE.c.version).where(ISSUE.c.number == number)).scalar_one())


def _set_revision(app: App, revision: str) -> None:
    with app.store.transaction() as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
