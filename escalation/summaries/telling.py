"""Figures become what a mail says: sentences' facts, lists worst first, bars; in the reader's language."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from escalation.charts import Bar, drawn
from escalation.notices import when
from escalation.summaries.figures import Figures, Rank
from escalation.summaries.periods import Period
from escalation.summaries.picture import Open
from escalation.world import World
from notifications.kinds import WORDS

#: Rows of a list in a mail; the workbook has all.
MOST = 15
#: A summary made later than this after its moment says so.
LATE = timedelta(hours=1)
#: Working days in which the organs answer a summary.
ANSWER = 2

SAID: Mapping[str, Mapping[str, str]] = {
    "zh_CN": {
        "number": "编号",
        "project": "项目",
        "title": "问题",
        "lead": "牵头单位",
        "due": "办结时限",
        "late_by": "逾期（工作日）",
        "left": "剩余（工作日）",
        "card": "牌",
        "stage": "层级",
        "status": "状态",
        "red": "红",
        "yellow": "黄",
        "of_stage": "{stage}{count}件",
        "join": "、",
        "change": "{name}{sign}{count}件",
        "open": "未销号",
        "overdue": "逾期",
        "soon": "两个工作日内到期",
        "since": "较上期（{when}）",
        "same": "与上期持平",
        "week": "第{week}周",
        "month": "{month}月",
        "open_bars": "未销号问题，按层级（红色为逾期）",
        "unit_bars": "未销号问题，按单位（红色为逾期）",
        "rank": "名次",
        "unit": "单位",
        "total": "问题总数",
        "must": "应办结",
        "on_time": "按期办结",
        "rate": "按期办结率",
        "lapses": "逾期提级",
        "overdue_now": "在办逾期",
        "days": "平均办理工作日",
        "acknowledged": "签收及时率",
        "cards": "黄牌/红牌",
        "unranked": "—",
        "tellings": "重点项目问题提级办理情况",
    },
    "en": {
        "number": "No.",
        "project": "Project",
        "title": "Issue",
        "lead": "Lead organ",
        "due": "Due",
        "late_by": "Late (working days)",
        "left": "Left (working days)",
        "card": "Card",
        "stage": "Stage",
        "status": "Status",
        "red": "red",
        "yellow": "yellow",
        "of_stage": "{stage} {count}",
        "join": ", ",
        "change": "{name} {sign}{count}",
        "open": "open",
        "overdue": "overdue",
        "soon": "due within two working days",
        "since": "Against last time ({when})",
        "same": "no change",
        "week": "week {week}",
        "month": "{month}",
        "open_bars": "Open issues by stage (red: overdue)",
        "unit_bars": "Open issues by unit (red: overdue)",
        "rank": "Rank",
        "unit": "Unit",
        "total": "Issues",
        "must": "Due",
        "on_time": "On time",
        "rate": "On-time rate",
        "lapses": "Lapsed",
        "overdue_now": "Overdue",
        "days": "Average working days",
        "acknowledged": "Acknowledged in time",
        "cards": "Yellow/red cards",
        "unranked": "-",
        "tellings": "issues of key projects",
    },
}

#: Figures that a template may name, each as its number.
COUNTED = (
    "registered open closed pending_intake pending_ack processing pending_review suspended raised escalated escalated_auto "
    "escalated_manual resolved closed_then reworked reopened overdue soon"
).split()
COMPARED = ("open", "overdue", "soon")
Facts = dict[str, Any]


def of_scope(
    figures: Figures, before: Figures | None, world: World, period: Period, language: str, made: datetime, base_url: str
) -> Facts:
    """What a weekly or monthly summary says, to whomever it is sent."""
    said, zone = SAID[language], world.calendar.zone_name
    facts: Facts = {name: str(figures[name]) for name in COUNTED}
    facts |= {
        "number": period.name,
        "title": _title(figures, world, language),
        "scope": figures.scope.name(world, language),
        "period": _period(period, said),
        "as_of": when(period.moment, language, zone),
        "made_at": made_late(period, made, language, zone),
        "by_stage": _by_stage(figures.stages, world, language),
        "overdue_by_stage": _by_stage(_stages_of(figures.overdue, figures), world, language),
        "common": said["join"].join(each.name for each in figures.common),
        "reply_by": _day(when(_answer_by(world, period.moment), language, zone)),
        "change": change(figures, before, language, zone),
        "link": f"{base_url}/summaries" if base_url else "",
    }
    facts["grids"] = {
        "late": listed(figures.overdue, _LATE, world, language, base_url),
        "soon": listed(figures.soon, _SOON, world, language, base_url),
        "stages": _bars(_stage_bars(figures, world, language), said["open_bars"]),
        "units": _bars(_unit_bars(figures), said["unit_bars"]),
        "cities": ranking(figures.cities, said) if figures.scope.kind == "province" else {},
        "departments": ranking(figures.departments, said) if figures.scope.kind == "province" else {},
    }
    return facts


def made_late(period: Period, made: datetime, language: str, zone: str) -> str:
    """When it was made, if that is worth saying."""
    return when(made, language, zone) if made - period.moment > LATE else ""


def _title(figures: Figures, world: World, language: str) -> str:
    name, what = figures.scope.name(world, language), SAID[language]["tellings"]
    return f"{name}: {what}" if language == "en" else f"{name}{what}"


def _period(period: Period, said: Mapping[str, str]) -> str:
    """第47周, 10月; the day of a daily is its name."""
    if period.kind == "weekly":
        return said["week"].format(week=int(period.name.partition("-W")[2]))
    if period.kind == "monthly":
        return said["month"].format(month=int(period.name.partition("-")[2])) if said is SAID["zh_CN"] else period.name
    return period.name


def _answer_by(world: World, moment: datetime) -> datetime:
    calendar = world.calendar
    return calendar.closing(calendar.add_working_days(calendar.local_day(moment), ANSWER))


def _day(moment: str) -> str:
    """Without the time of day."""
    return moment[:-5].rstrip()


def _by_stage(stages: Mapping[str, Sequence[str]], world: World, language: str) -> str:
    said = SAID[language]
    listed = [
        said["of_stage"].format(stage=stage_name(stage, world, language), count=len(numbers))
        for stage, numbers in stages.items()
        if numbers
    ]
    return said["join"].join(listed)


def stage_name(key: str, world: World, language: str) -> str:
    """A stage's name; of one that the present workflow does not have, its key."""
    stages = {stage.key: stage.name for stage in world.rules().workflow.stages}
    return stages[key].in_language(language) if key in stages else key


