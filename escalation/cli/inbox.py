"""Commands about what comes in by mail: read it, look at it, and let an address be used again."""

from pathlib import Path
from typing import Annotated

import typer

from escalation import addresses
from escalation.cli.shared import AsJson, At, ConfigFile, moment, opened, say, show_json, show_table
from escalation.errors import NotFound, UsageError
from escalation.inbound import outcomes
from escalation.views import local

inbox = typer.Typer(help="收件箱 replies and mail that came back")


def register(app: typer.Typer) -> None:
    """Adds the commands of this subject."""
    inbox.command(
        "read",
        help="读取来信 replies become progress reports, returned mail marks an address.\n\nExample: escalation inbox read inbox",
    )(read)
    inbox.command(
        "list", help="来信清单 what came in, and what became of it.\n\nExample: escalation inbox list --outcome stranger"
    )(list_)
    inbox.command("bounced", help="退信邮箱 addresses where no mail arrives.\n\nExample: escalation inbox bounced")(bounced)
    inbox.command("clear", help="恢复邮箱 an address may be used again.\n\nExample: escalation inbox clear zhang@example.com")(
        clear
    )
    app.add_typer(inbox, name="inbox")


def read(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="投递文件夹 a drop folder of .eml files; default: what [inbox] names")
    ] = None,
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Reads what has come in."""
    with opened(config) as app:
        if folder is None and not app.settings.inbox.is_on:
            raise UsageError("no inbox is configured", "name a folder, or set [inbox] folder or host in config.toml")
        if folder is not None and not folder.is_dir():
            raise UsageError(f"there is no folder {folder}", "check the path")
        said = app.read_inbox(moment(at, app), folder).as_json()
    if as_json:
        show_json(said)
        return
    show_table("收件 inbox", ["", ""], [[key, value] for key, value in said.items() if value or key == "read"])


def list_(
    outcome: Annotated[str, typer.Option("--outcome", help=" | ".join(outcomes.OUTCOMES))] = "",
    limit: Annotated[int, typer.Option("--limit", min=1)] = 50,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Lists what came in, the newest first."""
    if outcome and outcome not in outcomes.OUTCOMES:
        raise UsageError(f"there is no outcome {outcome!r}", f"use one of {', '.join(outcomes.OUTCOMES)}")
    columns = ["at", "sender", "number", "outcome", "detail", "message_id"]
    with opened(config) as app:
        rows = app.look(
            lambda session, world: [
                {name: getattr(row, name) for name in columns} | {"at": local(row.at, world)}
                for row in outcomes.listed(session, outcome, limit)
            ]
        )
    if as_json:
        show_json({"items": rows})
        return
    show_table("来信 received", columns[:-1], [[row[column] for column in columns[:-1]] for row in rows])


def bounced(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Lists the marked addresses."""
    columns = ["address", "at", "reason"]
    with opened(config) as app:
        rows = app.look(
            lambda session, world: [
                {"address": row.address, "at": local(row.at, world), "reason": row.reason} for row in addresses.listed(session)
            ]
        )
    if as_json:
        show_json({"items": rows})
        return
    show_table("退信邮箱 bounced", columns, [[row[column] for column in columns] for row in rows])


def clear(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="邮箱地址 the address that works again")],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Clears an address."""
    with opened(config) as app:
        cleared = app.clear_address(address, moment("", app))
    if not cleared:
        raise NotFound(f"{address} is not marked", "`escalation inbox bounced` shows those that are")
    if as_json:
        show_json({"cleared": cleared})
        return
    say(f"已恢复 cleared: {address}")
