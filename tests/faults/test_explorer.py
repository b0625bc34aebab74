"""Every order in which nodes, dispatchers and a person can get at one issue; and every guard is shown to be one."""

from datetime import datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import select

from escalation import queries
from escalation.applying import Outgoing
from escalation.errors import EscalationError
from escalation.queries import ISSUE
from escalation.sweep import Sweeper
from escalation.world import WorldReader
from tests.faults.explorer import DISPATCHERS, GUARDS, NODES, PERSON, Explorer, Story
from tests.faults.ground import MOMENTS, MORE, Effect, Ground
from tests.faults.test_two_nodes import HANDLER
from tests.town import CITY_COORDINATOR, DEPARTMENT_COORDINATOR, Town, at

#: What people do to an issue whose deadline is near, and what it comes to if they are in time.
ACTIONS = ("resolve", "withdraw", "request_extension", "report_progress")
EVERYBODY = (*NODES, PERSON, DISPATCHERS[0])
STORIES = {
    **{f"two nodes, a person ({action}), a dispatcher": Story(EVERYBODY, action, 2) for action in ACTIONS[:2]},
    **{f"two nodes, a person ({action})": Story((*NODES, PERSON), action, 3) for action in ACTIONS[2:]},
    "a node, two dispatchers": Story((NODES[0], *DISPATCHERS), crashes=2),
    "two nodes that tell of the day, a dispatcher": Story((*NODES, DISPATCHERS[0]), crashes=2, daily=True),
    "two dispatchers, a person who drops the message": Story((*DISPATCHERS, PERSON), "drop", 3),
}
RACED, UNLOCKED = Story((*NODES, PERSON), "resolve", 1), Story((*NODES, PERSON), "resolve", 0, locks_fail=True)
RESOLVED = Story(EVERYBODY, "resolve", 1)
SENDING, DROPPED = Story(DISPATCHERS, crashes=1), Story((*DISPATCHERS, PERSON), "drop", 1)
#: guard -> the story that shows what it is for, and the guards before it that have failed already when it is the last one.
SHOWN: dict[str, tuple[Story, tuple[str, ...]]] = {
    "lock": (RACED, ()),
    "fresh": (RACED, ()),
    "recheck": (RACED, ("decide",)),
    "decide": (RACED, ("recheck",)),
    "strictly": (RESOLVED, ()),
    "version": (UNLOCKED, ("lock", "sequence")),
    "sequence": (UNLOCKED, ("lock", "version")),
    "together": (RESOLVED, ()),
    "mail": (RESOLVED, ()),
    "forward": (Story((NODES[0], PERSON), "report_progress", 0), ()),
    "key": (Story(NODES, crashes=1, daily=True), ()),
    "claim": (SENDING, ()),
    "counted": (SENDING, ()),
    "lease": (SENDING, ()),
    "in_time": (SENDING, ()),
    "token": (SENDING, ()),
    "after": (SENDING, ()),
    "sending": (DROPPED, ()),
}


@pytest.fixture
def ground(sqlite: str, new_store) -> Ground:  # type: ignore[no-untyped-def]
    """An issue that somebody works on, some days before its deadline; nothing of it is due."""
    town = Town(new_store(sqlite))
    number = worked_on(town)
    due_at = town.facts(number).due_at
    assert due_at is not None
    town.sweep(due_at - timedelta(days=3, hours=2))
    return Ground(town, number)


def worked_on(town: Town) -> str:
    number = town.dispatched()
    town.act(number, "acknowledge", HANDLER)
    return number


@pytest.mark.parametrize("name", STORIES)
def test_nothing_goes_wrong_in_any_order(ground: Ground, figure, name: str, long: bool) -> None:  # type: ignore[no-untyped-def]
    story = STORIES[name] if long else fewer_crashes(STORIES[name])
    found = Explorer(ground, story).run()
    assert not found.broken, "\n".join([found.broken, *found.path])
    assert found.quiet > 0
    figure(
        15,
        f"every interleaving, {story.crashes} crash(es) anywhere: {name}",
        f"{found.states:,} states, {found.quiet:,} at rest: all invariants hold in each",
    )


def fewer_crashes(story: Story) -> Story:
    return Story(story.programs, story.action, max(1, story.crashes - 1), story.daily)


@pytest.mark.parametrize("guard", GUARDS)
def test_without_any_one_guard_something_goes_wrong(ground: Ground, figure, guard: str) -> None:  # type: ignore[no-untyped-def]
    """Where another guard would catch it too, that one has failed already, and alone this one still holds."""
    story, failed = SHOWN[guard]
    holds = Explorer(ground, story, frozenset(failed)).run()
    assert not holds.broken, "\n".join([holds.broken, *holds.path])
    found = Explorer(ground, story, frozenset({*failed, guard})).run()
    assert found.broken, f"nobody needs the guard: {GUARDS[guard]}"
    print(f"without {guard} ({GUARDS[guard]}): {found.broken}", *found.path, sep="\n    ")
    beside = f" ({' and '.join(failed)} gone before)" if failed else ""
    figure(
        15, f"the guard `{guard}` taken out{beside}", f"{found.broken}: {len(found.path)} steps, found in {found.states:,} states"
    )


