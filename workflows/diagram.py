"""A definition as a picture: mermaid for documents, and an SVG of the ladder that needs no font and no script from elsewhere."""

from html import escape

from workflows.deadlines import Duration
from workflows.definition import SEVERITIES, Stage, Workflow
from workflows.facts import STATUSES
from workflows.machine import State, transitions_of

STATUS_ZH = {
    "pending_intake": "待受理",
    "pending_ack": "待签收",
    "processing": "办理中",
    "pending_review": "待销号审核",
    "suspended": "挂起",
    "closed": "已销号",
    "rejected": "不予受理",
    "withdrawn": "已撤回",
    "merged": "已并案",
}
SEVERITY_ZH = {"general": "一般", "major": "重要", "urgent": "紧急"}
#: What time does by itself.
BY_TIME = ("auto_acknowledge", "escalate_auto")


def mermaid(workflow: Workflow) -> str:
    """A state diagram with every state and every transition, grouped by stage; what time does is marked with a clock."""
    moves = [(action, State.parse(source), State.parse(target)) for action, source, target in transitions_of(workflow)]
    lines = ["stateDiagram-v2", "    direction LR"]
    for stage in workflow.stages:
        lines.append(f'    state "{_plain(stage.name.zh)} {_plain(stage.name.en)}" as {stage.key} {{')
        lines += [f"        {stage.key}_{status} : {STATUS_ZH[status]} {status}" for status in STATUSES]
        inside = [each for each in moves if each[1].stage == each[2].stage == stage.key]
        lines += [f"        {_arrow_text(*each)}" for each in inside]
        lines.append("    }")
    lines += [f"    [*] --> {entry}_pending_intake" for entry in _entries(workflow)]
    lines += [f"    {_arrow_text(*each)}" for each in moves if each[1].stage != each[2].stage]
    return "\n".join(lines) + "\n"


def _arrow_text(action: str, source: State, target: State) -> str:
    clock = "⏰ " if action in BY_TIME or action.startswith("return_to_") else ""
    return f"{'_'.join(source)} --> {'_'.join(target)} : {clock}{action}"


def _plain(name: str) -> str:
    """A name without what would end its quotes or its line."""
    return " ".join(name.replace('"', "'").split())


def _entries(workflow: Workflow) -> dict[str, int]:
    """How many categories enter at each stage; the first where there are none."""
    entries = [category.entry for category in workflow.categories]
    counts = {stage.key: entries.count(stage.key) for stage in workflow.stages}
    return {key: count for key, count in counts.items() if count} or {workflow.stages[0].key: 0}


FONT = "font-family=\"'PingFang SC','Microsoft YaHei','Noto Sans CJK SC','Noto Sans SC',Arial,sans-serif\""
INK, QUIET, LINE, RED, BLUE, PAPER = "#1d2733", "#5b6775", "#d3dae2", "#b3261e", "#2f5f9e", "#ffffff"
#: A step's colour and the tint of what carries it, from the first stage to the last.
SHADES = (("#4f8f5b", "#e6f1e8"), ("#d98e04", "#fbf0da"), (RED, "#f8e4e2"))
MARGIN, WIDTH, HEIGHT, GAP, STEP = 20, 256, 252, 46, 84
HEADING, FOOTING = 100, 64
#: The chips of a stay: the status, its English word, and how wide it is.
CHIPS = (
    ("pending_ack", "sign", 46),
    ("processing", "at work", 46),
    ("pending_review", "review", 64),
    ("closed", "closed", 46),
)
ENVELOPE = "M0 0h15v11h-15zM0 0l7.5 6l7.5-6"


