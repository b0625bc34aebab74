"""Boston's requests, each with the city's own deadline: ours are overdue exactly when the city says so."""

from bisect import bisect_left, bisect_right
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from escalation.database import Store
from escalation.queries import ASSIGNMENT, CARD, ISSUE, JOURNAL
from tests.acceptance import boston
from tests.acceptance.logs import rows_of
from tests.acceptance.replaying import Replay

#: What the README of the logs says: lines, overdue, still open.
KNOWN = {"boston311_animal": (9_000, 1_356, 1_017)}


def test_the_log_is_read_as_the_city_means_it(boston_log: Path) -> None:
    """Our own comparison of closing and target gives the city's verdict, line by line; the README's figures are the file's."""
    rows = rows_of(boston_log)
    city = boston.read(boston_log)
    said = {each.case for each in city.requests if each.overdue}
    assert len(city.requests) == len(rows)
    assert boston.overdue_by_ourselves(city.requests, city.end) == said
    still_open = sum(each.closed is None for each in city.requests)
    known = KNOWN.get(boston_log.stem, ())
    assert known[:1] != (len(rows),) or (len(rows), len(said), still_open) == known


@pytest.mark.parametrize(("most", "grain"), [(None, timedelta(weeks=4)), (150, timedelta())], ids=["all", "to_the_second"])
def test_overdue_is_what_the_city_calls_overdue(boston_log: Path, store: Store, most: int | None, grain: timedelta) -> None:
    """One escalation out of the first stage for each overdue case, at the first sweep after its target; none for the rest."""
    city = boston.read(boston_log, most)
    replay = Replay(store, boston.setting(city.requests), grain)
    replay.run(boston.commands_of(city.requests), city.end)

    said = {each.case for each in city.requests if each.overdue}
    with store.reading() as session:
        connection = session.connection()
        issues = {row.title: row for row in connection.execute(select(ISSUE))}
        missed = select(ASSIGNMENT).where(ASSIGNMENT.c.outcome == "escalated_overdue")
        lapsed = {row.issue_id: row for row in connection.execute(missed)}
        went_up = Counter(connection.execute(select(JOURNAL.c.issue_id).where(JOURNAL.c.action == "escalate_auto")).scalars())
        cards = Counter(connection.execute(select(CARD.c.issue_id)).scalars())

    assert issues.keys() == {each.case for each in city.requests}
    assert {case for case, row in issues.items() if row.id in lapsed} == said
    assert went_up == cards == Counter(issues[case].id for case in said)
    for each in city.requests:
        row = issues[each.case]
        assert row.stage == ("department" if each.overdue else "queue"), each
        assert timedelta() <= row.raised_at - each.opened <= grain, each
        assert row.closed_at is None if each.closed is None else timedelta() <= row.closed_at - each.closed <= grain, each
        if each.overdue:
            stay = lapsed[row.id]
            assert each.target is not None
            assert (stay.stage, stay.due_at) == ("queue", each.target), each
            first = max(bisect_right(replay.sweeps, each.target), bisect_left(replay.sweeps, row.raised_at))
            assert stay.left_at == replay.sweeps[first], each
    assert replay.verify().broken == []


def test_a_line_that_runs_backwards_is_named(tmp_path: Path) -> None:
    """Closed before opened: taken as opened when closed. Ids that come twice, blank units and open ends are lines too."""
    path = tmp_path / "log.csv"
    path.write_text(
        "on_time,case_enquiry_id,open_dt,sla_target_dt,closed_dt,queue\n"
        "ONTIME,7,2020-01-02 10:00:00,2020-01-03 10:00:00,2020-01-02 09:00:00,A\n"
        "ONTIME,7,2020-01-02 10:00:00,,,\n",
        encoding="utf-8",
    )
    city = boston.read(path)
    assert city.backwards == ["7"]
    assert [(each.case, each.queue, each.target is None) for each in city.requests] == [
        ("7", "A", False),
        ("7#2", "unknown", True),
    ]
