"""Workbooks: the figures of a summary with the issues behind each, and the lists that offices pass on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, select

from escalation import views
from escalation.explaining import late_by, light, overdue
from escalation.ledger import columns
from escalation.ledger.sheets import Sheet, Value
from escalation.models import ProjectRow
from escalation.queries import ISSUE
from escalation.summaries import counted
from escalation.summaries.figures import Figures, Rank
from escalation.summaries.picture import Open
from escalation.summaries.telling import percent, stage_name
from escalation.world import World
from notifications.kinds import WORDS
from workflows.deadlines import working_days_left

#: The figures of the first sheet, in its order.
NAMES = {
    "registered": "累计登记",
    "closed": "已销号",
    "open": "未销号",
    "pending_intake": "待受理",
    "pending_ack": "待签收",
    "processing": "办理中",
    "pending_review": "待销号审核",
    "suspended": "挂起",
    "overdue": "逾期",
    "soon": "两个工作日内到期",
    "raised": "本期新增",
    "escalated": "本期提级",
    "escalated_auto": "其中逾期自动提级",
    "escalated_manual": "其中人工提级",
    "resolved": "本期申请销号",
    "reworked": "本期退回重办",
    "closed_then": "本期销号",
    "reopened": "本期重新挂账",
    "rejected": "不予受理",
    "withdrawn": "已撤回",
    "merged": "已并案",
}
LIGHTS = {"red": "红", "yellow": "黄", "green": "绿"}
SEVERITY = {"general": "一般", "major": "重要", "urgent": "紧急"}
COMPLEXITY = {"simple": "简单", "cross_dept": "跨部门", "cross_level": "跨层级", "cross_city": "跨市", "historical": "历史遗留"}
NATURE = {"individual": "个性", "common": "共性", "trend": "趋势性", "emerging": "苗头性"}
RANK_HEAD = (
    "名次 单位 问题总数 应办结 按期办结 按期办结率 逾期提级次数 在办逾期 平均办理工作日 签收及时率 黄牌 红牌 逾期提级的问题"
).split()
ISSUE_HEAD = (
    "序号 问题编号 项目编号 项目名称 市(地) 问题标题 问题类别 问题描述 诉求建议 事权层级 事权部门 严重程度 复杂度 问题性质 "
    "牵头单位 配合单位 承办人(职务) 当前层级 当前状态 登记日期 本层级交办日期 签收日期 办结时限 剩余/逾期工作日 "
    "灯 延期次数 提级次数 最新进展 销号日期"
).split()
Row = list[Value]


# A summary's workbook.


def of_figures(figures: Figures, before: Figures | None, world: World) -> list[Sheet]:
    """Every figure with the numbers of the issues behind it, and every list whole."""
    sheets = [
        Sheet("概况", ["指标", "件数", "上期", "变化", "问题编号"], _overview(figures, before, world)),
        Sheet("逾期", ISSUE_HEAD, _listed(figures.overdue, world)),
        Sheet("两个工作日内到期", ISSUE_HEAD, _listed(figures.soon, world)),
        Sheet("未销号", ISSUE_HEAD, _listed(figures.open, world)),
        Sheet("共性问题", ["问题类别", "项目数", "件数", "问题编号"], _common(figures)),
    ]
    if figures.scope.kind == "province":
        sheets += [Sheet("市地", RANK_HEAD, _ranked(figures.cities)), Sheet("厅局", RANK_HEAD, _ranked(figures.departments))]
    return sheets


def _overview(figures: Figures, before: Figures | None, world: World) -> list[Row]:
    rows = [
        _figure(name, numbers, None if before is None else len(before.numbers[key]))
        for key, name in NAMES.items()
        if (numbers := figures.numbers[key]) or key not in ("rejected", "withdrawn", "merged")
    ]
    for stage, numbers in figures.stages.items():
        then = None if before is None else len(before.stages.get(stage, ()))
        rows.append(_figure(f"未销号：{stage_name(stage, world, 'zh_CN')}", numbers, then))
    return rows


def _figure(name: str, numbers: Sequence[str], then: int | None) -> Row:
    return [name, len(numbers), then, None if then is None else len(numbers) - then, "、".join(numbers)]


def _common(figures: Figures) -> list[Row]:
    return [[each.name, each.projects, len(each.numbers), "、".join(each.numbers)] for each in figures.common]


def _ranked(ranks: Sequence[Rank]) -> list[Row]:
    return [
        [
            place if rank.is_ranked else "—",
            rank.unit,
            rank.total,
            rank.due,
            rank.on_time,
            percent(rank.rate),
            rank.lapses,
            rank.overdue,
            rank.working_days,
            percent(rank.acknowledged),
            rank.yellow,
            rank.red,
            "、".join(rank.lapsed),
        ]
        for place, rank in enumerate(ranks, 1)
    ]


def _listed(issues: Sequence[Open], world: World) -> list[Row]:
    return [_issue(place, each.texts, world, each.left, each.late_by, each.light) for place, each in enumerate(issues, 1)]


def _issue(place: int, row: Any, world: World, left: int | None, late: int, shown: str) -> Row:
    """A line of the checklist (domain.md 3.2) from a whole row."""
    facts = views.facts_of(row)
    told = row._mapping
    project = world.projects[facts.project_id]
    return [
        place,
        facts.number,
        project.code,
        project.name,
        project.city,
        told["title"],
        world.categories().get(facts.category, facts.category),
        told["description"],
        told["requested_action"],
        stage_name(told["authority_level"], world, "zh_CN"),
        told["authority_org"],
        SEVERITY.get(facts.severity, facts.severity),
        COMPLEXITY.get(told["complexity"], told["complexity"]),
        NATURE.get(told["nature"], told["nature"]),
        world.directory.by_id[facts.lead_id].organ,
        told["cooperating_orgs"],
        told["handler_role"],
        stage_name(facts.stage, world, "zh_CN"),
        WORDS["zh_CN"]["status"].get(facts.status, facts.status),
        _day(facts.raised_at, world),
        _day(facts.dispatched_at, world),
        _day(facts.acknowledged_at, world),
        world.calendar.local(facts.due_at) if facts.due_at else None,
        -late if late else left,
        LIGHTS.get(shown, ""),
        facts.extensions,
        facts.escalations,
        told["progress_note"],
        _day(facts.closed_at, world),
    ]


def _day(at: datetime | None, world: World) -> Value:
    return world.calendar.local_day(at) if at else None


# The lists that offices pass on.


def issues(session: Session, world: World, at: datetime, *, only_overdue: bool = False) -> list[Sheet]:
    """The checklist of all issues as they stood at a moment, or of those that were overdue, worst first."""
    rows = _standing(session, at)
    known = [(row, views.facts_of(row)) for row in rows]
    if only_overdue:
        late = [(late_by(facts, world.calendar, at), row, facts) for row, facts in known if overdue(facts, at)]
        known = [(row, facts) for _, row, facts in sorted(late, key=lambda each: (-each[0], each[2].number))]
    lines = [_line(place, row, world, at) for place, (row, _) in enumerate(known, 1)]
    return [Sheet("逾期清单" if only_overdue else "问题清单", ISSUE_HEAD, lines)]


def chosen(session: Session, world: World, numbers: Sequence[str], at: datetime, visible: ColumnElement[bool]) -> list[Sheet]:
    """The checklist of these issues, in their order, as far as they are visible; of the others a line that says so."""
    rows = session.connection().execute(select(ISSUE).where(ISSUE.c.number.in_(numbers), visible)).all()
    there = {row.number: row for row in rows}
    lines: list[Row] = []
    for place, number in enumerate(numbers, 1):
        row = there.get(number)
        missing: Row = [place, number, *([None] * (len(ISSUE_HEAD) - 3)), "没有找到"]
        lines.append(_line(place, row, world, at) if row is not None else missing)
    return [Sheet("问题清单", ISSUE_HEAD, lines)]


def _line(place: int, row: Any, world: World, at: datetime) -> Row:
    facts = views.facts_of(row)
    runs = facts.due_at is not None and facts.status in ("pending_intake", "pending_ack", "processing")
    left = working_days_left(at, facts.due_at, world.calendar) if runs and facts.due_at else None
    shown = light(facts, world.calendar, at, world.rules(facts.workflow).workflow.yellow_light.amount)
    return _issue(place, row, world, left, late_by(facts, world.calendar, at), shown)


def _standing(session: Session, at: datetime) -> list[Any]:
    """Every issue's row as it was at a moment, by number; what is in the archive is not in the lists."""
    connection = session.connection()
    rows = connection.execute(select(ISSUE).where(ISSUE.c.raised_at <= at).order_by(ISSUE.c.number)).all()
    changed = [row.id for row in rows if row.changed_at is None or row.changed_at > at]
    journals = counted.journals_until(connection, changed, at)
    folded = set(changed)
    found = [views.as_told(row, journals.get(row.id, []), at) if row.id in folded else row for row in rows]
    return [row for row in found if row is not None]


