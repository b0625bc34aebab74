"""What a world remembers does not grow for ever."""

import gc
from datetime import UTC, date, datetime, timedelta
from weakref import ref

import pytest

from escalation import world as module
from escalation.world import World
from workflows.calendar import WorkCalendar
from workflows.parties import Directory


@pytest.fixture
def world() -> World:
    return World(1, Directory([]), {}, {}, WorkCalendar.published("Asia/Shanghai"), {}, "")


def test_what_holds_for_a_day_is_forgotten_with_it(world: World) -> None:
    monday, tuesday = date(2026, 9, 7), date(2026, 9, 8)
    assert world.remember(("plan", monday), 1, monday) == 1
    world.remember(("known",), 2)
    world.remember(("plan", monday, "other"), 3, monday)
    assert len(world.memo) == 3
    world.remember(("plan", tuesday), 4, tuesday)
    assert world.memo == {("plan", tuesday): 4}


def test_it_forgets_everything_when_it_is_too_much(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    for number in range(10):
        world.remember((number,), number)
    assert world.memo == {(9,): 9}


def test_what_was_found_out_lately_is_kept_for_a_minute_and_no_longer(world: World) -> None:
    now = datetime(2026, 9, 7, 9, tzinfo=UTC)
    for second in range(200):
        world.shortly((second,), second, now + timedelta(seconds=second))
    assert len(world._lately) == 60
    assert world.lately((199,), now + timedelta(seconds=258)) == (199, now + timedelta(seconds=199))
    assert world.lately((199,), now + timedelta(seconds=259)) is None


def test_calendars_of_the_past_are_let_go() -> None:
    made = [ref(module._calendar("Asia/Shanghai", "08:30", "17:00", ((date(2027, 1, day), False),))) for day in range(4, 9)]
    gc.collect()
    assert len([each for each in made if each() is not None]) <= 2
