"""Bars for people: widths in whole percents and in characters, so that a mail shows them without a script or a picture."""

from collections.abc import Iterable
from typing import NamedTuple

#: Characters of the longest bar in a text.
WIDTH = 20
FULL = "█"
#: The last character of a bar, by eighths.
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


class Bar(NamedTuple):
    """One line of a chart: how many, and how many of them are late."""

    label: str
    value: int
    late: int = 0


class Drawn(NamedTuple):
    """A bar as it is drawn. The three widths are whole percents of the line and add up to 100."""

    label: str
    value: int
    late: int
    late_width: int
    rest_width: int
    empty_width: int
    #: The same in block characters.
    text: str


def drawn(bars: Iterable[Bar], width: int = WIDTH) -> list[Drawn]:
    """Bars on one scale, the longest over the whole line. Whatever is not nothing is seen."""
    listed = list(bars)
    most = max((bar.value for bar in listed), default=0)
    return [_drawn(bar, most, width) for bar in listed]


def _drawn(bar: Bar, most: int, width: int) -> Drawn:
    if bar.value <= 0:
        return Drawn(bar.label, 0, 0, 0, 0, 100, "")
    late = min(max(bar.late, 0), bar.value)
    # at least as many percents as there are parts to be seen
    whole = max(bar.value * 100 // most, 2 if 0 < late < bar.value else 1)
    late_width = 0 if not late else max(1, min(late * whole // bar.value, whole - (late < bar.value)))
    return Drawn(bar.label, bar.value, late, late_width, whole - late_width, 100 - whole, _blocks(bar.value, most, width))


def _blocks(value: int, most: int, width: int) -> str:
    eighths = max(1, value * width * 8 // most)
    return FULL * (eighths // 8) + EIGHTHS[eighths % 8]
