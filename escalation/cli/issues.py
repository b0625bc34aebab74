"""Commands about issues: raise, act, list, show, explain."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from escalation.cli.shared import Acting, AsJson, At, ConfigFile, attached, clean, day, moment, opened, say, show_json, show_table
from escalation.commands import Do, Raise
from escalation.views import Wanted, local

Seeing = Annotated[str, typer.Option("--as", metavar="PARTY", help="只看该单位可见的 only what this party sees")]
Attached = Annotated[list[Path] | None, typer.Option("--attach", metavar="FILE", help="附件 a file that goes with it")]
LIGHTS = {"red": "bold red", "yellow": "yellow", "green": "green"}
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="问题编号 the issue's number")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this subject."""
    app.command(
        "raise",
        help="上报问题 raise an issue.\n\n"
        "Example: escalation raise --project HLJ26-001 --category power --severity urgent --title 缺电 --as PT0001",
    )(raise_)
    app.command(
        "act", help="办理动作 one action of the state machine.\n\nExample: escalation act WT26-0031 dispatch --as PT0013"
    )(act)
    app.command(
        "list", help="问题清单 the ledger of issues, newest deadline first.\n\nExample: escalation list --overdue --city 牡丹江"
    )(list_)
    app.command(
        "show", help="一件问题的全部 one issue whole, as it stood at --at.\n\nExample: escalation show WT26-0007 --at 2026-11-20"
    )(show)
    app.command(
        "explain", help="为何在此、下一步 why it is where it is and what comes next.\n\nExample: escalation explain WT26-0007"
    )(explain)


