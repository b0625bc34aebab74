"""The life cycle: what every trigger does from every status, written out a second time; one machine for all issues."""

import re
from pathlib import Path

import pytest

from workflows.facts import STATUSES
from workflows.loading import built_in
from workflows.machine import LifeCycle, NoSuchMove, State, transitions_of

ROOT = Path(__file__).parents[2]
#: status, then every trigger that keeps the stage with the status it ends in; all others are refused.
INSIDE = """
pending_intake  dispatch=pending_ack reject=rejected merge=merged withdraw=withdrawn
pending_ack     acknowledge=processing auto_acknowledge=processing reassign=pending_ack withdraw=withdrawn
processing      reassign=pending_ack transfer=processing resolve=pending_review suspend=suspended merge=merged withdraw=withdrawn
pending_review  close=closed return_for_rework=processing reassign=pending_ack
suspended       resume=processing reassign=pending_ack
closed          reopen=processing
rejected
withdrawn
merged
"""
TABLE = {status: dict(pair.split("=") for pair in pairs) for status, *pairs in map(str.split, INSIDE.strip().splitlines())}
WITHIN = sorted({trigger for row in TABLE.values() for trigger in row})
STAGES = ("city", "department", "province")
#: stage -> trigger -> (statuses it starts from, the stage it leads to); it begins there with `pending_ack`.
WORKING = ("pending_ack", "processing")
ANY_OPEN = ("pending_intake", "pending_ack", "processing", "pending_review", "suspended")
BETWEEN = {
    "city": {
        "escalate": (WORKING, "department"),
        "escalate_auto": (WORKING, "department"),
        "escalate_skip": (ANY_OPEN, "province"),
        "return_to_province": (WORKING, "province"),
    },
    "department": {
        "escalate": (WORKING, "province"),
        "escalate_auto": (WORKING, "province"),
        "escalate_skip": (ANY_OPEN, "province"),
        "return_to_province": (WORKING, "province"),
    },
    "province": {"remand_to_city": (WORKING, "city"), "remand_to_department": (WORKING, "department")},
}
ACROSS = sorted({trigger for row in BETWEEN.values() for trigger in row})
LIFE = LifeCycle(built_in())


def expected(stage: str, status: str, trigger: str) -> State | None:
    if trigger in TABLE[status]:
        return State(stage, TABLE[status][trigger])
    sources, target = BETWEEN[stage].get(trigger, ((), ""))
    return State(target, "pending_ack") if status in sources else None


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("trigger", [*WITHIN, *ACROSS])
def test_every_trigger_from_every_state(stage: str, status: str, trigger: str) -> None:
    wanted = expected(stage, status, trigger)
    if wanted is None:
        with pytest.raises(NoSuchMove):
            LIFE.after(stage, status, trigger)
    else:
        assert LIFE.after(stage, status, trigger) == wanted


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("status", STATUSES)
def test_the_triggers_of_a_state_are_those_of_the_table(stage: str, status: str) -> None:
    wanted = {trigger for trigger in [*WITHIN, *ACROSS] if expected(stage, status, trigger)}
    assert set(LIFE.triggers(stage, status)) == wanted


def test_no_move_is_there_twice_or_leads_nowhere() -> None:
    moves = transitions_of(built_in())
    starts = [(trigger, source) for trigger, source, _ in moves]
    states = {f"{stage}.{status}" for stage in STAGES for status in STATUSES}
    assert len(set(starts)) == len(starts)
    assert {state for _, source, target in moves for state in (source, target)} <= states


def test_an_unknown_trigger_is_no_move() -> None:
    with pytest.raises(NoSuchMove):
        LIFE.after("city", "processing", "fly")
    with pytest.raises(NoSuchMove):
        LIFE.after("city", "processing", "to_closed")
    with pytest.raises(NoSuchMove):
        LIFE.after("city", "processing", "to_city.closed")


def test_ten_thousand_questions_register_no_model_and_get_the_same_answer() -> None:
    life = LifeCycle(built_in())
    before = (len(life._machine.models), len(life._machine.states), len(life._machine.events))
    ask = life._after  # without the cache: the machine itself answers each time
    answers = {ask("city", "processing", "escalate_auto") for _ in range(10_000)}
    assert answers == {State("department", "pending_ack")}
    assert (len(life._machine.models), len(life._machine.states), len(life._machine.events)) == before == (0, 27, before[2])


def test_two_life_cycles_of_one_version_say_the_same() -> None:
    other = LifeCycle(built_in())
    for trigger, source, target in transitions_of(built_in()):
        assert other.after(*State.parse(source), trigger) == LIFE.after(*State.parse(source), trigger) == State.parse(target)


def test_transitions_has_one_home() -> None:
    homes = [
        path.relative_to(ROOT).as_posix()
        for package in ("workflows", "notifications", "escalation")
        for path in sorted((ROOT / package).rglob("*.py"))
        if re.search(r"^\s*(from|import)\s+transitions\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert homes == ["workflows/machine.py"]
