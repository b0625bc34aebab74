"""SIGKILL in the middle of a sweep, again and again: nothing is lost, nothing is done twice, nothing is half done."""

import random
from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlalchemy import select as query

from escalation.database import Store
from escalation.queries import ISSUE, JOURNAL
from tests.faults.nursery import Nursery
from tests.faults.test_two_nodes import every_move_has_its_mails, many, moves, open_stays
from tests.oracle import slow_due
from tests.town import at

KILLS, MANY_KILLS = 12, 1_000
ISSUES, BITE = 1000, "20"
#: How long a sweep is left alone at most, in seconds, to begin with; grows until some are killed after their first commits.
LONGEST = 0.25


def ladder() -> list[datetime]:
    """When the issues are due at the city, and at the department if they went up at once."""
    city = slow_due(at("2026-09-01 09:00"), 10) + timedelta(minutes=1)
    return [
        city,
        slow_due(city, 7) + timedelta(minutes=1),
        slow_due(slow_due(city, 7) + timedelta(minutes=1), 5) + timedelta(minutes=1),
    ]


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
    kills = MANY_KILLS if long else KILLS
    store = new_store(database)
    town, numbers = many(store, ISSUES)
    nursery = Nursery(database, BITE)
    request.addfinalizer(nursery.close)
    chance, killed, tried = random.Random(20260901), 0, 0
    left = ladder()
    moment = left.pop(0)
    progress, longest = [0], LONGEST
    while killed < kills:
        tried += 1
        done = nursery.killed("sweep", moment, chance.uniform(0, longest))
        killed += done
        assert torn(store) == []
        assert max(moves(store).values(), default=1) == 1, "moved twice"
        progress.append(moves(store).total())
        longest *= 0.6 if not done else 1.3 if progress[-1] == progress[-2] else 1
        if not done and left:
            moment = left.pop(0)
        assert tried < kills * 8, "the sweeps are too quick to be killed: more issues are needed"

    finish(town, moment)
    for later in left:
        finish(town, later)
    expected = Counter({(number, stage): 1 for number in numbers for stage in ("department", "province")})
    assert moves(store) == expected, "none lost, none twice"
    assert every_move_has_its_mails(store) == 2 * ISSUES
    assert torn(store) == []
    assert town.verify().broken == []
    amid = len(set(progress)) - 1
    assert amid >= 1, "no sweep was killed between two of its transactions"
    figure(
        1, f"SIGKILL at random moments of a sweep of {ISSUES} due issues, {store.engine.dialect.name}",
        f"{killed} kills in {tried} sweeps, {amid} between two of its transactions; 0 lost, 0 moved twice, 0 torn, verify ok",
    )  # fmt: skip


def finish(town, moment: datetime) -> None:  # type: ignore[no-untyped-def]
    """Sweeps until nothing is due: rows that a dead node's connection still holds are free when the server has noticed."""
    for _ in range(1000):
        town.sweep(moment)
        with town.store.reading() as session:
            if not session.connection().execute(query(func.count()).where(ISSUE.c.wake_at <= moment)).scalar():
                return
    raise AssertionError("rows stay locked by a process that is dead")
