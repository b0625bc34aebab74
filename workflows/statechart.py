"""The states of an issue as a picture, the present one marked: an SVG drawn from the definition; the page gives the colours.

Stages are rows, the highest on top; a row is the way of a stay from left to right. What time does has the class `by-time`.
"""

from collections.abc import Callable, Mapping
from html import escape

from workflows.definition import Workflow
from workflows.facts import TERMINAL
from workflows.machine import State, transitions_of

#: What a code is called: (table, code) -> the reader's word. Tables: `status`, `action`.
Words = Callable[[str, str], str]
WAY = ("pending_intake", "pending_ack", "processing", "pending_review", "closed")
#: The moves along a row, and the one that leads back.
ALONG = {"dispatch": 0, "acknowledge": 1, "resolve": 2, "close": 3}
BOX, TALL, GAP, LEFT, ROW, TOP = 116, 34, 92, 108, 138, 30


def chart(workflow: Workflow, stages: Mapping[str, str], words: Words, stage: str, status: str) -> str:
    """The picture. `stages`: each stage's name in the reader's language; `stage` and `status`: where the issue stands."""
    moves = {(action, State.parse(source), State.parse(target)) for action, source, target in transitions_of(workflow)}
    highest_first = tuple(reversed(workflow.stages))
    entries = {category.entry for category in workflow.categories} or {workflow.stages[0].key}
    tops = {each.key: TOP + ROW * row for row, each in enumerate(highest_first)}
    parts = [_frame(stages, words, stage, status, len(tops))]
    for key, top in tops.items():
        parts += _row(key, top, stages, words, key in entries)
        parts += [_box(key, each, top, words, (stage, status)) for each in _statuses(key, key in entries, stage, status)]
    for source, target in sorted({(a.stage, b.stage) for action, a, b in moves if action == "escalate_auto"}):
        parts += _up(tops[source], tops[target], words)
    for source, target in sorted({(a.stage, b.stage) for action, a, b in moves if action.startswith("remand_to_")}):
        if workflow.level[source] - workflow.level[target] == 1:
            parts += _down(tops[source], tops[target], words)
    return "\n".join([*parts, "</svg>"])


def _frame(stages: Mapping[str, str], words: Words, stage: str, status: str, rows: int) -> str:
    width, height = LEFT + 5 * BOX + 4 * GAP + 12, TOP + ROW * rows - 24
    said = escape(f"{stages.get(stage, stage)} · {words('status', status)}")
    heads = "".join(
        f'<marker id="head-{name}" class="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L10 5L0 10z"/></marker>'
        for name in ("usual", "by-time", "back")
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="states" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" aria-label="{said}"><title>{said}</title><defs>{heads}</defs>'
    )


def _statuses(key: str, enters: bool, stage: str, status: str) -> list[str]:
    """The states that a row shows: an end that is no closing only where the issue came to it."""
    shown = [*(WAY if enters or (key, "pending_intake") == (stage, status) else WAY[1:]), "suspended"]
    return [*shown, status] if key == stage and status in TERMINAL and status != "closed" else shown


def _place(status: str, top: int) -> tuple[int, int]:
    """The left upper corner of a state's box."""
    if status in WAY:
        return LEFT + WAY.index(status) * (BOX + GAP), top
    return LEFT + (2 if status == "suspended" else 4) * (BOX + GAP), top + 66


def _box(key: str, status: str, top: int, words: Words, here: tuple[str, str]) -> str:
    left, upper = _place(status, top)
    kind = "state here" if (key, status) == here else "state"
    lines = broken(words("status", status))
    first = upper + 22 - 7 * (len(lines) - 1)
    said = "".join(
        f'<text x="{left + BOX // 2}" y="{first + 14 * number}" text-anchor="middle">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    return f'<g class="{kind}"><rect x="{left}" y="{upper}" width="{BOX}" height="{TALL}" rx="7"/>{said}</g>'


def broken(text: str) -> list[str]:
    """A text that is too wide for a box in two lines, broken at the space nearest to its middle."""
    spaces = [place for place, sign in enumerate(text) if sign == " "]
    if width(text) <= BOX - 8 or not spaces:
        return [text]
    middle = min(spaces, key=lambda place: abs(place - len(text) // 2))
    return [text[:middle], text[middle + 1 :]]


def width(text: str) -> float:
    """About how wide a text of 13 pixels is: a Chinese sign is square."""
    return sum(13 if ord(sign) > 0x2E7F else 7 for sign in text)


def _row(key: str, top: int, stages: Mapping[str, str], words: Words, enters: bool) -> list[str]:
    """A stage's name, and what moves an issue within it."""
    middle = top + TALL // 2
    parts = [f'<text class="stage" x="4" y="{middle + 5}">{escape(stages.get(key, key))}</text>']
    for action, number in ALONG.items():
        if action == "dispatch" and not enters:
            continue
        left = LEFT + number * (BOX + GAP) + BOX
        parts.append(_arrow(f"M{left} {middle}H{left + GAP}", "usual"))
        parts.append(_label(left + GAP // 2 - 3, middle - 7, words("action", action), "middle"))
    work, review = (LEFT + number * (BOX + GAP) for number in (2, 3))
    below = top + TALL
    parts.append(_arrow(f"M{review + BOX // 2} {below}v16H{work + BOX - 8}V{below}", "back"))
    parts.append(_label(review - GAP // 2 + 10, below + 30, words("action", "return_for_rework"), "middle"))
    parts.append(_arrow(f"M{work + 24} {below}V{top + 66}", "usual"))
    parts.append(_label(work + 18, below + 21, words("action", "suspend"), "end"))
    parts.append(_arrow(f"M{work + 44} {top + 66}V{below}", "back"))
    parts.append(_label(work + 49, below + 21, words("action", "resume"), "start"))
    return parts


def _up(lower: int, upper: int, words: Words) -> list[str]:
    """An overdue issue goes up by itself."""
    work, sign = LEFT + 2 * (BOX + GAP), LEFT + BOX + GAP
    path = f"M{work + 20} {lower}v-16H{sign + BOX // 2}V{upper + TALL}"
    return [
        _arrow(path, "by-time"),
        _label(sign + BOX // 2 + 8, lower - 23, words("action", "escalate_auto"), "start", "by-time"),
    ]


def _down(upper: int, lower: int, words: Words) -> list[str]:
    """It is sent down with an instruction."""
    sign = LEFT + BOX + GAP + 26
    return [
        _arrow(f"M{sign} {upper + TALL}V{lower}", "back"),
        _label(sign - 7, upper + TALL + 40, words("action", "remand"), "end"),
    ]


def _arrow(path: str, kind: str) -> str:
    return f'<path class="move {kind}" d="{path}" marker-end="url(#head-{kind})"/>'


def _label(x: int, y: int, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="label {kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
