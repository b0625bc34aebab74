"""Commands about summaries: make what is due, look at it beforehand, and write the workbooks that offices pass on."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import Session

from escalation.app import App
from escalation.cli.shared import AsJson, At, ConfigFile, moment, opened, say, show_json
from escalation.errors import NotFound, UsageError
from escalation.ledger.sheets import Sheet
from escalation.summaries import PROVINCE, Kind, books, figures
from escalation.summaries.figures import as_of
from escalation.world import World


class Which(StrEnum):
    """The kinds of summaries."""

    daily = "daily"
    weekly = "weekly"
    monthly = "monthly"


class Export(StrEnum):
    """What can be written as a workbook."""

    ledger = "ledger"
    issues = "issues"
    overdue = "overdue"


def register(app: typer.Typer) -> None:
    """Adds the commands of this subject."""
    app.command(
        "summary",
        help="日报、周报、月报 make and queue the newest summary of a kind.\n\n"
        "Example: escalation summary weekly --to PT0205 --preview weekly.html",
    )(summary)
    app.command("export", help="导出工作簿 write a workbook.\n\nExample: escalation export overdue overdue.xlsx --at 2026-11-23")(
        export
    )


def summary(
    kind: Annotated[Which, typer.Argument(metavar="daily|weekly|monthly")],
    at: At = "",
    to: Annotated[str, typer.Option("--to", metavar="PARTY", help="只给此人 for this party alone, by code or name")] = "",
    preview: Annotated[
        Path | None,
        typer.Option("--preview", metavar="OUT.html", help="先看 write the mail and its workbook here, queue nothing"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只统计 count only, queue nothing")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Makes summaries; those that have been made are left alone."""
    wanted: Kind = kind.value
    with opened(config) as app:
        now = moment(at, app)
        written = _preview(app, wanted, now, to, preview) if preview else []
        made = app.summariser.make(wanted, now, now, to=to, dry_run=dry_run or preview is not None)
    if as_json:
        show_json(made.as_json() | ({"preview": written} if preview else {}))
        return
    for path in written:
        say(f"已写入 written: {path}")
    say(f"生成 made {made.made}，入队 queued {made.queued}，此前已发 already made {made.skipped_already_made}")


def _preview(app: App, kind: Kind, now: datetime, to: str, out: Path) -> list[str]:
    """The first letter as it would be read, and beside it its workbook. Raises NotFound when there is nothing to tell."""
    from escalation.ledger.writing import write  # noqa: PLC0415  # its library takes a tenth of a command's start

    period = app.summariser.period(kind, now)
    letters = app.summariser.compose(period, now, to=to, again=True).letters if period else []
    if period is None or not letters:
        raise NotFound(f"there is no {kind} summary{f' for {to}' if to else ''}", "nothing is open, or nobody reads its mail")
    letter = letters[-1]
    out.write_text(app.mailroom.renderer().render(letter.kind, letter.reader.language, letter.facts).html, encoding="utf-8")
    written = [str(out)]
    if letter.figures is not None:
        told = letter.figures
        sheets = app.look(lambda session, world: books.of_figures(told, letter.before, world))
        write(out.with_suffix(".xlsx"), sheets, period.moment)
        written.append(str(out.with_suffix(".xlsx")))
    return written


def export(
    what: Annotated[Export, typer.Argument(metavar="ledger|issues|overdue")],
    out: Annotated[Path, typer.Argument(metavar="OUT.xlsx")],
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Writes a workbook, as things stood at a moment."""
    from escalation.ledger.writing import write  # noqa: PLC0415  # its library takes a tenth of a command's start

    if out.suffix.lower() != ".xlsx":
        raise UsageError(f"{out} does not end in .xlsx", "name the workbook OUT.xlsx")
    with opened(config) as app:
        now = moment(at, app)

        def sheets(session: Session, world: World) -> list[Sheet]:
            if what is Export.ledger:
                return books.ledger(session, world, figures(session, world, PROVINCE, as_of(world, now)))
            return books.issues(session, world, now, only_overdue=what is Export.overdue)

        rows = write(out, app.look(sheets), now)
    if as_json:
        show_json({"file": str(out), "rows": rows})
        return
    say(f"已写入 written: {out} (" + ", ".join(f"{title} {count}" for title, count in rows.items()) + ")")
