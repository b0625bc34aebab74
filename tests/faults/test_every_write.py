"""SIGKILL at every single write and sync call of a sweep and of a dispatch, one after the other: deterministic, none left out.

strace counts the calls of a child, each kind by itself, and kills it at the N-th of one kind, for N = 1, 2, ... until one survives.
"""

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import select

from escalation.database import Store
from escalation.queries import OUTBOX
from tests.conftest import Postgres
from tests.faults.nursery import LEASE, Nursery, dispatch
from tests.faults.sink import Sink
from tests.faults.test_kill import finish, torn
from tests.faults.test_two_nodes import every_move_has_its_mails, many, moves, overdue_moment
from tests.programs import LONG, needed, until


@pytest.fixture(autouse=True)
def strace() -> str:
    return needed("strace")


#: What reaches the disk, and what leaves through a socket.
DISK, NETWORK = "pwrite64,fdatasync,fsync,ftruncate,unlink", "sendto,sendmsg"
ISSUES = 5


class Victim:
    """A store that is put back as it was before each try, and children that are killed at their N-th call."""

    def __init__(self, url: str, postgres: Postgres | None, nursery: Nursery) -> None:
        self.url, self.postgres, self.nursery = url, postgres, nursery

    def keep(self) -> None:
        """The store as it is now is what every try begins with."""
        if self.postgres is None:
            shutil.copy(self._path(), f"{self._path()}.kept")
        else:
            self.postgres.execute(f"CREATE DATABASE {self._name()}_kept TEMPLATE {self._name()}")

    def put_back(self) -> None:
        if self.postgres is None:
            for beside in ("-journal", "-wal", "-shm"):
                Path(self._path() + beside).unlink(missing_ok=True)
            shutil.copy(f"{self._path()}.kept", self._path())
        else:
            self.postgres.execute(f"DROP DATABASE {self._name()} WITH (FORCE)")
            self.postgres.execute(f"CREATE DATABASE {self._name()} TEMPLATE {self._name()}_kept STRATEGY FILE_COPY")

    def _path(self) -> str:
        return self.url.removeprefix("sqlite:///")

    def _name(self) -> str:
        return self.url.split("@/")[1].split("?")[0]

    def killed_at(self, number: int, calls: str, work: str, moment: datetime, **more: object) -> bool:
        """A child that is killed at its N-th call; False when it had fewer."""
        pid = self.nursery.child(work, moment, patient=True, **more)
        until(lambda: _state(pid) == "T")
        inject = f"inject={calls}:signal=SIGKILL:when={number}"
        strace = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject, "-p", str(pid)],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: _tracer(pid) != 0)
        os.kill(pid, signal.SIGCONT)
        killed = self.nursery.ended()
        strace.wait(timeout=LONG)
        return killed


def _status(pid: int, name: str) -> str:
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith(name))
    return line.split()[1]


def _state(pid: int) -> str:
    return _status(pid, "State:").upper()


def _tracer(pid: int) -> int:
    return int(_status(pid, "TracerPid:"))


@pytest.fixture
def victim(database: str, request: pytest.FixtureRequest) -> Iterator[Victim]:
    postgres = None if database.startswith("sqlite") else request.getfixturevalue("postgres")
    nursery = Nursery(database)
    found = Victim(database, postgres, nursery)
    yield found
    nursery.close()
    if postgres is not None:
        postgres.execute(f"DROP DATABASE IF EXISTS {found._name()}_kept WITH (FORCE)")


class Points:
    """Every call of each kind, one kind after the other; every so manyth in the short form, and the first of each."""

    def __init__(self, calls: str, step: int) -> None:
        self.calls, self.step = calls.split(","), step
        #: Set when a child has lived: there are no more of this kind.
        self.survived = False
        self.tried: Counter[str] = Counter()

    def __iter__(self) -> Iterator[tuple[str, int]]:
        for call in self.calls:
            self.survived = False
            for number in count(1, self.step):
                yield call, number
                if self.survived:
                    break
                self.tried[call] += 1

    def __str__(self) -> str:
        return f"{self.tried.total()} points ({', '.join(f'{call} {many}' for call, many in sorted(self.tried.items()))})"


def test_a_sweep_killed_at_every_write(victim: Victim, database: str, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    store = Store(database)
    town, numbers = many(store, ISSUES)
    store.close()
    victim.keep()
    moment, undone, is_sqlite = overdue_moment(), 0, database.startswith("sqlite")
    points = Points(DISK if is_sqlite else NETWORK, 1 if long or is_sqlite else 10)
    for call, number in points:
        victim.put_back()
        if not victim.killed_at(number, call, "sweep", moment):
            points.survived = True
            continue
        store = Store(database)
        town.store = town.sweeper.store = store
        assert torn(store) == []
        undone += not moves(store)
        finish(town, moment)
        assert moves(store) == {(each, "department"): 1 for each in numbers}, f"{call} {number}"
        assert every_move_has_its_mails(store) == ISSUES
        assert torn(store) == []
        assert town.verify().broken == []
        store.close()
    tried = points.tried.total()
    synced = points.tried["fsync"] + points.tried["fdatasync"]
    assert synced > 1 or not is_sqlite, "nothing was killed at a sync"
    assert tried > 5
    assert undone, "no kill came before the commit"
    figure(
        1, f"SIGKILL at every {'write and sync call' if is_sqlite else 'message to the server'} "
        f"of a sweep of {ISSUES} issues, {database.partition(':')[0].partition('+')[0]}",
        f"{points}, {undone} before the commit and {tried - undone} after it; 0 lost, 0 moved twice, 0 torn, verify ok",
    )  # fmt: skip


def test_a_dispatch_killed_at_every_write(victim: Victim, database: str, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    store = Store(database)
    town, _ = many(store, 2)
    town.sweep(overdue_moment())
    with store.reading() as session:
        queued = set(session.connection().execute(select(OUTBOX.c.message_id, OUTBOX.c.recipient)).all())
    store.close()
    victim.keep()
    moment, twice = overdue_moment(), 0
    points = Points(f"{DISK},{NETWORK}" if database.startswith("sqlite") else NETWORK, 1 if long else 14)
    for call, number in points:
        victim.put_back()
        with Sink() as sink:
            if not victim.killed_at(number, call, "dispatch", moment, port=sink.port):
                points.survived = True
                continue
            later = moment + LEASE + timedelta(minutes=1)
            while waiting(database):
                dispatch(database, later, sink.port)
                later += timedelta(minutes=90)
            assert set(sink.arrived) == queued, f"{call} {number}: each mail arrives, under its own Message-ID, and no other"
            assert max(sink.arrived.values()) <= 2
            twice += sink.arrived.total() - len(queued)
        town.store = Store(database)
        assert town.verify().broken == []
        town.store.close()
    assert points.tried.total() > 5
    figure(
        2, f"SIGKILL at every write, sync and send of a dispatch of {len(queued)} mails, {database.partition(':')[0].partition('+')[0]}",
        f"{points}; 0 lost, {twice} came twice in all, each under the same Message-ID, verify ok",
    )  # fmt: skip


def waiting(database: str) -> int:
    store = Store(database)
    with store.reading() as session:
        count = len(session.connection().execute(select(OUTBOX.c.id).where(OUTBOX.c.state.in_(("queued", "sending")))).all())
    store.close()
    return count
