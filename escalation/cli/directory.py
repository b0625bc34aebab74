"""Commands about parties and who stands in for them: party list, set."""

from datetime import date
from typing import Annotated, Any

import typer

from escalation import parties
from escalation.cli.shared import AsJson, At, ConfigFile, day, moment, opened, say, show_json, show_table
from escalation.errors import UsageError

party = typer.Typer(help="单位与代理人 parties and deputies")


def register(app: typer.Typer) -> None:
    """Adds the commands of this subject."""
    party.command("list", help="查看 parties, those that hold a text if one is given.\n\nExample: escalation party list 哈尔滨")(
        list_
    )
    party.command(
        "set",
        help="修改 an address, a deputy, whether it is active; only what is named changes.\n\n"
        "Example: escalation party set PT0013 --deputy PT0014 --deputy-from 2026-12-01 --deputy-until 2026-12-10",
    )(set_)
    app.add_typer(party, name="party")


def list_(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="代码、名称、市、单位、邮箱 a part of what it is called")] = "",
    role: Annotated[str, typer.Option("--role", help="角色 those of one role")] = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Lists parties."""
    with opened(config) as app:
        rows, names = app.look(
            lambda session, world: (parties.listed(world, text, role), {each.id: each.code for each in world.directory.parties})
        )
    items = [{**each._asdict(), "deputy": names.get(each.deputy_id or 0, "")} for each in rows]
    if as_json:
        show_json({"items": items})
        return
    columns = ["code", "name", "role", "email", "deputy", "deputy_from", "deputy_until", "active"]
    shown = [
        ["✓" if each[name] is True else "✗" if each[name] is False else each[name] or "" for name in columns] for each in items
    ]
    show_table(f"单位 parties: {len(items)}", columns, shown)


def set_(
    code: Annotated[str, typer.Argument(metavar="PARTY", help="代码或名称 by code or name")],
    email: Annotated[str | None, typer.Option("--email", help="邮箱 the address; '' for none")] = None,
    deputy: Annotated[str | None, typer.Option("--deputy", metavar="PARTY", help="代理人 who stands in; '' for nobody")] = None,
    deputy_from: Annotated[
        str | None, typer.Option("--deputy-from", metavar="DATE", help="首日 first day; '' for at once")
    ] = None,
    deputy_until: Annotated[
        str | None, typer.Option("--deputy-until", metavar="DATE", help="末日 last day; '' for no end")
    ] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="启用/停用")] = None,
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Changes a party."""
    given: dict[str, Any] = {"email": email, "deputy": deputy, "active": active}
    changes = {name: value for name, value in given.items() if value is not None}
    dates: dict[str, date | None] = {
        name: day(text) for name, text in (("deputy_from", deputy_from), ("deputy_until", deputy_until)) if text is not None
    }
    if not changes and not dates:
        raise UsageError("nothing is named that should change", "`escalation party set --help` shows what can")
    with opened(config) as app:
        now = moment(at, app)
        said = app.change(lambda session, world: parties.amend(session, world, code, changes | dates, now))
    if as_json:
        show_json({"party": code, "changed": said})
    else:
        say(f"{code}: {said or '没有变化 nothing changed'}")
