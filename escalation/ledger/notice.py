"""A notice of days off (放假通知) as text: JSON or CSV lines become days."""

import csv
import json
from datetime import date

from escalation.errors import UsageError
from workflows.sentence import say

Days = dict[date, tuple[bool, str]]
#: What a notice looks like.
FORM = say('a CSV line is "2027-02-05,holiday,Spring Festival"; JSON has "days"')


class _BadLine(ValueError):
    """A line that is no day off and no day worked."""


def read(text: str, place: str) -> Days:
    """Day -> (is it worked, its name). JSON has `days`; a CSV line is `2027-02-05,holiday,Spring Festival`.

    `place` names the text in what is said. Raises UsageError naming what cannot be read.
    """
    try:
        if text.lstrip().startswith("{"):
            listed = json.loads(text)["days"]
            return {date.fromisoformat(each["date"]): (not each["isOffDay"], each.get("name", "")) for each in listed}
        lines = enumerate(csv.reader(text.splitlines()), 1)
        return {_day(row, number): _working(row, number) for number, row in lines if row}
    except _BadLine as error:
        raise UsageError(say("{place}: {error}", place=place, error=error.args[0]), FORM) from error
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise UsageError(say("{place} cannot be read: {error}", place=place, error=error), FORM) from error


def _day(row: list[str], number: int) -> date:
    try:
        return date.fromisoformat(row[0].strip())
    except ValueError as error:
        raise _BadLine(say("line {number}: {text!r} is no date", number=number, text=row[0])) from error


def _working(row: list[str], number: int) -> tuple[bool, str]:
    kind = row[1].strip().lower() if len(row) > 1 else ""
    if kind not in ("working", "holiday", "上班", "放假"):
        raise _BadLine(say("line {number}: {text!r} is neither working nor holiday", number=number, text=kind))
    return kind in ("working", "上班"), row[2].strip() if len(row) > 2 else ""