def test_what_the_engine_does_is_a_path_of_the_model_and_the_other_way_round(sqlite: str, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    """Real sweeps of two nodes, and a person before, between and after them at every moment of the story."""
    town = Town(new_store(sqlite))
    others = [Sweeper(new_store(sqlite), WorldReader(), Outgoing()) for _ in NODES]
    turns = list(product(range(5), range(3)))
    numbers = {(action, turn): worked_on(town) for action in ("resolve", "withdraw", "request_extension") for turn in turns}
    due_at = town.facts(next(iter(numbers.values()))).due_at
    assert due_at is not None
    town.sweep(due_at - timedelta(days=3, hours=2))
    grounds = {action: Ground(town, numbers[action, turns[0]]) for action, _ in numbers}
    since = {number: town.facts(number).version for number in numbers.values()}

    for moment, now in enumerate(grounds["resolve"].moments):
        town.now = now
        for between in range(3):
            for (action, turn), number in numbers.items():
                if turn == (moment, between):
                    tries(town, number, action, due_at)
            if between < len(others):
                others[between].sweep_once(now)

    journals: dict[str, set[tuple[tuple[str, str, str], ...]]] = {action: set() for action in grounds}
    with town.store.reading() as session:
        for (action, _), number in numbers.items():
            found = queries.journal(session.connection(), town.facts(number).id)[since[number] :]
            journals[action].add(tuple((entry.action, entry.from_state, entry.to_state) for entry in found))
    seen = 0
    for action, ground in grounds.items():
        paths = Explorer(ground, Story((*NODES, PERSON), action, 1)).run(keep=True).journals
        # in the model a person may also do nothing at all
        assert journals[action] <= paths, journals[action] - paths
        assert paths <= journals[action], paths - journals[action]
        seen += len(paths)
    assert town.verify().broken == []
    figure(
        15,
        "real sweeps of two nodes and a person at every moment, against the model",
        f"the same {seen} journals in both, none else",
    )


def tries(town: Town, number: str, action: str, due_at: datetime) -> None:
    """A person who may be too late."""
    party = CITY_COORDINATOR if action == "withdraw" else HANDLER
    try:
        town.act(number, action, party, reason="不得已", until=(due_at + MOMENTS[-1] + MORE).date())
    except EscalationError as refused:
        assert refused.code in ("wrong_state", "not_allowed", "too_late"), refused.code


def test_every_step_of_time_is_the_one_that_the_model_takes(sqlite: str, new_store, figure) -> None:  # type: ignore[no-untyped-def]
    """Issues that nobody or somebody touches, from their dispatch to the letters at the top: what the model says, the sweep does."""
    town = Town(new_store(sqlite))
    left = [town.dispatched(severity=severity) for severity in ("general", "major", "urgent")]
    worked = [worked_on(town) for _ in range(3)]
    town.act(worked[0], "request_extension", HANDLER, until=at("2026-09-18 12:00").date(), reason="等设备")
    town.act(worked[1], "resolve", HANDLER, reason="办好了")
    model, steps = Ground(town, left[0]), 0
    for now in town.days(90):
        due = [number for number in (*left, *worked) if model.due(model.number(of(town, model, number)), now)]
        expected = {number: predicted(model, of(town, model, number), now) for number in due}
        town.sweep()
        for number, (facts, entries) in expected.items():
            assert town.facts(number) == facts
            assert written(town, number, len(entries)) == entries
            steps += len(entries)
        if town.facts(worked[1]).status == "pending_review" and steps > 20:
            town.act(worked[1], "return_for_rework", DEPARTMENT_COORDINATOR, reason="没有办好")
    assert {town.facts(number).stage for number in left} == {"province"}
    assert steps > 60
    figure(15, "ninety days of sweeps, each step foretold by the model", f"{steps} steps, all as foretold")


def of(town: Town, model: Ground, number: str):  # type: ignore[no-untyped-def]
    with town.store.reading() as session:
        return queries.load(session.connection(), model.world, [number], town.now, lock=False)[number]


def predicted(model: Ground, loaded, now):  # type: ignore[no-untyped-def]
    """Where the model's steps lead at this moment, until nothing is due."""
    issue, entries = model.number(loaded), []
    while model.due(issue, now):
        effect = model.effect(issue, "", now, True, False)
        assert isinstance(effect, Effect)
        entries.append((effect.entry.seq, effect.entry.action, effect.entry.source, effect.entry.target, effect.entry.at))
        issue = effect.after
    return model.facts(issue), entries


def written(town: Town, number: str, count: int):  # type: ignore[no-untyped-def]
    with town.store.reading() as session:
        issue_id = session.connection().execute(select(ISSUE.c.id).where(ISSUE.c.number == number)).scalar_one()
        found = queries.journal(session.connection(), issue_id)[-count:]
    return [(entry.seq, entry.action, entry.from_state, entry.to_state, entry.at) for entry in found]