def _stages_of(issues: Iterable[Open], figures: Figures) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {stage: [] for stage in figures.stages}
    for each in issues:
        found[each.facts.stage].append(each.number)
    return found


def change(now: Figures, before: Figures | None, language: str, zone: str) -> str:
    """What differs from last time; empty where there is no last time."""
    if before is None or before.is_empty:
        return ""
    said = SAID[language]
    found = [
        said["change"].format(name=said[name], sign="+" if more > 0 else "-", count=abs(more))
        for name in COMPARED
        if (more := now[name] - before[name])
    ]
    since = said["since"].format(when=_day(when(before.at, language, zone)))
    colon, comma, stop = (": ", ", ", ".") if language == "en" else ("：", "，", "。")
    return since + colon + (comma.join(found) or said["same"]) + stop


# Lists.

Column = tuple[str, Callable[[Open, World, str], str]]


def _due(each: Open, world: World, language: str) -> str:
    return when(each.facts.due_at, language, world.calendar.zone_name)


_HEAD: tuple[Column, ...] = (
    ("number", lambda each, world, language: each.number),
    ("project", lambda each, world, language: each.project.name),
    ("title", lambda each, world, language: each.texts.title),
    ("lead", lambda each, world, language: each.lead.organ),
    ("due", _due),
)
_LATE: tuple[Column, ...] = (
    *_HEAD,
    ("late_by", lambda each, world, language: str(each.late_by)),
    ("card", lambda each, world, language: SAID[language].get(each.card, "")),
)
_SOON: tuple[Column, ...] = (*_HEAD, ("left", lambda each, world, language: str(each.left)))
_STATE: tuple[Column, ...] = (
    *_HEAD,
    ("status", lambda each, world, language: WORDS[language]["status"].get(each.facts.status, each.facts.status)),
)
LISTS = {"late": _LATE, "soon": _SOON, "today": _SOON, "unsigned": _STATE, "review": _STATE}