def svg(workflow: Workflow) -> str:
    """The ladder as steps: each stage with its limits and who gets the mail, and what moves an issue up and down."""
    count = len(workflow.stages)
    width = max(2 * MARGIN + count * WIDTH + (count - 1) * GAP, 2 * MARGIN + 2 * WIDTH + GAP)
    top = max(28, HEADING - STEP * (count - 1))
    floor = top + HEIGHT + max(STEP * (count - 1), 16 + 48 * len(_notes(workflow, workflow.top)))
    parts = _frame(workflow, width, floor + FOOTING)
    for number, stage in enumerate(workflow.stages):
        left, upper = MARGIN + number * (WIDTH + GAP), top + STEP * (count - 1 - number)
        parts += _under(workflow, stage, left, upper + HEIGHT, floor)
        parts += _card(workflow, stage, left, upper)
        if stage.key != workflow.top.key:
            parts += _up(left, upper)
    parts += _legend(floor + 30, width - MARGIN)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame(workflow: Workflow, width: int, height: int) -> list[str]:
    title = f"{workflow.name.zh} {workflow.name.en}"
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" {FONT}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" rx="10" fill="#f4f6f9"/>',
        f"<defs>{_head('up', RED)}{_head('down', BLUE)}</defs>",
        _text(MARGIN, 46, workflow.name.zh, 22, INK, weight=700),
        _text(MARGIN, 68, workflow.name.en, 14, QUIET),
    ]


def _head(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto">'
        f'<path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
    )


def _card(workflow: Workflow, stage: Stage, left: int, top: int) -> list[str]:
    """One stage: who answers, who enters, the way of a stay, the limits, the mail."""
    zh, en = ("包保省领导", "sponsoring leader") if stage.responsible == "sponsor" else ("主管单位", "competent organ")
    inner, right = left + 16, left + WIDTH - 16
    parts = [
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{PAPER}" stroke="{LINE}"/>',
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="6" rx="3" fill="{_shade(workflow, stage)[0]}"/>',
        _text(inner, top + 36, stage.name.zh, 20, INK, weight=700),
        _text(right, top + 36, stage.name.en, 14, QUIET, anchor="end"),
        _text(inner, top + 59, f"{zh}负责", 13, INK, weight=600),
        _text(right, top + 59, en, 12, QUIET, anchor="end"),
    ]
    if entering := _entries(workflow).get(stage.key):
        parts.append(_text(inner, top + 79, f"{entering} 类问题由此受理", 12, QUIET))
        parts.append(
            _text(right, top + 79, f"{entering} {'kind enters' if entering == 1 else 'kinds enter'}", 12, QUIET, anchor="end")
        )
    parts += _chips(stage, inner, top + 91)
    parts += _limits(stage, left, top + 146)
    parts += _mail(stage, inner, top + 207, arrives=workflow.level[stage.key] > 0)
    return parts


