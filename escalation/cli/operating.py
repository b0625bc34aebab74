"""Commands about running it: demo, init, sweep, dispatch, worker, verify, doctor, outbox."""

import asyncio
import math
from collections.abc import Coroutine
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from escalation import logs
from escalation.app import App
from escalation.cli.shared import AsJson, At, ConfigFile, console, moment, opened, progress, say, show_json, show_table
from escalation.clock import system_clock
from escalation.config import looked_for
from escalation.doctor import examine
from escalation.errors import BadConfig, UsageError
from escalation.health import Health, Serving
from escalation.scheduler import SIGNALS, Worker, watchdog_of
from escalation.watchdog import Watchdog
from notifications import outbox
from notifications.bookkeeping import DispatchCounts, sum_of

T = TypeVar("T")
mails = typer.Typer(help="发件箱 mails that wait or did not go out")


def register(app: typer.Typer) -> None:
    """Adds the commands of this subject."""
    app.command(
        "demo",
        help="演示 the main job on the sample ledger, forty days in a few seconds.\n\nExample: escalation demo --days 40 --open",
    )(demo)
    app.command("init", help="建库 make the database, or bring it to the newest schema.\n\nExample: escalation init --sample")(
        init
    )
    app.command("sweep", help="巡查一次 one sweep by hand.\n\nExample: escalation sweep --dry-run")(sweep)
    app.command("dispatch", help="发送邮件 send what is in the outbox.\n\nExample: escalation dispatch --limit 100")(dispatch)
    app.command(
        "worker",
        help="常驻 scheduler and dispatcher until SIGTERM.\n\nExample: escalation worker --config /etc/escalation/config.toml",
    )(worker)
    app.command("verify", help="核对账本 check every invariant by replaying every journal.\n\nExample: escalation verify --json")(
        verify
    )
    app.command("doctor", help="体检 is this installation fit to run?\n\nExample: escalation doctor")(doctor)
    mails.command("list", help="查看 what is in the outbox.\n\nExample: escalation outbox list --state dead")(outbox_list)
    mails.command("retry", help="重发 give dead mails another life.\n\nExample: escalation outbox retry 17 18")(outbox_retry)
    mails.command(
        "drop", help="作废 mails that nobody needs any more.\n\nExample: escalation outbox drop 17 --reason 'wrong address'"
    )(outbox_drop)
    app.add_typer(mails, name="outbox")


