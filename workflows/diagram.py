"""A definition as a picture: mermaid for documents, and an SVG of the ladder that needs no font and no script from elsewhere."""

from html import escape

from workflows.definition import Stage, Workflow
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
#: What time does by itself.
BY_TIME = ("auto_acknowledge", "escalate_auto")


def mermaid(workflow: Workflow) -> str:
    """A state diagram with every state that can be reached and every transition; what time does is marked with a clock."""
    lines = ["stateDiagram-v2", "    direction LR"]
    for stage in workflow.stages:
        lines.append(f'    state "{stage.name.zh} {stage.name.en}" as {stage.key} {{')
        for status, name in STATUS_ZH.items():
            lines.append(f"        {stage.key}_{status} : {name} {status}")
        lines.append("    }")
    lines += [
        f"    {_id(source)} --> {_id(target)} : {'⏰ ' if action in BY_TIME or action.startswith('return_to_') else ''}{action}"
        for action, source, target in transitions_of(workflow)
    ]
    return "\n".join(lines) + "\n"


def _id(name: str) -> str:
    stage, status = State.parse(name)
    return f"{stage}_{status}"


FONT = "font-family=\"'PingFang SC','Microsoft YaHei','Noto Sans CJK SC','Noto Sans SC',Arial,sans-serif\""
INK, QUIET, LINE, RED, PAPER = "#1d2733", "#5b6775", "#c9d2dc", "#b3261e", "#ffffff"
STEP, WIDTH, HEIGHT, GAP, TOP = 58, 232, 206, 66, 52


def svg(workflow: Workflow) -> str:
    """The ladder as steps: each stage higher than the one before, its limits, and what moves an issue up."""
    stages = workflow.stages
    height = TOP + HEIGHT + STEP * (len(stages) - 1) + 76
    width = 24 + len(stages) * WIDTH + (len(stages) - 1) * GAP + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" {FONT}>',
        f"<title>{escape(workflow.name.zh)} {escape(workflow.name.en)}</title>",
        f'<rect width="{width}" height="{height}" rx="10" fill="#f4f6f9"/>',
        '<defs><marker id="up" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L10 5L0 10z" fill="{RED}"/></marker></defs>',
    ]
    for number, stage in enumerate(stages):
        left, top = 24 + number * (WIDTH + GAP), TOP + STEP * (len(stages) - 1 - number)
        parts += _stage(workflow, stage, left, top)
        if number:
            parts += _arrow(left, top)
    below = height - 34
    parts.append(_text(24, below, "逾期当分钟自动提级,新的责任单位收到邮件,原单位继续配合", 15, INK, weight=600))
    parts.append(
        _text(
            24,
            below + 20,
            "Overdue: it goes up by itself, the party that answers now gets a mail, the old one stays on",
            13,
            QUIET,
        )
    )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _stage(workflow: Workflow, stage: Stage, left: int, top: int) -> list[str]:
    limits = stage.resolve
    rows = [
        ("签收 acknowledge", str(stage.acknowledge)),
        ("一般 general", str(limits["general"])),
        ("重要 major", str(limits["major"])),
        ("紧急 urgent", str(limits["urgent"])),
        ("销号审核 review", str(stage.review)),
    ]
    who = "包保省领导 sponsoring leader" if stage.responsible == "sponsor" else "主管单位 competent organ"
    parts = [
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{PAPER}" stroke="{LINE}"/>',
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="6" rx="3" fill="{_shade(workflow, stage)}"/>',
        _text(left + 16, top + 36, stage.name.zh, 20, INK, weight=700),
        _text(left + WIDTH - 16, top + 36, stage.name.en, 14, QUIET, anchor="end"),
        _text(left + 16, top + 60, who, 13, QUIET),
    ]
    for number, (label, value) in enumerate(rows):
        line = top + 86 + number * 23
        parts.append(_text(left + 16, line, label, 13, INK))
        parts.append(_text(left + WIDTH - 16, line, value, 13, INK, anchor="end", weight=600))
    return parts


def _shade(workflow: Workflow, stage: Stage) -> str:
    shades = ("#4f8f5b", "#d98e04", RED)
    return shades[min(2, round(2 * workflow.level[stage.key] / max(1, len(workflow.stages) - 1)))]


def _arrow(left: int, top: int) -> list[str]:
    x1, y1, x2, y2 = left - GAP + 6, top + STEP + 44, left - 8, top + 44
    return [
        f'<path d="M{x1} {y1}C{x1 + 34} {y1} {x2 - 34} {y2} {x2} {y2}" fill="none" '
        f'stroke="{RED}" stroke-width="2.5" marker-end="url(#up)"/>',
        _text((x1 + x2) // 2, y2 - 14, "逾期", 13, RED, anchor="middle", weight=700),
    ]


def _text(x: int, y: int, text: str, size: int, fill: str, *, anchor: str = "start", weight: int = 400) -> str:
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{fill}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'
