"""What one cell says: text made regular, and text or a spreadsheet's own value taken as the type of its column."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, time
from math import isfinite
from typing import Any

from escalation.ledger.columns import Column
from escalation.ledger.words import Words

#: Excel's own limit for the text of one cell.
LONGEST_CELL = 32_767
#: What people can still read in a list; a longer one is a slip of the mouse.
LONGEST = {"code": 64, "name": 300, "title": 500, "email": 254}
EARLIEST, LATEST = date(1990, 1, 1), date(2100, 12, 31)
DATE = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
EMAIL = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+\.[^\s@<>,;\".]+")
CITY_ENDINGS = ("地区行署", "行署", "地区", "市")
CODE = re.compile(r"[^\s<>\"'`\\/]+")


class Uncalculated:
    """A formula that the spreadsheet program has never worked out, so there is no value to read."""


class Wrong(ValueError):
    """A cell that cannot be taken as what its column holds; the text says the mend."""


def text_of(cell: object) -> str:
    """A cell as text, the way a person sees it."""
    if cell is None:
        return ""
    if isinstance(cell, Uncalculated):
        return "(formula)"
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ", "minutes")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)


def printable(text: str, longest: int = 80) -> str:
    """Text for a message or a terminal: short, on one line, nothing invisible in it."""
    shown = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def tidy(text: str) -> str:
    """NFC, trimmed, line ends as \\n; invisible format characters (zero width, direction marks, BOM) are dropped.

    Raises Wrong for control characters: they come from a damaged file, and nobody typed them.
    """
    if len(text) > LONGEST_CELL:
        raise Wrong(f"is {len(text):,} characters long; shorten it to {LONGEST_CELL:,} at most")
    if text.isascii() and text.isprintable():
        return text.strip()
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    kept = []
    for each in text:
        category = unicodedata.category(each)
        if category == "Cs" or (category == "Cc" and each not in "\n\t"):
            raise Wrong(f"holds the control character U+{ord(each):04X}; delete it")
        if category != "Cf":
            kept.append(each)
    return "".join(kept).strip()


def half_width(text: str) -> str:
    """Full-width letters, digits and punctuation as the plain ones."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).strip()


