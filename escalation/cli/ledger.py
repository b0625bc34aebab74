"""Commands about the ledger and the calendar: import, calendar."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from escalation.cli.shared import AsJson, At, ConfigFile, moment, opened, say, show_json, show_table
from escalation.errors import UsageError
from escalation.ledger import notice
from escalation.world import WHOLE_NOTICE, whole_years
from workflows.calendar import WorkCalendar

calendar = typer.Typer(help="工作日历 the working calendar")


def register(app: typer.Typer) -> None:
    """Adds the commands of this subject."""
    app.command(
        "import",
        help="导入台账 import parties, catalogue, projects, issues (.xlsx, .csv).\n\n"
        "Example: escalation import parties.csv authority.csv projects.csv issues.xlsx --report bad.xlsx",
    )(import_)
    calendar.command(
        "import",
        help="导入放假通知 import a notice (JSON or CSV: date, working|holiday, name).\n\n"
        "Example: escalation calendar import 2027.json",
    )(import_calendar)
    calendar.command(
        "show", help="某年的调休与放假 a year's days off and make-up days.\n\nExample: escalation calendar show 2026"
    )(show_calendar)
    app.add_typer(calendar, name="calendar")


def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="一个或多个文件 one or more files, in any order")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查 check only, write nothing")] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="OUT.xlsx", help="标出错误单元格的工作簿 a workbook with bad cells marked")
    ] = None,
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Imports files; all or nothing a file."""
    for path in files:
        if not path.is_file():
            raise UsageError(f"there is no file {path}", "check the path")
    with opened(config) as app:
        done = app.import_files(files, moment(at, app), dry_run=dry_run)
    if report is not None:
        from escalation.ledger.report import write_report  # noqa: PLC0415  # its library takes a tenth of a command's start

        write_report(report, done.sheets, done.rejected)
    rejected = [_cell(each) for each in done.rejected]
    if as_json:
        show_json(
            {
                "created": done.created,
                "updated": done.updated,
                "unchanged": done.unchanged,
                "rejected": rejected,
                "dry_run": dry_run,
            }
        )
    else:
        tables = sorted({*done.created, *done.updated, *done.unchanged})
        rows = [[name, done.created.get(name, 0), done.updated.get(name, 0), done.unchanged.get(name, 0)] for name in tables]
        show_table(
            "导入 import" + (" (dry run)" if dry_run else ""),
            ["表 table", "新增 created", "更新 updated", "未变 unchanged"],
            rows,
        )
        if rejected:
            cells = [[each["sheet"], each["row"], each["column"], each["value"], each["why"]] for each in rejected[:100]]
            show_table(f"退回 rejected: {len(rejected)}", ["表 sheet", "行 row", "列 column", "内容 value", "原因 why"], cells)
            say("有误的文件整份未导入 a file with a bad cell is not imported at all")
    if rejected:
        raise typer.Exit(1)


def _cell(bad: Any) -> dict[str, Any]:
    return {"sheet": bad.sheet, "row": bad.row, "column": bad.column, "value": bad.value, "why": bad.why, "file": bad.file}


def import_calendar(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看不改 say which deadlines would move, write nothing")] = False,
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Imports a notice of days off; running deadlines are counted again."""
    try:
        days = notice.read(file.read_text(encoding="utf-8-sig"), file.name)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", "name a JSON or CSV file in UTF-8") from error
    with opened(config) as app:
        moved = app.change_days(days, file.name, moment(at, app), dry_run=dry_run)
        zone, standing = app.settings.calendar.zone, app.look(lambda session, world: world.calendar)
    taken = _taken_for(days, standing)
    if as_json:
        told = [{"number": each.number, "before": each.before, "after": each.after} for each in moved]
        years = {f"{year}": kind for year, (kind, _) in taken.items()}
        show_json({"days": len(days), "deadlines_changed": len(moved), "moved": told, "taken_for": years, "dry_run": dry_run})
        return
    say(f"{len(days)} 天{'待' if dry_run else '已'}导入 days; {len(moved)} 件问题的时限重新计算 deadlines changed")
    for year, (_, words) in taken.items():
        say(f"{year}: {words}")
    if moved:
        local = ZoneInfo(zone)
        rows = [[each.number, *(f"{when.astimezone(local):%Y-%m-%d %H:%M}" for when in each[1:])] for each in moved[:100]]
        show_table("时限 deadlines", ["编号 number", "原 before", "现 after"], rows)


def _taken_for(days: notice.Days, standing: WorkCalendar) -> dict[int, tuple[str, str]]:
    """Year -> what its days were taken for, as a word for programs and as a sentence; counted with those entered before."""
    whole = whole_years({*standing.overrides, *days})
    found = {}
    for year in sorted({day.year for day in days}):
        if year <= standing.published_until.year:
            found[year] = ("corrections", "更正 corrections of a year that is published")
        elif year in whole:
            found[year] = ("notice", "全年通知 the whole notice: the year is published")
        else:
            few = f"更正 corrections only: a whole notice names {WHOLE_NOTICE} days or more; the year is still 暂定 provisional"
            found[year] = ("corrections", few)
    return found


def show_calendar(
    year: Annotated[int, typer.Argument(metavar="YEAR", min=2004, max=2060)], config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Shows what differs from Monday to Friday in a year."""
    with opened(config) as app:
        world_calendar = app.look(lambda session, world: world.calendar)
    eve, last = date(year, 1, 1) - timedelta(days=1), date(year, 12, 31)
    off = [(day, name) for day, name in world_calendar.days_off_between(eve, last) if day.weekday() < 5]
    made_up = world_calendar.makeup_days_between(eve, last)
    provisional = world_calendar.is_provisional(last)
    if as_json:
        show_json({"year": year, "provisional": provisional, "off": [[day, name] for day, name in off], "makeup": made_up})
        return
    rows = [[day.isoformat(), "放假 off", name] for day, name in off] + [[day.isoformat(), "上班 make-up", ""] for day in made_up]
    show_table(f"{year}" + (" 暂定 provisional" if provisional else ""), ["日期 day", "", "名称 name"], sorted(rows))
