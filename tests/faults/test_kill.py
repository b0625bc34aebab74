"""SIGKILL in the middle of a sweep, again and again: nothing is lost, nothing is done twice, nothing is half done."""

import random
from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import func, text
from sqlalchemy import select as query

from escalation.database import Store
from escalation.queries import ISSUE, JOURNAL
from escalation.verifying import Broken, problems
from escalation.world import WorldReader
from tests.faults.nursery import Nursery
from tests.faults.test_two_nodes import every_move_has_its_mails, many, moves, open_stays
from tests.oracle import slow_due
from tests.town import at

KILLS, MANY_KILLS = 12, 1_000
ISSUES, BITE = 1000, "20"
#: How long a sweep is left alone at most, in seconds, to begin with; grows until some are killed after their first commits.
LONGEST = 0.25
#: What a sweep writes, what is referred to before what refers to it.
TABLES = ("issue", "assignment", "journal", "card", "outbox")


def ladder() -> list[datetime]:
    """When the issues are due at the city, and at the department if they went up at once."""
    city = slow_due(at("2026-09-01 09:00"), 10) + timedelta(minutes=1)
    return [
        city,
        slow_due(city, 7) + timedelta(minutes=1),
        slow_due(slow_due(city, 7) + timedelta(minutes=1), 5) + timedelta(minutes=1),
    ]


class Verifying:
    """What is verified after every kill: each issue that has moved since it was looked at last, by replaying its journal."""

    def __init__(self, store: Store) -> None:
        self.store, self.seen = store, dict[int, int]()

    def broken(self) -> list[Broken]:
        with self.store.reading() as session:
            connection = session.connection()
            now = {issue: version for issue, version in connection.execute(query(ISSUE.c.id, ISSUE.c.version))}
            moved = [issue for issue, version in now.items() if self.seen.get(issue) != version]
            found = problems(connection, WorldReader().read(session), moved) if moved else []
        self.seen = now
        return found


def torn(store: Store) -> list[str]:
    """What is half done: an issue without its stay, entry or mail."""
    with store.reading() as session:
        connection = session.connection()
        versions = connection.execute(query(ISSUE.c.id, ISSUE.c.version)).all()
        entries = {
            issue: count
            for issue, count in connection.execute(query(JOURNAL.c.issue_id, func.count()).group_by(JOURNAL.c.issue_id))
        }
    stays = open_stays(store)
    wrong = [
        f"issue {issue}: version {version}, {entries.get(issue)} entries"
        for issue, version in versions
        if entries.get(issue) != version
    ]
    wrong += [f"issue {issue}: {stays[issue]} open stays" for issue, _ in versions if stays[issue] != 1]
    if moves(store):
        every_move_has_its_mails(store)
    return wrong


def test_a_sweep_that_is_killed_at_random_moments(database: str, new_store, request, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    """In rounds: when everything has gone up, the store is put back as it was, so that every kill meets a sweep with work to do."""
    kills = MANY_KILLS if long else KILLS
    store = new_store(database)
    town, numbers = many(store, ISSUES)
    keep(store)
    nursery = Nursery(database, BITE)
    request.addfinalizer(nursery.close)
    chance, killed, tried, amid = random.Random(20260901), 0, 0, 0
    longest, verifying = LONGEST, Verifying(store)
    while killed < kills or not amid:
        left, progress = ladder(), 0
        moment = left.pop(0)
        while killed < kills or not amid:
            tried += 1
            done = nursery.killed("sweep", moment, chance.uniform(0, longest))
            killed += done
            assert torn(store) == []
            assert verifying.broken() == []
            assert max(moves(store).values(), default=1) == 1, "moved twice"
            before, progress = progress, moves(store).total()
            amid += done and before < progress and progress % ISSUES != 0
            longest *= 0.6 if not done else 1.5 if progress == before else 1
            if not done and not left:
                break
            if not done:
                moment = left.pop(0)
            assert tried < kills * 8, "the sweeps are too quick to be killed: more issues are needed"
        for later in (moment, *left):
            finish(town, later)
        expected = Counter({(number, stage): 1 for number in numbers for stage in ("department", "province")})
        assert moves(store) == expected, "none lost, none twice"
        assert every_move_has_its_mails(store) == 2 * ISSUES
        assert torn(store) == []
        assert town.verify().broken == []
        put_back(store)
    figure(
        1, f"SIGKILL at random moments of a sweep of {ISSUES} due issues, {store.engine.dialect.name}",
        f"{killed} kills in {tried} sweeps, {amid} between two of its transactions; 0 lost, 0 moved twice, 0 torn, verify ok after each",
    )  # fmt: skip


def keep(store: Store) -> None:
    """The rows as they are now, beside the real ones."""
    with store.transaction() as session:
        for table in TABLES:
            session.connection().execute(text(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}"))


def put_back(store: Store) -> None:
    """The rows as they were kept."""
    with store.transaction() as session:
        for table in reversed(TABLES):
            session.connection().execute(text(f"DELETE FROM {table}"))
        for table in TABLES:
            session.connection().execute(text(f"INSERT INTO {table} SELECT * FROM kept_{table}"))


def finish(town, moment: datetime) -> None:  # type: ignore[no-untyped-def]
    """Sweeps until nothing is due: rows that a dead node's connection still holds are free when the server has noticed."""
    for _ in range(1000):
        town.sweep(moment)
        with town.store.reading() as session:
            if not session.connection().execute(query(func.count()).where(ISSUE.c.wake_at <= moment)).scalar():
                return
    raise AssertionError("rows stay locked by a process that is dead")
