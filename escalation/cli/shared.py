"""What all commands share: options, opening the installation, and how things are printed."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from escalation import config, migrating
from escalation.app import App, to_json
from escalation.clock import system_clock, utc
from escalation.errors import UsageError
from escalation.filekinds import MEGABYTE, File, check

ConfigFile = Annotated[Path | None, typer.Option("--config", help="配置文件 configuration file", metavar="FILE")]
AsJson = Annotated[bool, typer.Option("--json", help="供程序读取 machine-readable output")]
At = Annotated[str, typer.Option("--at", metavar="T", help="时刻 a moment, ISO 8601; a date alone is 09:00; default: now")]
Acting = Annotated[str, typer.Option("--as", metavar="PARTY", help="以谁的身份 the acting party, by code or name")]

#: Control, bidi and zero-width characters do nothing good to a terminal.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


@contextmanager
def opened(file: Path | None, *, any_schema: bool = False) -> Iterator[App]:
    """The installation of a configuration file; closed afterwards. Raises BadConfig, DatabaseTrouble."""
    app = App(config.read(file))
    try:
        if not any_schema:
            migrating.refuse_old(app.store)
            app.store.revision = migrating.newest()
        yield app
    finally:
        app.close()


def moment(text: str, app: App) -> datetime:
    """What `--at` says; now when it says nothing. Raises UsageError."""
    if not text:
        return system_clock()
    zone = ZoneInfo(app.settings.calendar.zone)
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return utc(datetime.combine(date.fromisoformat(text), time(9), zone))
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no moment", "write it as 2026-11-23T17:01 or 2026-11-23") from error
    return utc(found if found.tzinfo else found.replace(tzinfo=zone))


def day(text: str) -> date | None:
    """What `--until` says. Raises UsageError."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no date", "write it as 2026-11-30") from error


def attached(app: App, paths: Sequence[Path]) -> tuple[File, ...]:
    """Files of this machine, checked. Raises BadFile, UsageError."""
    limits = app.settings.files.limits
    if len(paths) > limits.at_once:
        raise UsageError(f"{len(paths)} files are too many at once", f"{limits.at_once} at most")
    found = []
    for path in paths:
        try:
            # no more than decides that it is too large
            with path.open("rb") as file:
                found.append(check(path.name, file.read(limits.megabytes * MEGABYTE + 1), limits))
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}", "check the path and the rights") from error
    return tuple(found)


def clean(text: object) -> str:
    """A text that is safe on a terminal."""
    return _UNSEEN.sub("", str(text))


def console() -> Console:
    """Standard output, as wide as a page where it goes into a pipe."""
    return Console(width=None if sys.stdout.isatty() else 140, soft_wrap=False, highlight=False)


def show_json(value: Any) -> None:
    """Prints a value for programs."""
    typer.echo(to_json(value))


def show_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], styles: Mapping[str, str] | None = None
) -> None:
    """Prints a table for people; a cell whose text is in `styles` takes that style."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[Text(clean(cell), style=(styles or {}).get(str(cell), "")) for cell in row])
    console().print(table)


def say(text: str) -> None:
    """Prints a line for a person."""
    typer.echo(clean(text))


def complain(code: str, message: str, hint: str, *, as_json: bool, allowed: Sequence[str] | None = None) -> None:
    """One line for a person on standard error, or one object for a program on standard output."""
    if as_json:
        said: dict[str, Any] = {"error": code, "message": message, "hint": hint}
        if allowed is not None:
            said["allowed"] = list(allowed)
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    typer.echo(clean(f"error: {message}" + (f" ({hint})" if hint else "")), err=True)


@contextmanager
def progress(label: str, total: int) -> Iterator[Any]:
    """A bar on a terminal; nothing in a pipe. Call what it gives for each step done."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
