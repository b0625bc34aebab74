"""Incidents of three support lines: replayed as actions of ours, they go up, come back, reopen and jump as the log says."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from sqlalchemy import select

from escalation.database import Store
from escalation.queries import ISSUE, JOURNAL
from tests.acceptance import incidents
from tests.acceptance.incidents import Moves
from tests.acceptance.logs import rows_of
from tests.acceptance.replaying import Replay, after

#: What the README of the logs says: events; cases whose highest line is 1, 2, 3; that go up, come back, reopen, jump.
KNOWN = {"bpi2013_incidents": (11_750, 350, 450, 300, 582, 308, 85, 99)}
#: What was done, from where, to where.
Entry = tuple[str, str, str]
LEVEL = {"line1": 1, "line2": 2, "line3": 3}


def test_incidents_move_as_the_log_says(incidents_log: Path, store: Store) -> None:
    """The same moves, read from our journal, case by case; and every case ends where the log leaves it, with its team."""
    cases = incidents.read(incidents_log)
    end = after([event.at for events in cases.values() for event in events])
    replay = Replay(store, incidents.setting(cases), timedelta(weeks=1))
    replay.run(incidents.commands_of(cases), end)

    journal: dict[int, list[Entry]] = defaultdict(list)
    with store.reading() as session:
        connection = session.connection()
        issues = {row.title: row for row in connection.execute(select(ISSUE))}
        entries = select(JOURNAL.c.issue_id, JOURNAL.c.action, JOURNAL.c.from_state, JOURNAL.c.to_state)
        for issue_id, action, source, target in connection.execute(entries.order_by(JOURNAL.c.issue_id, JOURNAL.c.seq)):
            journal[issue_id].append((action, source, target))
    party = replay.world().directory.by_id

    ours = {case: _moves(journal[row.id]) for case, row in issues.items()}
    highest = {case: max(_lines(journal[row.id])) for case, row in issues.items()}
    assert ours == {case: incidents.moves_of(events) for case, events in cases.items()}
    assert highest == {case: max(event.line for event in events) for case, events in cases.items()}
    for case, events in cases.items():
        row, last = issues[case], events[-1]
        assert (row.stage, row.status) == (f"line{last.line}", last.status), case
        assert party[row.lead_id].organ == f"{incidents.last_team(events)} of line {last.line}", case
        assert row.reopened == sum(action == "reopen" for action, *_ in journal[row.id]), case

    height = Counter(highest.values())
    cases_that = [sum(each[place] > 0 for each in ours.values()) for place in (0, 1, 3, 2)]
    figures = (len(rows_of(incidents_log)), height[1], height[2], height[3], *cases_that)
    known = KNOWN.get(incidents_log.stem, ())
    assert known[:1] != figures[:1] or figures == known
    assert replay.verify().broken == []


def _lines(entries: Sequence[Entry]) -> list[int]:
    return [LEVEL[to_state.split(".")[0]] for _, _, to_state in entries]


def _moves(entries: Sequence[Entry]) -> Moves:
    """What the journal says: where each entry led, and what took a solved case up again."""
    lines = _lines(entries)
    steps = list(pairwise(lines))
    again = sum(action in ("reopen", "return_for_rework") for action, *_ in entries)
    return Moves(sum(a < b for a, b in steps), sum(a > b for a, b in steps), steps.count((1, 3)), again)