def demo(
    days: Annotated[int, typer.Option("--days", min=1, max=365, help="天数 days to play")] = 40,
    keep: Annotated[Path | None, typer.Option("--keep", metavar="DIR", help="保留在此目录 keep ledger and mailbox here")] = None,
    open_: Annotated[
        bool, typer.Option("--open", help="完成后打开网页 end on the page with this data, one login a role, until Ctrl-C")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Plays the sample ledger."""
    from escalation import demo as play  # noqa: PLC0415  # its mail server is slow to load, and nobody else has one
    from escalation.cli import showing  # noqa: PLC0415
    from escalation.demo.report import present  # noqa: PLC0415

    with progress("模拟时钟 simulated clock", days) as step:
        story, app = play.run(days, keep, lambda day, now: step())
    try:
        if not as_json:
            present(story, app, console())
        elif not open_:
            show_json(story.as_json() | {"folder": str(story.folder)})
    finally:
        app.close()
    if open_:
        showing.show(story, as_json=as_json)
    if story.verify != "ok":
        raise typer.Exit(1)


def init(
    sample: Annotated[bool, typer.Option("--sample", help="装入样例台账 with the sample ledger")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Makes what is missing: config.toml, the database, its newest schema."""
    path = config or Path("config.toml")
    written = not path.exists()
    if written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((files("escalation") / "config.toml").read_text(encoding="utf-8"), encoding="utf-8")
    with opened(path, any_schema=True) as app:
        revision = app.init(system_clock())
        if sample:
            app.import_sample(system_clock())
        database = app.store.name()
    if as_json:
        show_json({"database": database, "revision": revision, "config": str(path), "config_written": written})
        return
    say(f"数据库 database: {database} (schema {revision})")
    say(f"配置 configuration: {path}" + (" 已生成 written" if written else ""))
    if not app.settings.smtp.host:
        say(f"邮件暂写入文件夹 mails go to the folder {app.settings.path(app.settings.smtp.folder)} until smtp.host is set")


def sweep(
    at: At = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看不动 decide, write nothing")] = False,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="最多 at most this many issues")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Sweeps once."""
    with opened(config) as app:
        swept = app.sweep(moment(at, app), limit=limit, dry_run=dry_run)
    said = swept.as_json()
    if as_json:
        show_json(said)
        return
    show_table(
        "巡查 sweep" + (" (dry run)" if dry_run else ""),
        ["", ""],
        [[key, value if value is not None else "-"] for key, value in said.items()],
    )


def dispatch(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="最多 at most this many mails")] = 500,
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Sends mails."""
    with opened(config) as app:
        done = _broken_off_in_order(_everywhere(app, moment(at, app), limit))
    said = {
        "sent": done.sent,
        "retry": done.retry,
        "dead": done.dead,
        "left": done.left,
        "merged": done.merged,
        "held": done.held,
        "postponed": done.postponed,
        "stopped": done.stopped,
        "problems": done.problems,
    }
    if as_json:
        show_json(said)
        return
    show_table("发送 dispatch", ["", ""], [[key, value] for key, value in said.items() if value or key in ("sent", "left")])


def _broken_off_in_order(work: Coroutine[Any, Any, T]) -> T:
    """Does it; told to end, it puts in order what was begun, and has as long for that as a worker has."""

    async def told(watchdog: Watchdog) -> T:
        mine = asyncio.current_task()
        assert mine is not None

        def end() -> None:
            watchdog.told_to_stop()
            mine.cancel()

        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, end)
        return await work

    try:
        with Watchdog(math.inf) as watchdog:
            return asyncio.run(told(watchdog))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _everywhere(app: App, now: datetime, limit: int) -> DispatchCounts:
    return sum_of(
        await asyncio.gather(app.mailroom.dispatch_elsewhere(now, limit=limit), app.mailroom.dispatch(now, limit=limit))
    )


def worker(
    config: ConfigFile = None, verbose: Annotated[bool, typer.Option("--verbose", help="详细日志 log more")] = False
) -> None:
    """Works until it is told to stop."""
    with opened(config) as app:
        logs.configure(app.settings.log.format, "debug" if verbose else app.settings.log.level)
        with watchdog_of(app) as watchdog:
            asyncio.run(_work(app, watchdog))


async def _work(app: App, watchdog: Watchdog) -> None:
    node, where = Worker(app, system_clock, watchdog=watchdog), app.settings.health
    if not where.port:
        await node.run()
        return
    try:
        serving = Serving(Health(app, system_clock, node.node), where.host, where.port)
    except OSError as error:
        raise BadConfig(f"health.port: {where.host}:{where.port} cannot be used: {error.strerror}", "name a free one") from error
    with serving:
        await node.run()


def verify(
    repair_nothing: Annotated[bool, typer.Option("--repair-nothing", help="只检查(默认) look only, as it always does")] = True,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Checks the record."""
    with opened(config) as app:
        found = app.verify()
    if as_json:
        show_json(found.as_json())
    else:
        verdict = "一致 ok" if found.ok else f"{len(found.broken)} 处有误 broken"
        say(f"{found.issues} 件问题 issues, {found.entries} 条流水 entries: {verdict}")
        if found.broken:
            show_table("有误 broken", ["编号", "不变量 invariant", "详情 detail"], [list(each) for each in found.broken])
    if not found.ok:
        raise typer.Exit(1)


def doctor(at: At = "", config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Examines the installation."""
    with opened(config, any_schema=True) as app:
        checks = examine(app, moment(at, app), looked_for(config))
    if as_json:
        show_json({"checks": [check._asdict() for check in checks]})
    else:
        rows = [["✓" if check.ok else "✗", check.name, check.detail] for check in checks]
        show_table("体检 doctor", ["", "项目 check", "结果 detail"], rows, {"✓": "green", "✗": "bold red"})
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


State = Annotated[str, typer.Option("--state", help="queued | sending | sent | dead | obsolete")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="ID…", help="编号 which mails")]


def outbox_list(
    state: State = "",
    limit: Annotated[int, typer.Option("--limit", min=1)] = 50,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Lists mails, the newest first."""
    with opened(config) as app, app.store.reading() as session:
        counted = outbox.counts(session)
        rows = [_mail(row) for row in outbox.listing(session, state, limit)]
    if as_json:
        show_json({"items": rows, "counts": counted})
        return
    say("  ".join(f"{name}: {count}" for name, count in sorted(counted.items())) or "空 empty")
    columns = ["id", "state", "kind", "recipient", "about", "attempts", "next_try_at", "last_error"]
    show_table("发件箱 outbox", columns, [[row[column] for column in columns] for row in rows])


def _mail(row: Any) -> dict[str, Any]:
    names = (
        "id",
        "state",
        "kind",
        "channel",
        "recipient",
        "party",
        "about",
        "attempts",
        "queued_at",
        "next_try_at",
        "sent_at",
        "last_error",
    )
    return {name: getattr(row, name) for name in names}


def outbox_retry(ids: Ids = None, at: At = "", config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Retries dead mails, these or all."""
    with opened(config) as app:
        now = moment(at, app)
        with app.store.transaction() as session:
            count = outbox.retry(session, ids or None, now)
    _counted("retried", count, as_json)


def outbox_drop(
    ids: Ids = None,
    reason: Annotated[str, typer.Option("--reason", help="理由 why")] = "dropped by hand",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Drops mails that nobody needs."""
    if not ids:
        raise UsageError("name the mails to drop", "`escalation outbox list --state dead` shows their ids")
    with opened(config) as app, app.store.transaction() as session:
        count = outbox.drop(session, ids, reason)
    _counted("dropped", count, as_json)


def _counted(what: str, count: int, as_json: bool) -> None:
    if as_json:
        show_json({what: count})
    else:
        say(f"{count} {what}")
