"""A simulated year with everything mixed: people, kills, cut connections, a faulty mail server, jumping clocks, new holidays."""

from pathlib import Path

from tests.faults.soak import Soak


def test_everything_at_once(database: str, tmp_path: Path, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    """Twenty days and 75 issues; in the long form a year and 20,000, and memory must be flat."""
    days, issues = (365, 20_000) if long else (20, 75)
    with Soak(database, tmp_path, days, issues) as soak:
        soak.run(print)
    figure(30, f"a simulated {days} days, {database.partition(':')[0].partition('+')[0]}", soak.line())
    mine = soak.figures
    assert mine.raised == issues
    assert mine.actions["escalate_auto"] > issues / 10
    assert mine.restarts and mine.jumps
    assert mine.quarter(3, 3) <= mine.quarter(1, 3) + 3, "open files"
    if long:
        assert abs(mine.growth) <= 0.05, "memory is flat"
