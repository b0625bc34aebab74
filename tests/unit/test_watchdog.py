"""The watchdog: whom it ends, when, and whom not."""

import threading

import pytest

from escalation import watchdog
from escalation.watchdog import Watchdog


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], threading.Event]:
    """Exit codes, and when there is one. A look is a hundredth of a second, the end nine of them after the signal."""
    monkeypatch.setattr(watchdog, "LOOK", 0.01)
    monkeypatch.setattr(watchdog, "LAST", 0.09)
    return [], threading.Event()


def watching(patience: float, ended: tuple[list[int], threading.Event]) -> Watchdog:
    codes, over = ended

    def end(code: int) -> None:
        codes.append(code)
        over.set()

    return Watchdog(patience, end)


def test_a_process_that_hears_nothing_is_ended_once(
    ended: tuple[list[int], threading.Event], caplog: pytest.LogCaptureFixture
) -> None:
    with watching(0.05, ended):
        assert ended[1].wait(10)
    assert ended[0] == [5]
    assert "said nothing" in caplog.text


def test_one_that_hears_something_now_and_then_is_left_alone(ended: tuple[list[int], threading.Event]) -> None:
    with watching(1.5, ended) as dog:
        for _ in range(200):
            dog.heard()
            assert not ended[1].wait(0.01)
    assert ended[0] == []


def test_who_is_told_to_stop_has_ended_within_ten_seconds() -> None:
    assert watchdog.LAST + watchdog.LOOK + 1 < 10, "a second is for the last word in the log (promises.md, row 29)"


def test_one_that_was_told_to_stop_has_so_long_whatever_it_hears(
    ended: tuple[list[int], threading.Event], caplog: pytest.LogCaptureFixture
) -> None:
    with watching(1000, ended) as dog:
        dog.told_to_stop()
        while not ended[1].wait(0.01):
            dog.heard()
    assert ended[0] == [5]
    assert "told to stop" in caplog.text


def test_one_that_ends_in_time_is_not_ended(ended: tuple[list[int], threading.Event], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LAST", 5.0)
    with watching(1000, ended) as dog:
        dog.told_to_stop()
    assert not ended[1].wait(0.3)
