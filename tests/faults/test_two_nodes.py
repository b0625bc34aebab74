"""Several processes on one store: every due issue is moved once, whoever gets it, and each move has its mails."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from escalation import commands
from escalation.applying import Outgoing
from escalation.commands import Do, Raise
from escalation.database import Store
from escalation.errors import EscalationError
from escalation.queries import ASSIGNMENT, ISSUE, JOURNAL, OUTBOX
from escalation.sweep import Sweeper
from escalation.world import WorldReader
from tests.oracle import slow_due
from tests.town import CITY_COORDINATOR, DEPARTMENT_COORDINATOR, OWNER, Town, at

ROOT = Path(__file__).parents[2]
HANDLER = "PT0033"


def start(*arguments: str) -> subprocess.Popen[str]:
    """A node that has loaded everything and waits."""
    node = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.child", *arguments],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert node.stdout is not None
    said = node.stdout.readline()
    assert said == "ready\n", (said, node.communicate())
    return node


def go(*nodes: subprocess.Popen[str]) -> None:
    """All begin now."""
    for node in nodes:
        assert node.stdin is not None
        node.stdin.write("go\n")
        node.stdin.flush()


def answer(node: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = node.communicate(timeout=120)
    assert node.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def many(store: Store, count: int, now: str = "2026-09-01 09:00", severity: str = "major") -> tuple[Town, list[str]]:
    """A town with this many dispatched issues."""
    town = Town(store, now)
    if not count:
        return town, []
    with store.transaction() as session:
        world = town.worlds.read(session)
        wanted = [Raise("HLJ26-001", "power", severity, f"第{number}个问题", OWNER) for number in range(count)]
        raised = commands.raise_many(session, world, wanted, town.now, town.outgoing)
    numbers = [each.facts.number for each in raised]
    for first in range(0, count, 1000):
        with store.transaction() as session:
            acts = [Do(number, "dispatch", CITY_COORDINATOR) for number in numbers[first : first + 1000]]
            commands.act_many(session, town.worlds.read(session), acts, town.now, town.outgoing)
    return town, numbers


def moves(store: Store) -> Counter[tuple[str, str]]:
    """How often each issue went up by itself to each stage."""
    with store.reading() as session:
        rows = session.connection().execute(
            select(ISSUE.c.number, JOURNAL.c.to_state)
            .join(ISSUE, ISSUE.c.id == JOURNAL.c.issue_id)
            .where(JOURNAL.c.action == "escalate_auto")
        )
        return Counter((number, state.split(".")[0]) for number, state in rows)


def every_move_has_its_mails(store: Store) -> int:
    """The outbox keys of every escalation in the journal: the new lead's, the old lead's, the coordinators'."""
    with store.reading() as session:
        connection = session.connection()
        entries = {
            f"{number}:{seq}"
            for number, seq in connection.execute(
                select(ISSUE.c.number, JOURNAL.c.seq)
                .join(ISSUE, ISSUE.c.id == JOURNAL.c.issue_id)
                .where(JOURNAL.c.action == "escalate_auto")
            )
        }
        mails: dict[str, list[str]] = {}
        for key, kind in connection.execute(
            select(OUTBOX.c.key, OUTBOX.c.kind).where(OUTBOX.c.kind.in_(("escalation_notice", "escalated_from")))
        ):
            mails.setdefault(":".join(key.split(":")[:2]), []).append(kind)
    assert set(mails) == entries, "a move without its mail, or a mail without its move"
    assert all({"escalation_notice", "escalated_from"} <= set(kinds) for kinds in mails.values())
    return len(entries)


def stays(store: Store) -> Counter[int]:
    with store.reading() as session:
        return Counter(no for (no,) in session.connection().execute(select(ISSUE.c.assignment_no)))


def open_stays(store: Store) -> Counter[int]:
    """How many open stays each issue has."""
    with store.reading() as session:
        rows = session.connection().execute(select(ASSIGNMENT.c.issue_id).where(ASSIGNMENT.c.left_at.is_(None)))
        return Counter(issue_id for (issue_id,) in rows)


def overdue_moment() -> datetime:
    """A minute after ten working days from the first of September."""
    return slow_due(at("2026-09-01 09:00"), 10).replace(minute=1)


def swept_by(url: str, nodes: int, count: int) -> dict[str, int]:
    moment = overdue_moment().isoformat()
    running = [start("sweep", url, moment, "100") for _ in range(nodes)]
    go(*running)
    said = [answer(node) for node in running]
    figures = {
        "escalated": sum(sum(each["escalated"].values()) for each in said),
        "conflicts": sum(each["conflicts"] for each in said),
        "set_aside": sum(each["set_aside"] for each in said),
        "shared": sum(1 for each in said if each["examined"]),
    }
    print(f"{nodes} nodes, {count} issues: {figures}; each: {[each['examined'] for each in said]}")
    return figures


@pytest.mark.parametrize("nodes", [2, 4])
def test_every_due_issue_is_moved_once(postgresql: str, new_store, figure, nodes: int) -> None:  # type: ignore[no-untyped-def]
    count = 2000
    store = new_store(postgresql)
    town, numbers = many(store, count)
    figures = swept_by(postgresql, nodes, count)

    assert figures["escalated"] == count, "moved by one node or another, each once"
    assert figures["set_aside"] == 0
    assert moves(store) == Counter({(number, "department"): 1 for number in numbers})
    assert stays(store) == {3: count}
    assert set(open_stays(store).values()) == {1}
    assert every_move_has_its_mails(store) == count
    assert town.sweep(overdue_moment()).examined == 0, "nothing is left over"
    assert town.verify().broken == []
    figure(
        3, f"{nodes} workers at once, {count} due issues, postgresql",
        f"each moved once, {figures['shared']} of them had some; {figures['conflicts']} claims that another had, 0 set aside",
    )  # fmt: skip