def _chips(stage: Stage, left: int, top: int) -> list[str]:
    """To sign, at work, to be reviewed, closed: with the limits of signing and reviewing."""
    parts = []
    for number, (status, en, width) in enumerate(CHIPS):
        limit = {"pending_ack": f" {stage.acknowledge}", "pending_review": f" {stage.review}"}.get(status, "")
        parts.append(f'<rect x="{left}" y="{top}" width="{width}" height="22" rx="5" fill="#eef2f6" stroke="{LINE}"/>')
        parts.append(_text(left + width // 2, top + 15, STATUS_ZH[status], 11, INK, anchor="middle"))
        parts.append(_text(left + width // 2, top + 36, f"{en}{limit}", 11, QUIET, anchor="middle"))
        if number < len(CHIPS) - 1:
            parts.append(f'<path d="M{left + width + 1} {top + 8}l4 3l-4 3" fill="none" stroke="{QUIET}" stroke-width="1.3"/>')
        left += width + 7
    return parts


def _limits(stage: Stage, left: int, top: int) -> list[str]:
    parts = [_rule(left, top - 8)]
    for number, severity in enumerate(SEVERITIES):
        middle = left + 16 + (2 * number + 1) * (WIDTH - 32) // 6
        parts.append(_amount(middle, top + 24, stage.resolve[severity]))
        parts.append(_text(middle, top + 42, f"{SEVERITY_ZH[severity]} {severity}", 11, QUIET, anchor="middle"))
    return [*parts, _rule(left, top + 52)]


def _amount(middle: int, line: int, limit: Duration) -> str:
    return (
        f'<text x="{middle}" y="{line}" font-size="24" font-weight="700" text-anchor="middle" fill="{INK}">{limit.amount}'
        f'<tspan font-size="12" font-weight="400" fill="{QUIET}" dx="2">{limit.unit}</tspan></text>'
    )


def _mail(stage: Stage, left: int, top: int, *, arrives: bool) -> list[str]:
    """Who gets the mail when an issue comes to this stage."""
    leads = stage.responsible == "sponsor"
    zh = "联络员、牵头单位、协调员" if leads else "主管单位、协调员"
    en = "liaison, lead organ, office" if leads else "organ, coordinator"
    return [
        f'<path d="{ENVELOPE}" transform="translate({left} {top + 1})" fill="none" stroke="{BLUE}" stroke-width="1.4"/>',
        _text(left + 23, top + 11, zh + ("、原单位" if arrives else "、上报人"), 12, INK),
        _text(left + 23, top + 29, en + (", old party" if arrives else ", reporter"), 11, QUIET),
    ]


def _up(left: int, top: int) -> list[str]:
    """What moves an issue up to the next step."""
    edge, right = left + WIDTH - 22, left + WIDTH + GAP
    return [
        f'<path d="M{edge} {top}V{top - STEP + 62}Q{edge} {top - STEP + 46} {edge + 16} {top - STEP + 46}H{right - 2}" '
        f'fill="none" stroke="{RED}" stroke-width="2.5" marker-end="url(#up)"/>',
        _text(edge - 10, top - 25, "逾期,当分钟自动提级", 13, RED, anchor="end", weight=700),
        _text(edge - 10, top - 9, "overdue: up by itself, the same minute", 12, RED, anchor="end"),
    ]


def _under(workflow: Workflow, stage: Stage, left: int, top: int, floor: int) -> list[str]:
    """What carries a step: the party below stays on; at the top letters, and the way down."""
    if top >= floor:
        return []
    tint = _shade(workflow, stage)[1]
    parts = [f'<rect x="{left}" y="{top - 12}" width="{WIDTH}" height="{floor - top + 12}" rx="8" fill="{tint}"/>']
    if stage.may_remand and workflow.level[stage.key]:
        parts.append(
            f'<path d="M{left} {top - 26}H{left - GAP + 2}" fill="none" stroke="{BLUE}" stroke-width="2" '
            'stroke-dasharray="5 4" marker-end="url(#down)"/>'
        )
    for number, (zh, en, colour) in enumerate(_notes(workflow, stage)):
        parts.append(_text(left + 16, top + 30 + 48 * number, zh, 13, colour, weight=600))
        parts.append(_text(left + 16, top + 47 + 48 * number, en, 12, QUIET))
    return parts


def _notes(workflow: Workflow, stage: Stage) -> list[tuple[str, str, str]]:
    """What is written under a step: Chinese, English, colour."""
    notes = []
    if workflow.level[stage.key]:
        notes.append(("原单位继续配合,提级不卸责", "the old party stays on and helps", INK))
    if stage.key == workflow.top.key:
        every = workflow.top_overdue.repeat
        notes.append((f"仍逾期:红牌,每 {every} 督办函", f"still overdue: red card, a letter every {every}", RED))
    if stage.may_remand and workflow.level[stage.key]:
        notes.append(("批示交办下级,逾期直接回来", "sent down by instruction; overdue: back", BLUE))
    return notes


def _legend(line: int, right: int) -> list[str]:
    return [
        _text(MARGIN, line, "到期即提级,无须任何人记得;每一步谁负责、何时到期,都有据可查", 14, INK, weight=600),
        _text(MARGIN, line + 20, "Nobody has to remember: one party, one deadline, at every moment.", 12, QUIET),
        _text(right, line, "wd 工作日 · wh 工时 · h 小时", 12, QUIET, anchor="end"),
    ]


def _shade(workflow: Workflow, stage: Stage) -> tuple[str, str]:
    return SHADES[round(2 * workflow.level[stage.key] / max(1, len(workflow.stages) - 1))]


def _rule(left: int, line: int) -> str:
    return f'<path d="M{left + 16} {line}H{left + WIDTH - 16}" stroke="{LINE}"/>'


def _text(x: int, y: int, text: str, size: int, fill: str, *, anchor: str = "start", weight: int = 400) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{fill}">'
        f"{escape(text)}</text>"
    )
