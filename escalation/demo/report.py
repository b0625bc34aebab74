"""What the demo shows a newcomer: what happened in numbers, each issue's way up the ladder, one issue told in full."""

from collections import Counter
from datetime import datetime
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import select
from sqlmodel import Session

from escalation.app import App
from escalation.demo import Story
from escalation.explaining import light
from escalation.queries import ASSIGNMENT, ISSUE, JOURNAL, OUTBOX
from escalation.views import facts_of
from escalation.world import World

COLOURS = {"red": "bold red", "yellow": "yellow", "green": "green"}
STATUS = {
    "pending_intake": "待受理 to dispatch",
    "pending_ack": "待签收 to acknowledge",
    "processing": "办理中 in progress",
    "pending_review": "待审核 under review",
    "suspended": "挂起 suspended",
    "closed": "已销号 closed",
    "rejected": "不予受理 rejected",
    "withdrawn": "已撤回 withdrawn",
    "merged": "已并案 merged",
}
ACTIONS = {
    "raise": "上报 raised",
    "dispatch": "交办 dispatched",
    "acknowledge": "签收 acknowledged",
    "auto_acknowledge": "视同签收 acknowledged by the system",
    "warn": "到期提醒 reminder before the deadline",
    "escalate_auto": "超时自动提级 overdue: went up by itself",
    "escalate": "人工提级 escalated by hand",
    "overdue_top": "省级逾期,拟记红牌 overdue at the top: red card proposed",
    "supervision_letter": "督办函拟稿 supervision letter drafted",
    "miss_report": "未按时反馈 progress report missed",
    "report_progress": "反馈进展 progress reported",
    "ask_extension": "申请延期 extension asked for",
    "extend": "同意延期 extension granted",
    "resolve": "申请销号 says it is solved",
    "confirm": "联络员确认 confirmed by the liaison",
    "return_for_rework": "退回重办 sent back",
    "remind_review": "审核超时 review late",
    "close": "销号 closed",
    "resume": "恢复办理 resumed",
}


def present(story: Story, app: App, console: Console) -> None:
    """Prints the whole report."""
    app.look(lambda session, world: _present(story, session, world, console))


def _present(story: Story, session: Session, world: World, console: Console) -> None:

    def day(at: datetime) -> str:
        return world.calendar.local(at).strftime("%Y-%m-%d")

    console.print()
    console.print(
        f"[bold]{story.projects} 个项目、{story.issues} 件问题,{day(story.began)} 至 {day(story.ended)}[/bold]  "
        f"{story.projects} projects, {story.issues} issues, simulated day by day"
    )
    console.print(_ladder(story, session, world))
    console.print(_ways(session, world, story.ended))
    number = _most_telling(session)
    if number:
        console.print(_told_in_full(session, world, number))
    console.print(
        f"[bold]邮件 mail[/bold]: {story.mails_sent} 封发给 {story.recipients} 个单位 mails to {story.recipients} organs, "
        f"through a real SMTP server\n  {story.folder / 'mailbox'}"
    )
    console.print(f"[bold]账本 record[/bold]: {story.folder / 'escalation.db'}")
    ok = story.verify == "ok"
    verdict = "全部流水重放一致 every journal replays to its issue" if ok else "; ".join(story.broken)
    console.print(f"[bold {'green' if ok else 'red'}]verify: {story.verify}[/]  {verdict}")


def _ladder(story: Story, session: Session, world: World) -> Table:
    """Stage by stage: what came up, what was closed, what is open and overdue."""
    table = Table(title="层级 The ladder", title_justify="left", title_style="bold", caption_justify="left")
    for name in ("层级 stage", "自动提入 came up by itself", "销号 closed", "在办 open", "逾期 overdue"):
        table.add_column(name, justify="left" if name.startswith("层级") else "right")
    rows = [facts_of(row) for row in session.connection().execute(select(ISSUE))]
    for stage in world.rules().workflow.stages:
        here = [facts for facts in rows if facts.stage == stage.key]
        closed = [facts for facts in here if facts.closed_at and facts.closed_at >= story.began]
        still = [facts for facts in here if facts.is_open]
        late = [facts for facts in still if light(facts, world.calendar, story.ended) == "red"]
        table.add_row(
            f"{stage.name.zh} {stage.name.en}",
            str(story.escalated[stage.key]),
            str(len(closed)),
            str(len(still)),
            Text(str(len(late)), style="bold red" if late else ""),
        )
    return table