def listed(issues: Sequence[Open], columns: Sequence[Column], world: World, language: str, base_url: str) -> Facts:
    """A list as a mail shows it: the first rows, and how many more there are."""
    if not issues:
        return {}
    shown = issues[:MOST]
    return {
        "head": [SAID[language][name] for name, _ in columns],
        "rows": [[cell(each, world, language) for _, cell in columns] for each in shown],
        "links": [f"{base_url}/issues/{each.number}" for each in shown] if base_url else [],
        "more": len(issues) - len(shown),
    }


def ranking(ranks: Sequence[Rank], said: Mapping[str, str]) -> Facts:
    """The ranking table of domain.md 3.5; units with too little to judge by come last, without a rank."""
    if not ranks:
        return {}
    names = ("rank", "unit", "total", "must", "on_time", "rate", "lapses", "overdue_now", "days", "acknowledged", "cards")
    return {
        "head": [said[name] for name in names],
        "rows": [_rank_row(place, rank, said) for place, rank in enumerate(ranks, 1)],
        "links": [],
        "more": 0,
    }


def _rank_row(place: int, rank: Rank, said: Mapping[str, str]) -> list[str]:
    return [
        str(place) if rank.is_ranked else said["unranked"],
        rank.unit,
        str(rank.total),
        str(rank.due),
        str(rank.on_time),
        percent(rank.rate),
        str(rank.lapses),
        str(rank.overdue),
        "" if rank.working_days is None else f"{rank.working_days:g}",
        percent(rank.acknowledged),
        f"{rank.yellow}/{rank.red}",
    ]


def percent(rate: float | None) -> str:
    """75.82%; nothing where there is none."""
    return "" if rate is None else f"{rate:g}%"


# Bars.


def _stage_bars(figures: Figures, world: World, language: str) -> list[Bar]:
    late = _stages_of(figures.overdue, figures)
    return [Bar(stage_name(stage, world, language), len(numbers), len(late[stage])) for stage, numbers in figures.stages.items()]


def _unit_bars(figures: Figures) -> list[Bar]:
    """By city; within a city by the organ that leads."""
    by_organ = figures.scope.kind == "city"
    found: dict[str, list[Open]] = {}
    for each in figures.open:
        found.setdefault(each.lead.organ if by_organ else each.project.city, []).append(each)
    bars = [Bar(unit, len(issues), sum(each.overdue for each in issues)) for unit, issues in found.items()]
    return sorted(bars, key=lambda bar: (-bar.value, -bar.late, bar.label))[:MOST]


def _bars(bars: Sequence[Bar], caption: str) -> Facts:
    if not any(bar.value for bar in bars):
        return {}
    return {"caption": caption, "bars": [each._asdict() for each in drawn(bars)]}


# What one person has to do.


def of_person(
    lists: Mapping[str, Sequence[Open]],
    reminded: Facts,
    world: World,
    period: Period,
    language: str,
    made: datetime,
    base_url: str,
) -> Facts:
    """What a daily says: today, overdue, soon, unsigned, to be reviewed; and what else its reader is reminded of."""
    zone = world.calendar.zone_name
    facts: Facts = {name: str(len(issues)) for name, issues in lists.items()} | {"reminders": reminded["reminders"]}
    grids = {name: listed(issues, LISTS[name], world, language, base_url) for name, issues in lists.items()}
    return facts | {
        "number": period.name,
        "title": "",
        "as_of": when(period.moment, language, zone),
        "day": _day(when(period.moment, language, zone)),
        "total": str(len({each.number for issues in lists.values() for each in issues})),
        "made_at": made_late(period, made, language, zone),
        "link": base_url,
        "grids": grids | {"reminders": reminded["grid"]},
    }
