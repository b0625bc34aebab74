"""Commands about who may log in: user add, list, password, disable, enable, token."""

import getpass
import secrets
import sys
from datetime import timedelta
from typing import Annotated

import typer
from sqlmodel import Session

from escalation.app import App
from escalation.cli.shared import AsJson, At, ConfigFile, moment, opened, say, show_json, show_table
from escalation.commands import find_party
from escalation.errors import UsageError
from escalation.users import accounts, audit, tokens
from escalation.world import World

users = typer.Typer(help="用户 who may log in, and for whom they act")
Login = Annotated[str, typer.Argument(metavar="LOGIN", help="账号 the login")]
GivenOnInput = Annotated[bool, typer.Option("--password-stdin", help="从标准输入读取密码 read the password from standard input")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this subject."""
    users.command(
        "add", help="新增用户 a new user.\n\nExample: escalation user add zhang --name 张三 --party PT0013 --password-stdin"
    )(add)
    users.command("list", help="用户清单 every user.\n\nExample: escalation user list")(list_)
    users.command("password", help="重设密码 a new password; ends every session.\n\nExample: escalation user password zhang")(
        password
    )
    users.command(
        "parties",
        help="代表 whom a user acts for from now on, instead of before.\n\nExample: escalation user parties zhang --party PT0013",
    )(parties)
    users.command("disable", help="停用 shut a user out at once.\n\nExample: escalation user disable zhang")(disable)
    users.command("enable", help="启用 let a user in again.\n\nExample: escalation user enable zhang")(enable)
    users.command(
        "token",
        help="接口令牌 a bearer token for a program, shown once.\n\n"
        "Example: escalation user token zhang --name 大屏 --scope read --days 365",
    )(token)
    app.add_typer(users, name="user")
    app.command(
        "audit",
        help="审计 who came in, and who changed what; the newest first.\n\nExample: escalation audit --about logins --who zhang",
    )(audited)


def add(
    login: Login,
    name: Annotated[str, typer.Option("--name", help="姓名 the person's name")] = "",
    party: Annotated[
        list[str] | None, typer.Option("--party", metavar="PARTY", help="代表的单位或岗位 acts for; may repeat")
    ] = None,
    language: Annotated[str, typer.Option("--language", help="zh_CN | en")] = "zh_CN",
    admin: Annotated[bool, typer.Option("--admin", help="系统管理员 an administrator")] = False,
    password_stdin: GivenOnInput = False,
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Adds a user; without a given password one is made and shown once."""
    with opened(config) as app:
        given = _password(password_stdin, may_be_made=True)
        now, secret = moment(at, app), given or secrets.token_urlsafe(12)

        def work(session, world):  # type: ignore[no-untyped-def]
            parties = [find_party(world, each).id for each in party or []]
            return accounts.add(session, now, login, name, secret, parties, language=language, is_admin=admin)

        user = app.change(work)
    shown = {} if given else {"password": secret}
    if as_json:
        show_json({"login": user.login, "parties": list(user.parties), "is_admin": user.is_admin, **shown})
        return
    say(f"已新增 added: {user.login}" + ("" if given else f"  密码(只显示一次) password, shown once: {secret}"))


def _password(from_input: bool, *, may_be_made: bool) -> str:
    """A password from standard input, or asked for twice on a terminal; empty when one is to be made."""
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        if may_be_made:
            return ""
        raise UsageError("there is no terminal to ask for a password", "give it with --password-stdin")
    hint = ",留空自动生成" if may_be_made else ""
    first = getpass.getpass(f"密码 password{hint}: ")
    if first and getpass.getpass("再输一次 again: ") != first:
        raise UsageError("the two passwords differ", "try again")
    return first


def list_(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Lists users."""
    with opened(config) as app:
        rows, names = app.look(
            lambda session, world: (accounts.listing(session), {each.id: each.code for each in world.directory.parties})
        )
    items = [{**row, "parties": [names.get(each, str(each)) for each in row["parties"]]} for row in rows]
    if as_json:
        show_json({"items": items})
        return
    columns = ["账号 login", "姓名 name", "代表 acts for", "管理员 admin", "启用 active", "最近登录 seen"]
    shown = [
        [each["login"], each["name"], " ".join(each["parties"]), "✓" if each["is_admin"] else "", "✓" if each["active"] else "✗",
         f"{each['seen_at']:%Y-%m-%d %H:%M}" if each["seen_at"] else ""]
        for each in items
    ]  # fmt: skip
    show_table(f"用户 users: {len(items)}", columns, shown)


def password(
    login: Login, password_stdin: GivenOnInput = False, at: At = "", config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Sets a password."""
    with opened(config) as app:
        given = _password(password_stdin, may_be_made=False)
        now = moment(at, app)
        app.change(lambda session, world: accounts.set_password(session, now, login, given))
    _done("password", login, as_json)


def parties(
    login: Login,
    party: Annotated[list[str] | None, typer.Option("--party", metavar="PARTY", help="代表的单位或岗位 may repeat")] = None,
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Sets whom a user acts for."""
    with opened(config) as app:
        now = moment(at, app)

        def work(session: Session, world: World) -> None:
            accounts.set_parties(session, now, login, [find_party(world, each).id for each in party or []])

        app.change(work)
    _done("parties", login, as_json)


def disable(login: Login, at: At = "", config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Shuts a user out."""
    with opened(config) as app:
        _active(app, login, at, active=False)
    _done("disabled", login, as_json)


def enable(login: Login, at: At = "", config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Lets a user in again."""
    with opened(config) as app:
        _active(app, login, at, active=True)
    _done("enabled", login, as_json)


def _active(app: App, login: str, at: str, *, active: bool) -> None:
    now = moment(at, app)
    app.change(lambda session, world: accounts.set_active(session, now, login, active))


def _done(what: str, login: str, as_json: bool) -> None:
    if as_json:
        show_json({what: login})
    else:
        say(f"{what}: {login}")


def token(
    login: Login,
    name: Annotated[str, typer.Option("--name", help="用途 what it is for")] = "",
    scope: Annotated[list[str] | None, typer.Option("--scope", help="read | act | admin; may repeat; default: read")] = None,
    days: Annotated[int, typer.Option("--days", min=0, help="有效天数 days that it is good; 0: for ever")] = 365,
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Makes a token."""
    with opened(config) as app:
        now = moment(at, app)
        until = now + timedelta(days=days) if days else None
        made = app.change(lambda session, world: tokens.make(session, now, login, name, scope or ["read"], until))
    if as_json:
        show_json({"token": made, "expires_at": until})
        return
    say(f"令牌(只显示一次) token, shown once: {made}")


def audited(
    about: Annotated[str, typer.Option("--about", help="logins | changes; default: both")] = "",
    who: Annotated[str, typer.Option("--who", metavar="LOGIN", help="账号 of one login")] = "",
    text: Annotated[str, typer.Option("--text", help="内容 whose details hold this")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1)] = 50,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Lists the audit."""
    if about and about not in audit.ABOUT:
        raise UsageError(f"{about!r} is nothing that the audit is about", f"use one of {', '.join(audit.ABOUT)}")
    with opened(config) as app, app.store.reading() as session:
        rows = [dict(row._mapping) for row in audit.newest(session, limit, about=about, who=who, text=text)]
    if as_json:
        show_json({"items": rows})
        return
    shown = [[f"{row['at']:%Y-%m-%d %H:%M:%SZ}", row["who"], row["what"], row["detail"], row["address"]] for row in rows]
    show_table("审计 audit", ["时间 at", "账号 who", "事项 what", "内容 detail", "来自 address"], shown)
