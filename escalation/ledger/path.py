"""The moves of an issue so far, as a row writes them: `city:auto_overdue@2026-11-13 > department:manual@2026-11-16`."""

import re
from datetime import date
from typing import NamedTuple

from escalation.ledger.words import LEVEL
from workflows.definition import Workflow

MOVE = re.compile(r"([^:@>\s]+) ?: ?([^:@>\s]+) ?@ ?(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
WAYS = {
    "auto_overdue": "auto_overdue",
    "逾期自动提级": "auto_overdue",
    "自动提级": "auto_overdue",
    "超时提级": "auto_overdue",
    "manual": "manual",
    "人工提级": "manual",
    "人工": "manual",
    "skipped": "skipped",
    "跳过": "skipped",
    "直报": "skipped",
}


class Move(NamedTuple):
    """Away from `stage`, in this way, on this day. `skipped`: it entered above and never stayed there."""

    stage: str
    way: str
    on: date


class BadPath(ValueError):
    """A path that cannot be read or that does not lead where the row says; the text says the mend."""


def moves(text: str, workflow: Workflow, current: str) -> tuple[Move, ...]:
    """The moves of a path, checked against the ladder: each goes one stage up, the last one to `current`. Raises BadPath."""
    found = tuple(_move(part.strip()) for part in re.split(r"[>→;]", text) if part.strip()) if text else ()
    at = found[0].stage if found else current
    for number, move in enumerate(found):
        _check(found, number, at, workflow)
        at = workflow.next_stage[move.stage] or ""
    if at != current:
        raise BadPath(f"leads to {at or 'nowhere'} but the row says {current}; mend one of the two")
    return found


def _move(text: str) -> Move:
    match = MOVE.fullmatch(text)
    if not match or match[2] not in WAYS:
        raise BadPath("is no path; write moves such as city:auto_overdue@2026-11-13 > department:manual@2026-11-16")
    try:
        day = date(int(match[3]), int(match[4]), int(match[5]))
    except ValueError:
        raise BadPath(f"has a day that no calendar has ({text}); write one that exists") from None
    return Move(LEVEL.get(match[1], match[1]), WAYS[match[2]], day)


def _check(found: tuple[Move, ...], number: int, at: str, workflow: Workflow) -> None:
    move = found[number]
    if move.stage not in workflow.level:
        raise BadPath(f"names the stage {move.stage}; the workflow has {', '.join(workflow.level)}")
    if move.stage != at:
        raise BadPath(f"jumps to {move.stage} where {at} comes next; every move goes one stage up")
    if move.way == "skipped" and any(other.way != "skipped" for other in found[:number]):
        raise BadPath(f"skips {move.stage} after a stay below it; only the first stages can be skipped")
    if number and move.on < found[number - 1].on:
        raise BadPath(f"goes back in time at {move.on}; put the moves in the order in which they happened")
