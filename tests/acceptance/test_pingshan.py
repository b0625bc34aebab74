"""Pingshan's requests: the verdict drives when each is closed, and the store counts what is overdue as the file does."""

from collections import Counter
from pathlib import Path

from sqlalchemy import func, select

from escalation.database import Store
from escalation.queries import ASSIGNMENT, ISSUE
from tests.acceptance import pingshan
from tests.acceptance.replaying import Replay, after

#: What the README of the logs says: lines, overdue, units.
KNOWN = {"pingshan_events": (10_000, 924, 156)}


def test_overdue_counts_equal_a_group_by_of_the_file(pingshan_log: Path, store: Store) -> None:
    """Case by case, and by type, street, unit and month; what is late is dated when its ten working days were over."""
    requests = pingshan.read(pingshan_log)
    log = pingshan.commands_of(requests)
    end = after([each.at for each in log])
    replay = Replay(store, pingshan.setting(requests))
    replay.run(log, end)

    late = [each for each in requests if each.verdict == "overtime" or (each.verdict != "intime" and each.due < end)]
    with store.reading() as session:
        connection = session.connection()
        issues = {row.title: row for row in connection.execute(select(ISSUE))}
        missed = ASSIGNMENT.c.outcome == "escalated_overdue"
        stays = {row.issue_id: row for row in connection.execute(select(ASSIGNMENT).where(missed))}
        first = select(ISSUE.c.category, ISSUE.c.project_id, ASSIGNMENT.c.lead_id, ISSUE.c.raised_at, func.count()).join(
            ASSIGNMENT, ASSIGNMENT.c.issue_id == ISSUE.c.id
        )
        grouped = first.where(missed).group_by(ISSUE.c.category, ISSUE.c.project_id, ASSIGNMENT.c.lead_id, ISSUE.c.raised_at)
        counted = connection.execute(grouped).all()
    world = replay.world()
    ours: Counter[tuple[str, str, str, str]] = Counter()
    for category, project, lead, raised_at, count in counted:
        unit = world.directory.by_id[lead].organ.removesuffix("(处置)")
        ours[category, world.projects[project].name, unit, f"{world.calendar.local(raised_at):%Y-%m}"] += count

    assert {case for case, row in issues.items() if row.id in stays} == {each.case for each in late}
    for each in late:
        stay = stays[issues[each.case].id]
        assert stay.due_at == each.due < stay.left_at, each
    theirs = Counter(each.groups for each in late)
    assert ours == theirs
    for axis in range(4):
        assert _along(ours, axis) == _along(theirs, axis)
    assert sum(row.closed_at is None for row in issues.values()) == sum(
        each.verdict not in ("intime", "overtime") for each in requests
    )
    figures = (len(issues), ours.total(), len({each.unit for each in requests}))
    known = KNOWN.get(pingshan_log.stem, ())
    assert known[:1] != figures[:1] or figures == known
    assert replay.verify().broken == []


def _along(groups: Counter[tuple[str, str, str, str]], axis: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for key, count in groups.items():
        found[key[axis]] += count
    return found