def test_two_programs_on_one_sqlite_file(sqlite: str, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    """Not for daily use, but nothing may break: the second waits and finds nothing to do."""
    store = new_store(sqlite)
    town, numbers = many(store, 400)
    figures = swept_by(sqlite, 2, 400)

    assert (figures["escalated"], figures["set_aside"]) == (400, 0)
    assert moves(store) == Counter({(number, "department"): 1 for number in numbers})
    assert every_move_has_its_mails(store) == 400
    assert town.verify().broken == []
    figure(3, "2 programs at once on one file, 400 due issues, sqlite", "each moved once, 0 set aside")


class Together:
    """Two nodes in one process, each with connections of its own; a barrier lets them go at the same moment."""

    def __init__(self, url: str, new_store: Callable[[str], Store]) -> None:
        self.stores = [new_store(url), new_store(url)]
        self.worlds = [WorldReader(), WorldReader()]
        for store, worlds in zip(self.stores, self.worlds, strict=True):
            with store.reading() as session:
                worlds.read(session)

    def race(self, person: Do, moment: datetime, tie: "Tie") -> str:
        """A person acts while the other node sweeps; `done`, or the code of the refusal."""
        barrier = threading.Barrier(2)

        def act() -> str:
            barrier.wait()
            time.sleep(max(tie.later, 0))
            try:
                with self.stores[0].transaction() as session:
                    commands.act(session, self.worlds[0].read(session), person, moment, Outgoing())
            except EscalationError as error:
                return error.code
            return "done"

        def sweep() -> None:
            barrier.wait()
            time.sleep(max(-tie.later, 0))
            Sweeper(self.stores[1], self.worlds[1], Outgoing()).sweep_once(moment)

        with ThreadPoolExecutor(2) as pool:
            acted, swept = pool.submit(act), pool.submit(sweep)
            swept.result()
            return acted.result()


class Tie:
    """By how many seconds the person goes later, so that either may be first: whoever was first begins later the next time."""

    def __init__(self) -> None:
        self.later, self.step, self.last = 0.0, 0.01, ""
        self.first: Counter[str] = Counter()

    def won_by(self, who: str) -> None:
        self.first[who] += 1
        self.step = min(self.step * 2, 0.5) if who == self.last else max(self.step / 2, 0.0005)
        self.later += self.step if who == "person" else -self.step
        self.last = who


def entries(store: Store, number: str, since: int) -> tuple[str, ...]:
    """What was done to an issue after its entry `since`, in order."""
    with store.reading() as session:
        rows = session.connection().execute(
            select(JOURNAL.c.action)
            .join(ISSUE, ISSUE.c.id == JOURNAL.c.issue_id)
            .where(ISSUE.c.number == number, JOURNAL.c.seq > since)
            .order_by(JOURNAL.c.seq)
        )
        return tuple(action for (action,) in rows)


@pytest.mark.parametrize("action", ["close", "return_for_rework"])
def test_a_person_and_the_sweep_at_the_same_moment(database: str, new_store, action: str) -> None:  # type: ignore[no-untyped-def]
    """A review that is late and somebody who ends it: one order or the other, both on record, nothing torn."""
    store = new_store(database)
    together = Together(database, new_store)
    town, _ = many(store, 0)
    tie, outcomes = Tie(), Counter[tuple[str, ...]]()
    for _ in range(20):
        town.now = at("2026-09-01 09:00")
        number = town.dispatched()
        town.act(number, "acknowledge", HANDLER)
        resolved = town.act(number, "resolve", HANDLER, reason="办好了")
        said = together.race(Do(number, action, DEPARTMENT_COORDINATOR, reason="x"), at("2026-09-03 17:01"), tie)
        done = entries(store, number, resolved.version)
        if said == "done":
            assert done in ((action,), ("remind_review", action))
        else:
            assert (said, done) == ("conflict", ("remind_review",))
        outcomes[done] += 1
        tie.won_by("person" if done == (action,) else "sweep")
    print(f"{action} against the sweep on {store.engine.dialect.name}: {dict(outcomes)}")
    assert len(tie.first) == 2, "only one of them was ever first: this is no race"
    assert town.verify().broken == []


def test_resolving_against_the_deadline(database: str, new_store) -> None:  # type: ignore[no-untyped-def]
    """Either it was resolved before it could go up, or it went up and the old organ is refused: never both, never neither."""
    store = new_store(database)
    together = Together(database, new_store)
    town, _ = many(store, 0)
    tie, outcomes = Tie(), Counter[str]()
    for _ in range(20):
        town.now = at("2026-09-01 09:00")
        number = town.dispatched()
        town.act(number, "acknowledge", HANDLER)
        said = together.race(Do(number, "resolve", HANDLER, reason="x"), overdue_moment(), tie)
        facts = town.facts(number)
        if said == "done":
            assert (facts.stage, facts.status) == ("city", "pending_review")
            assert (number, "department") not in moves(store)
        else:
            assert said in ("not_allowed", "wrong_state", "conflict")
            assert facts.stage == "department"
            assert moves(store)[number, "department"] == 1
        outcomes[said] += 1
        tie.won_by("person" if said == "done" else "sweep")
    print(f"resolve against the deadline on {store.engine.dialect.name}: {dict(outcomes)}")
    assert len(tie.first) == 2, "only one of them was ever first: this is no race"
    assert every_move_has_its_mails(store) == moves(store).total()
    assert town.verify().broken == []
