"""Processes in trouble: frozen and woken, stopped by signals, short of memory and files, with nobody reading their log."""

import os
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from escalation.app import App
from escalation.database import Store
from escalation.links import SECRET
from escalation.queries import OUTBOX
from tests.faults import offices
from tests.faults.nursery import LEASE, Nursery, dispatch
from tests.faults.sink import Sink
from tests.faults.test_kill import finish, torn
from tests.faults.test_two_nodes import many, moves, overdue_moment
from tests.programs import LONG, PATIENT, ended, until

ROOT = Path(__file__).parents[2]


def test_a_dispatcher_that_freezes_and_wakes_up_late(database: str, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    store: Store = new_store(database)
    town, _ = many(store, 60)
    town.sweep(overdue_moment())
    nursery = Nursery(database)
    with Sink(holds_after=30) as sink:
        pid = nursery.child("dispatch", overdue_moment(), port=sink.port)
        # between two of its records: frozen in one it would hold the store, and not only its lease
        until(lambda: sink.arrived.total() >= 30)
        os.kill(pid, signal.SIGSTOP)
        sink.go_on()
        later = overdue_moment() + 2 * LEASE
        for _ in range(10):
            dispatch(database, later, sink.port)
        with store.reading() as session:
            before = session.connection().execute(select(OUTBOX.c.id, OUTBOX.c.state, OUTBOX.c.sent_at)).all()
        os.kill(pid, signal.SIGCONT)
        assert nursery.ended() is False
        with store.reading() as session:
            after = session.connection().execute(select(OUTBOX.c.id, OUTBOX.c.state, OUTBOX.c.sent_at)).all()
    nursery.close()
    assert after == before, "the late one writes nothing over what the other has recorded"
    assert town.verify().broken == []
    assert {row.state for row in after} == {"sent"}
    twice = sink.arrived.total() - len(after)
    name = store.engine.dialect.name
    figure(
        4,
        f"a dispatcher frozen in the middle (SIGSTOP), woken after its lease, {name}",
        f"all sent, {twice} of {len(after)} twice",
    )


def test_a_sweeper_that_freezes_holds_up_only_its_own(postgresql: str, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    store: Store = new_store(postgresql)
    town, numbers = many(store, 1_000)
    nursery = Nursery(postgresql, "100")
    pid = nursery.child("sweep", overdue_moment())
    while not moves(store):
        time.sleep(0.005)
    os.kill(pid, signal.SIGSTOP)
    town.sweep(overdue_moment())
    by_others = moves(store).total()
    os.kill(pid, signal.SIGCONT)
    assert nursery.ended() is False
    nursery.close()
    finish(town, overdue_moment())
    assert moves(store) == {(number, "department"): 1 for number in numbers}
    assert torn(store) == []
    assert town.verify().broken == []
    held = len(numbers) - by_others
    assert held <= 100
    figure(
        4,
        "a sweeper frozen in the middle (SIGSTOP), postgresql",
        f"{held} of {len(numbers)} waited for it, the rest was moved meanwhile",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_asked_to_stop_in_the_middle(database: str, tmp_path: Path, figure, number: signal.Signals) -> None:  # type: ignore[no-untyped-def]
    app = offices.install(tmp_path, database)
    (worker,) = offices.start(tmp_path, app, 1)
    for _ in range(5):
        app.raise_issue(offices.wanted(datetime.now(UTC)), datetime.now(UTC))
    code, seconds = ended(worker, number)
    assert code == 0
    assert seconds < 30
    with app.store.reading() as session:
        leased = session.connection().execute(select(OUTBOX.c.id).where(OUTBOX.c.state == "sending")).all()
    assert leased == []
    assert app.verify().broken == []
    app.close()
    figure(
        29,
        f"{number.name} to a worker, {app.store.engine.dialect.name}",
        f"ends with 0 after {seconds:.1f} s, no lease left, verify ok",
    )


def worked(folder: Path, *before: str, stderr: Any = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """A worker that is started under limits and stopped after its first look."""
    command = [*before, *PATIENT, "worker", "--config", str(folder / "config.toml")]
    # as in deploy/escalation.service: with one heap a thread, 64 MB of addresses are set aside for each
    return subprocess.Popen(command, cwd=ROOT, stderr=stderr, env=os.environ | {"MALLOC_ARENA_MAX": "2"})


@pytest.mark.parametrize(
    "limits",
    [("prlimit", "--as=300000000"), ("prlimit", "--nofile=64"), ("taskset", "--cpu-list", "0")],
    ids=["memory", "files", "one-CPU"],
)
def test_a_worker_under_limits(database: str, tmp_path: Path, figure, limits: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    app = offices.install(tmp_path, database)
    worker = worked(tmp_path, *limits)
    delay = offices.delay(app)
    assert ended(worker)[0] == 0
    assert app.verify().broken == []
    app.close()
    figure(
        23,
        f"a worker under {' '.join(limits)}, {app.store.engine.dialect.name}",
        f"an issue moved {delay:.1f} s after its deadline, start of the process included",
    )


@pytest.mark.parametrize("where", ["closed", "full"])
def test_a_worker_whose_log_nobody_reads(sqlite: str, tmp_path: Path, figure, where: str) -> None:  # type: ignore[no-untyped-def]
    app = offices.install(tmp_path, sqlite)
    if where == "closed":
        read, write = os.pipe()
        os.close(read)
    else:
        write = os.open("/dev/full", os.O_WRONLY)
    worker = worked(tmp_path, stderr=write)
    os.close(write)
    delay = offices.delay(app)
    assert ended(worker)[0] == 0
    assert app.verify().broken == []
    app.close()
    figure(29, f"a worker's standard error: {where}", f"goes on: an issue moved {delay:.1f} s after its deadline")


def waiting(folder: Path, database: str, server: socket.socket) -> App:
    """An office with mail for a server that takes the connection and says nothing."""
    server.settimeout(LONG)
    app = offices.install(folder, database, port=server.getsockname()[1])
    app.raise_issue(offices.wanted(datetime.now(UTC) + timedelta(days=3)), datetime.now(UTC))
    return app


def test_a_mail_server_that_never_answers_does_not_hold_up_the_sweep(database: str, tmp_path: Path, figure) -> None:  # type: ignore[no-untyped-def]
    with socket.create_server(("127.0.0.1", 0)) as server:
        app = waiting(tmp_path, database, server)
        (worker,) = offices.start(tmp_path, app, 1)
        asking, _ = server.accept()
        delay = offices.delay(app, patience=60)  # less than the server costs whoever waits for it
        code, seconds = ended(worker)
        assert code == 0
        assert seconds < 30, "it does not wait for the server"
        asking.close()
    with app.store.reading() as session:
        assert not session.connection().execute(select(OUTBOX.c.id).where(OUTBOX.c.state == "sending")).all()
    assert app.verify().broken == []
    app.close()
    figure(
        11,
        f"SMTP server that takes the connection and says nothing, {app.store.engine.dialect.name}",
        f"an issue moved {delay:.1f} s after its deadline meanwhile; the worker stopped in {seconds:.1f} s, no lease left",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_dispatch_by_hand_that_is_told_to_end_in_the_middle(
    database: str, tmp_path: Path, figure, number: signal.Signals
) -> None:  # type: ignore[no-untyped-def]
    """The server has taken the connection and says nothing: what was claimed is given back, and may be sent by the next one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        app = waiting(tmp_path, database, server)
        command = [*PATIENT, "dispatch", "--config", str(tmp_path / "config.toml")]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        asking, _ = server.accept()
        assert _sending(app)
        process.send_signal(number)
        _, said = process.communicate(timeout=LONG)
        asking.close()
    assert process.returncode == 130
    assert b"nothing was left half done" in said
    assert _sending(app) == []
    assert app.verify().broken == []
    app.close()
    figure(
        29,
        f"{number.name} to `escalation dispatch` in the middle, {app.store.engine.dialect.name}",
        "ends with 130, no lease left",
    )


def test_a_second_signal_ends_a_worker_at_once(database: str, tmp_path: Path, figure) -> None:  # type: ignore[no-untyped-def]
    """Somebody does not want to wait for the server that says nothing: as good as a kill, and as safe."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        app = waiting(tmp_path, database, server)
        (worker,) = offices.start(tmp_path, app, 1)
        asking, _ = server.accept()
        worker.send_signal(signal.SIGTERM)
        while _catches(worker.pid, signal.SIGTERM):
            time.sleep(0.005)
        assert ended(worker)[0] == -signal.SIGTERM, "it did not wait for the mail server"
        asking.close()
    assert app.verify().broken == []
    app.close()
    figure(
        29,
        f"a second SIGTERM to a worker that waits for a mail server, {app.store.engine.dialect.name}",
        "ends at once, verify ok",
    )


def _catches(pid: int, number: int) -> bool:
    """Has a process a handler for a signal?"""
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("SigCgt"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


def _sending(app: App) -> list[Any]:
    with app.store.reading() as session:
        return list(session.connection().execute(select(OUTBOX.c.id).where(OUTBOX.c.state == "sending")))


def test_nothing_secret_is_in_the_log_of_a_worker(database: str, tmp_path: Path, figure) -> None:  # type: ignore[no-untyped-def]
    """At DEBUG, with a password for the mail server and links in the mails, an error on every line of the way."""
    with Sink() as sink:
        app = offices.install(tmp_path, database, sink.port)
        config = tmp_path / "config.toml"
        text = config.read_text("utf-8").replace("[mail]\n", '[mail]\nbase_url = "https://tiji.example.org"\n')
        config.write_text(text.replace("[smtp]\n", '[smtp]\nusername = "escalation"\n').replace("_seconds = 60", "_seconds = 1"))
        command = [*PATIENT, "worker", "--verbose", "--config", str(config)]
        with (tmp_path / "log").open("wb") as log:
            worker = subprocess.Popen(
                command, cwd=ROOT, stderr=log, env=os.environ | {"ESCALATION_SMTP__PASSWORD": "hunter2-and-more"}
            )
        offices.delay(app)  # the server offers no login: that is refused, and said
        while "does not leave" not in (said := (tmp_path / "log").read_text("utf-8")):
            assert worker.poll() is None, said
            time.sleep(0.05)
        assert ended(worker)[0] == 0
    said = (tmp_path / "log").read_text("utf-8")
    with app.store.reading() as session:
        keys = set(session.connection().execute(select(SECRET.c.value)).scalars())
        addresses = set(session.connection().execute(select(OUTBOX.c.recipient)).scalars())
    app.close()
    assert keys
    assert addresses
    found = [each for each in ("hunter2", "/a/WyJ", *keys, *addresses) if each in said]
    assert found == []
    figure(
        28, f"a worker at DEBUG with a mail server's password and links, {app.store.engine.dialect.name}",
        f"{len(said.splitlines())} lines; no password, key, link or whole address in them",
    )  # fmt: skip