def take(column: Column, cell: object) -> Any:
    """The value of a cell of this column; None for an empty one. Raises Wrong."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, Uncalculated):
        raise Wrong("is a formula that was never worked out; open the file in Excel and save it, or type the value")
    if isinstance(cell, str):
        cell = tidy(cell)
        if not cell:
            return None
        if cell.startswith("#") and cell in ("#REF!", "#VALUE!", "#N/A", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!"):
            raise Wrong(f"is the spreadsheet error {cell}; mend the formula or type the value")
    return TAKERS[column.holds](column, cell)


def _plain(column: Column, cell: object) -> str:
    text = half_width(re.sub(r"\s+", " ", text_of(cell)))
    longest = LONGEST.get(column.holds, LONGEST_CELL)
    if len(text) > longest:
        raise Wrong(f"is {len(text):,} characters long; shorten it to {longest} at most")
    return text


def _title(column: Column, cell: object) -> str:
    text = re.sub(r"\s+", " ", text_of(cell))
    if len(text) > LONGEST["title"]:
        raise Wrong(f"is {len(text):,} characters long; shorten it to {LONGEST['title']} at most")
    return text


def _long(column: Column, cell: object) -> str:
    return text_of(cell)


def _code(column: Column, cell: object) -> str:
    text = _plain(column, cell)
    if not CODE.fullmatch(text):
        raise Wrong("is no code; write letters, digits and dashes without spaces, such as WT26-0007")
    return text


def _email(column: Column, cell: object) -> str:
    text = _plain(column, cell)
    if not EMAIL.fullmatch(text):
        raise Wrong("is no mail address; write one like name@example.com, or leave it empty")
    return text


def _city(column: Column, cell: object) -> str:
    text = _plain(column, cell)
    for ending in CITY_ENDINGS:
        if text.endswith(ending) and len(text) >= len(ending) + 2:
            return text.removesuffix(ending)
    return text


def _number(cell: object, unit: str) -> float:
    if isinstance(cell, bool):
        raise Wrong(f"is yes or no; write a number of {unit}")
    if isinstance(cell, (int, float)):
        number = float(cell)
    else:
        text = half_width(text_of(cell)).replace(",", "").replace(" ", "")
        text = text.removesuffix("万元").removesuffix("个工作日").removesuffix("工作日")
        if not NUMBER.fullmatch(text):
            raise Wrong(f"is no number; write a plain number of {unit}, such as 10")
        number = float(text)
    if not isfinite(number) or abs(number) > 1e12:
        raise Wrong(f"is out of all bounds; write a plain number of {unit}")
    return number


def _money(column: Column, cell: object) -> float:
    number = _number(cell, "10,000 yuan (万元)")
    if number < 0:
        raise Wrong("is below zero; write an amount of 0 or more in 10,000 yuan (万元)")
    return number


def _integer(column: Column, cell: object) -> int:
    number = _number(cell, "working days")
    if not number.is_integer() or not 1 <= number <= 3660:
        raise Wrong("is no number of working days; write a whole number of 1 or more")
    return int(number)


def _date(column: Column, cell: object) -> date:
    if isinstance(cell, datetime):
        if cell.time() != time() and column.name.endswith("_on"):
            raise Wrong(f"has a time of day; leave only the date{_moment_instead(column)}")
        return _sensible(cell.date())
    if isinstance(cell, date):
        return _sensible(cell)
    match = DATE.fullmatch(half_width(text_of(cell)).removesuffix(" 00:00:00").removesuffix("T00:00:00"))
    if not match:
        raise Wrong("is no date; write it as 2026-11-09")
    try:
        return _sensible(date(int(match[1]), int(match[2]), int(match[3])))
    except ValueError as error:
        if isinstance(error, Wrong):
            raise
        raise Wrong("is a day that no calendar has; write one that exists, as 2026-11-09") from None


def _moment_instead(column: Column) -> str:
    twins = {"due_on": "due_at", "dispatched_on": "dispatched_at", "reported_on": "reported_at"}
    return f", or use the column {twins[column.name]}" if column.name in twins else ""


def _sensible(day: date) -> date:
    if not EARLIEST <= day <= LATEST:
        raise Wrong(f"is not between {EARLIEST} and {LATEST}; check the year")
    return day


def _moment(column: Column, cell: object) -> datetime:
    if isinstance(cell, datetime):
        moment = cell
    else:
        text = half_width(text_of(cell)).replace("/", "-")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Wrong("is no date with a time; write it as 2026-11-09T14:30 or 2026-11-09T14:30+08:00") from None
        if len(text) <= 10:
            raise Wrong("has no time of day; write it as 2026-11-09T14:30, or use the column for the date alone")
    _sensible(moment.date())
    return moment


def _choice(column: Column, cell: object) -> str:
    found = (column.choices or {}).get(_plain(column, cell).casefold())
    if found is None:
        listed = ", ".join(_offered(column.choices or {}))
        raise Wrong(f"is not one of the words for {column.label}; write one of: {listed}")
    return found


def _offered(choices: Words) -> list[str]:
    """`general (一般)`: each identifier once, with its first word."""
    first: dict[str, str] = {}
    for word, key in choices.items():
        if word != key.casefold():
            first.setdefault(key, word)
    return [f"{key} ({word})" for key, word in first.items()]


def _level(column: Column, cell: object) -> str:
    text = _plain(column, cell)
    return (column.choices or {}).get(text.casefold(), text.casefold() if text.isascii() else text)


def _path(column: Column, cell: object) -> str:
    text = re.sub(r"\s+", " ", half_width(text_of(cell)))
    return "" if text in ("-", "无", "—", "/") else text


TAKERS: dict[str, Callable[[Column, object], Any]] = {
    "text": _plain,
    "name": _plain,
    "title": _title,
    "long": _long,
    "code": _code,
    "email": _email,
    "city": _city,
    "money": _money,
    "integer": _integer,
    "date": _date,
    "moment": _moment,
    "choice": _choice,
    "level": _level,
    "path": _path,
}