def _ways(session: Session, world: World, now: datetime) -> Table:
    """Each issue's way: when it came to each stage, and how it stands."""
    table = Table(title="每件问题的去向 Where each issue went", title_justify="left", title_style="bold")
    table.add_column("编号", no_wrap=True)
    table.add_column("问题 issue", max_width=34, no_wrap=True, overflow="ellipsis")
    for stage in world.rules().workflow.stages:
        table.add_column(f"{stage.name.zh}", no_wrap=True)
    table.add_column("现状 now", no_wrap=True)
    stays: dict[int, list[Any]] = {}
    for row in session.connection().execute(select(ASSIGNMENT).order_by(ASSIGNMENT.c.issue_id, ASSIGNMENT.c.no)):
        stays.setdefault(row.issue_id, []).append(row)
    for row in session.connection().execute(select(ISSUE).order_by(ISSUE.c.number)):
        facts = facts_of(row)
        shown = light(facts, world.calendar, now)
        cells = [_stay(stage.key, stays[facts.id], world) for stage in world.rules().workflow.stages]
        state = Text(STATUS.get(facts.status, facts.status), style=COLOURS.get(shown, "dim"))
        table.add_row(facts.number, row.title, *cells, state)
    return table


def _stay(stage: str, stays: list[Any], world: World) -> Text:
    here = [stay for stay in stays if stay.stage == stage and stay.outcome != "dispatched"]
    if not here:
        return Text("")
    came, left = here[0].entered_at, here[-1].left_at
    text = Text(world.calendar.local(came).strftime("%m-%d"))
    match here[-1].outcome:
        case "escalated_overdue":
            text.append(" ⇧超时", style="red")
        case "escalated_by_hand":
            text.append(" ↑人工", style="yellow")
        case "closed":
            text.append(f" ✓{world.calendar.local(left):%m-%d}", style="green")
    return text


def _most_telling(session: Session) -> str:
    """The issue that went furthest by itself while the demo ran."""
    moves: Counter[int] = Counter()
    for row in session.connection().execute(select(JOURNAL.c.issue_id, JOURNAL.c.action, JOURNAL.c.body)):
        if b'"imported"' not in row.body:
            moves[row.issue_id] += 100 if row.action == "escalate_auto" else 20 if row.action == "close" else 1
    if not moves:
        return ""
    number: str = (
        session.connection().execute(select(ISSUE.c.number).where(ISSUE.c.id == moves.most_common(1)[0][0])).scalar_one()
    )
    return number


def _told_in_full(session: Session, world: World, number: str) -> Table:
    connection = session.connection()
    issue = connection.execute(select(ISSUE).where(ISSUE.c.number == number)).one()
    table = Table(title=f"一件问题的全程 One issue in full: {number} {issue.title}", title_justify="left", title_style="bold")
    for name in ("时间 when", "经过 what happened", "层级 stage", "谁 who", "邮件 mails"):
        table.add_column(name, no_wrap=name != "经过 what happened", justify="right" if name.startswith("邮件") else "left")
    mails = Counter(
        key.split(":")[1] for key in connection.execute(select(OUTBOX.c.key).where(OUTBOX.c.about == number)).scalars()
    )
    names = {stage.key: stage.name.zh for stage in world.rules().workflow.stages}
    for row in connection.execute(select(JOURNAL).where(JOURNAL.c.issue_id == issue.id).order_by(JOURNAL.c.seq)):
        body = orjson.loads(row.body)
        actor = world.directory.by_code.get(row.actor)
        lead = world.directory.by_id.get(body["changes"].get("lead_id", 0))
        who = actor.name if actor else f"系统 → {lead.name}" if lead and row.action.startswith("escalate") else "系统"
        what = ACTIONS.get(row.action, row.action)
        style = "red" if row.action in ("escalate_auto", "overdue_top") else "green" if row.action == "close" else ""
        table.add_row(
            world.calendar.local(row.at).strftime("%m-%d %H:%M"),
            Text(what, style=style),
            names[row.to_state.partition(".")[0]],
            "历史导入 imported" if body.get("detail", {}).get("imported") else who,
            str(mails[str(row.seq)]) if mails[str(row.seq)] else "",
        )
    return table
