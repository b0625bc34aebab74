"""Commands about what waits for a person: official texts to approve, and the keys of the links in mails."""

from pathlib import Path
from typing import Annotated

import typer

from escalation import approvals
from escalation.approvals import Waiting
from escalation.cli.shared import Acting, AsJson, ConfigFile, opened, say, show_json, show_table
from escalation.clock import system_clock
from escalation.errors import NotFound

Name = Annotated[str, typer.Argument(metavar="NAME", help="名称 as `approval list` shows it")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this subject."""
    approval = typer.Typer(help="签发 circulars and supervision letters that wait for approval", no_args_is_help=True)
    for command, words, example in (
        (listed, "待签发 what waits", "list"),
        (show, "审阅 read one as its readers would see it", "show circular:2026-10 --out circular.html"),
        (approve, "签发 send it", "approve letter:WT26-0006:2 --as 省专班办公室"),
        (decline, "退回 never send it", "decline letter:WT26-0006:2 --as 省专班办公室 --reason 已办结"),
    ):
        name = example.partition(" ")[0]
        approval.command(name, help=f"{words}.\n\nExample: escalation approval {example}")(command)
    app.add_typer(approval, name="approval")
    links = typer.Typer(help="邮件内办理链接 the links in mails by which one acts", no_args_is_help=True)
    links.command("rotate", help="更换密钥 sign new links with a new key.\n\nExample: escalation links rotate --at-once")(rotate)
    app.add_typer(links, name="links")


def listed(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Lists what waits for approval."""
    with opened(config) as app:
        found = app.look(lambda session, world: approvals.waiting(session))
    if as_json:
        show_json({"waiting": [each.as_json() for each in found]})
        return
    if not found:
        say("没有待签发的文稿 nothing waits for approval")
        return
    rows = [(each.name, each.title, f"{each.drafted_at:%Y-%m-%d %H:%M}Z", len(each.recipients)) for each in found]
    show_table("待签发 waiting for approval", ("名称 name", "标题 title", "拟稿 drafted", "收件 mails"), rows)


def show(
    name: Name,
    out: Annotated[Path | None, typer.Option("--out", metavar="OUT.html", help="写成网页 write it as its readers see it")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Shows a draft whole. Raises NotFound."""
    with opened(config) as app:
        found = app.look(lambda session, world: approvals.waiting(session, name))
        if not found:
            raise NotFound(f"nothing called {name!r} waits for approval", "`escalation approval list` shows what does")
        draft: Waiting = found[0]
        rendered = app.mailroom.renderer().render(draft.kind, draft.language, draft.facts)
    if out is not None:
        out.write_text(rendered.html, encoding="utf-8")
    if as_json:
        show_json(draft.as_json() | {"subject": rendered.subject, "text": rendered.text})
        return
    say(f"{rendered.subject}\n\n{rendered.text}\n收件 to: {', '.join(draft.recipients)}")


def approve(name: Name, party: Acting, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Sends a draft. Raises NotFound, Refused."""
    now = system_clock()
    with opened(config) as app:
        sent = app.change(lambda session, world: approvals.approve(session, world, name, party, now))
    if as_json:
        show_json({"approved": name, "mails": sent})
        return
    say(f"已签发 approved: {name}，{sent} 封邮件待发 mails will go out")


def decline(
    name: Name,
    party: Acting,
    reason: Annotated[str, typer.Option("--reason", help="理由 why")],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Drops a draft. Raises NotFound, Refused."""
    now = system_clock()
    with opened(config) as app:
        dropped = app.change(lambda session, world: approvals.decline(session, world, name, party, reason, now))
    if as_json:
        show_json({"declined": name, "mails": dropped})
        return
    say(f"已退回 declined: {name}")


def rotate(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="旧链接立即失效 old links are dead now, not when they run out")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Makes a new key."""
    with opened(config) as app:
        app.links.rotate(system_clock(), at_once=at_once)
    if as_json:
        show_json({"rotated": True, "at_once": at_once})
        return
    say("已更换密钥 new links are signed with a new key" + ("；旧链接已失效 old ones are dead" if at_once else ""))