def ledger(session: Session, world: World, figures: Figures) -> list[Sheet]:
    """The ledger of projects with the issues that each has open and the worst of their lights (domain.md 3.1).

    Its headers are those that the import takes, so that what an office mends can be imported again.
    """
    told = [column for column in columns.PROJECT.columns if not column.passed_over]
    by_project: dict[int, list[Open]] = {}
    for each in figures.open:
        by_project.setdefault(each.project.id, []).append(each)
    rows = []
    for project in session.exec(select(ProjectRow).order_by(ProjectRow.code)):
        mine = by_project.get(project.id or 0, [])
        lights = {each.light for each in mine}
        worst = next((LIGHTS[each] for each in ("red", "yellow", "green") if each in lights), "")
        rows.append([*[_project(project, column.name) for column in told], len(mine), worst])
    head = [column.headers[0] for column in told] + ["未销号问题数", "亮灯"]
    return [Sheet("项目台账", head, rows)]


#: Where a column of the sheet is another attribute of the row.
_ATTRIBUTES = {"project_code": "code", "project_name": "name"}


def _project(project: ProjectRow, name: str) -> Value:
    found: Value = getattr(project, _ATTRIBUTES.get(name, name))
    return found


__all__ = ["chosen", "issues", "ledger", "of_figures"]