def raise_(
    project: Annotated[str, typer.Option("--project", metavar="CODE", help="项目编号 the ledger's project")],
    category: Annotated[str, typer.Option("--category", metavar="C", help="类别 category, by key or Chinese name")],
    severity: Annotated[str, typer.Option("--severity", metavar="S", help="general | major | urgent")],
    title: Annotated[str, typer.Option("--title", metavar="T", help="问题 in one line")],
    acting: Acting,
    text: Annotated[str, typer.Option("--text", help="情况 what is stuck, in full")] = "",
    organ: Annotated[str, typer.Option("--organ", help="事权单位 names the organ itself, instead of the catalogue")] = "",
    attach: Attached = None,
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Raises an issue."""
    with opened(config) as app:
        described = {"description": text}
        files = attached(app, attach or [])
        wanted = Raise(project, category, severity, title, acting, organ=organ, files=files, described=described)
        issue, raised = app.raise_issue(wanted, moment(at, app))
    if as_json:
        show_json(issue | {"why": list(raised.why)})
        return
    say(f"{issue['number']}  {issue['title']}")
    say(f"  {issue['stage_name']} {issue['stage']}, {issue['status']}: {issue['responsible']}, {issue['due_at']}")
    for reason in raised.why:
        say(f"  - {reason}")


def act(
    number: Number,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="动作 e.g. dispatch, acknowledge, resolve, close")],
    acting: Acting,
    reason: Annotated[str, typer.Option("--reason", help="理由、结果或进展 the reason, the result or the progress")] = "",
    to: Annotated[str, typer.Option("--to", metavar="PARTY", help="承办单位 the party it goes to")] = "",
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="日期 a date, 2026-11-30")] = "",
    into: Annotated[str, typer.Option("--into", metavar="NUMBER", help="主问题 the main issue of a merge")] = "",
    attach: Attached = None,
    request: Annotated[int | None, typer.Option("--request", metavar="NO", help="第几号申请 which pending request")] = None,
    note: Annotated[str, typer.Option("--note", help="说明 why, although a sub-task is open")] = "",
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Does one thing to an issue."""
    with opened(config) as app:
        wanted = Do(
            number,
            action,
            acting,
            reason=reason,
            to=to,
            until=day(until),
            into=into,
            files=attached(app, attach or []),
            request_no=request,
            note=note,
        )
        shown = app.act(wanted, moment(at, app))
    if as_json:
        show_json(shown)
        return
    issue = shown["issue"]
    say(f"{number}  {action}: {issue['stage_name']} {issue['stage']}, {issue['status']}; {issue['lead']}, {issue['due_at']}")


def list_(
    overdue: Annotated[bool, typer.Option("--overdue", help="只列逾期 overdue ones only")] = False,
    light: Annotated[str, typer.Option("--light", metavar="red|yellow|green", help="红黄绿灯")] = "",
    stage: Annotated[str, typer.Option("--stage", metavar="S", help="层级 city | department | province")] = "",
    city: Annotated[str, typer.Option("--city", metavar="C", help="市(地)")] = "",
    department: Annotated[str, typer.Option("--department", metavar="D", help="省直厅局")] = "",
    mine: Annotated[str, typer.Option("--mine", metavar="PARTY", help="某单位的 those of a party")] = "",
    acting: Seeing = "",
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Lists issues."""
    with opened(config) as app:
        now = moment(at, app)
        wanted = Wanted(overdue, light, stage, city, department, mine, now if at else None)
        items = app.issues(wanted, now, acting)
    if as_json:
        show_json({"items": items, "total": len(items)})
        return
    if not items:
        say("没有符合条件的问题 no issue fits")
        return
    rows = [
        [
            item["number"],
            item["title"],
            item["stage"],
            item["status"],
            item["lead_organ"],
            (item["due_at"] or "")[:16].replace("T", " "),
            item["light"],
            item["late_by"] or "",
        ]
        for item in items
    ]
    columns = ["编号", "问题 issue", "层级", "状态 status", "牵头单位 lead", "时限 due", "灯 light", "逾期 late (wd)"]
    show_table(f"问题清单 issues: {len(items)}", columns, rows, LIGHTS)


def show(number: Number, acting: Seeing = "", at: At = "", config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Shows an issue."""
    with opened(config) as app:
        now = moment(at, app)
        app.refuse_unseen(number, acting, now)
        shown = app.show(number, now, now if at else None)
    if as_json:
        show_json(shown)
        return
    _print_issue(shown)


def _print_issue(shown: dict[str, Any]) -> None:
    issue = shown["issue"]
    say(f"{issue['number']}  {issue['title']}")
    for label, key in (
        ("项目 project", "project_name"),
        ("类别 category", "category"),
        ("层级 stage", "stage_name"),
        ("状态 status", "status"),
        ("责任 responsible", "responsible"),
        ("牵头 lead", "lead"),
        ("时限 due", "due_at"),
        ("灯 light", "light"),
        ("情况 text", "description"),
        ("进展 progress", "progress_note"),
    ):
        if issue[key]:
            say(f"  {label}: {issue[key]}")
    stays = [
        [
            each["no"],
            each["stage"],
            each["responsible"],
            _short(each["dispatched"]),
            _short(each["due"]),
            _short(each["left"]),
            each["outcome"],
        ]
        for each in shown["assignments"]
    ]
    show_table("承办 assignments", ["#", "层级", "责任 responsible", "交办 from", "时限 due", "离开 left", "结果 outcome"], stays)
    entries = [
        [each["seq"], _short(each["at"]), each["actor"], each["action"], each["to"], each["reason"]] for each in shown["journal"]
    ]
    show_table("流水 journal", ["#", "时间 at", "谁 who", "动作 action", "到 to", "说明 reason"], entries)
    if shown["files"]:
        files = [[e["no"], e["name"], f"{e['size'] / 1024:,.0f} KB", e["by"], _short(e["at"])] for e in shown["files"]]
        show_table("附件 files", ["#", "名称 name", "大小 size", "谁 who", "时间 at"], files)
    mails = [[_short(each["queued_at"]), each["kind"], each["recipient"], each["state"]] for each in shown["mails"]]
    show_table("邮件 mails", ["时间 at", "种类 kind", "收件人 to", "状态 state"], mails)


def _short(text: str | None) -> str:
    return clean(text[:16].replace("T", " ")) if text else ""


def explain(number: Number, acting: Seeing = "", at: At = "", config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Explains an issue."""
    with opened(config) as app:
        app.refuse_unseen(number, acting, moment(at, app))
        told = app.explain(number, moment(at, app))
        following = app.look(
            lambda session, world: [{"at": local(each.at, world), "what": each.what, "who": each.who} for each in told.next]
        )
    if as_json:
        show_json({"because": list(told.because), "next": following, **({} if told.because else asdict(told))})
        return
    for reason in told.because:
        say(f"- {reason}")
    show_table(
        "无人处理时 if nobody acts",
        ["何时 when", "何事 what", "何人 who"],
        [[_short(e["at"]), e["what"], e["who"]] for e in following],
    )
