"""Commands for those who keep it running for years: backup, restore, archive, nodes."""

from pathlib import Path
from typing import Annotated

import typer

from escalation import asides, backing, migrating, nodes
from escalation.cli.shared import AsJson, At, ConfigFile, moment, opened, say, show_json, show_table
from escalation.clock import system_clock
from escalation.verifying import Verified, verify
from escalation.world import WorldReader

aside = typer.Typer(help="搁置 issues that a sweep could not decide")


def register(app: typer.Typer) -> None:
    """Adds the commands of this subject."""
    app.command(
        "backup",
        help="备份 the whole store in one file, while everybody works on.\n\nExample: escalation backup backups/today.zip",
    )(backup)
    app.command(
        "restore",
        help="恢复 an empty database from a backup, SQLite or PostgreSQL; --check only looks whether the backup is good.\n\n"
        "Example: escalation restore --check backups/today.zip",
    )(restore)
    app.command("archive", help="归档 put away what has been over for long.\n\nExample: escalation archive --json")(archive)
    aside.command("list", help="查看 what a sweep could not decide, and why.\n\nExample: escalation aside list")(aside_list)
    aside.command("retry", help="重试 the next sweep looks at them again.\n\nExample: escalation aside retry WT26-0031")(
        aside_retry
    )
    app.add_typer(aside, name="aside")
    app.command("nodes", help="节点 the processes that work on this store.\n\nExample: escalation nodes")(listed)


def backup(
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="备份文件 default: backups/DATE-TIME.zip")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Writes a backup."""
    now = system_clock()
    with opened(config) as app:
        path = out or app.settings.path("backups") / f"{now:%Y%m%d-%H%M%S}.zip"
        manifest = backing.backup(app.store, path, now)
    if as_json:
        show_json({"file": str(path), "rows": manifest.rows, "bytes": path.stat().st_size, "revision": manifest.revision})
        return
    say(f"已备份 backed up: {path} ({manifest.rows:,} rows, {path.stat().st_size / 1e6:.1f} MB)")
    say(f"检验 to see whether it is good: escalation restore --check {path}")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="备份文件 a file that `backup` has written")],
    check: Annotated[bool, typer.Option("--check", help="只检验 restore into a scratch store, verify, throw away")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Restores a backup, or only tries whether it could be."""
    if check:
        with backing.scratch(file) as (store, manifest), store.reading() as session:
            found = verify(session, WorldReader().read(session))
            standing = dict(manifest.tables)
    else:
        with opened(config, any_schema=True) as app:
            manifest = backing.restore(file, app.store)
            found, standing = app.verify(), dict(manifest.tables)
    _told(file, manifest, found, standing, check=check, as_json=as_json)
    if not found.ok:
        raise typer.Exit(1)


def _told(
    file: Path, manifest: backing.Manifest, found: Verified, standing: dict[str, dict[str, object]], *, check: bool, as_json: bool
) -> None:
    if as_json:
        rows = {name: table["rows"] for name, table in standing.items()}
        told = {"file": str(file), "made_at": manifest.made_at, "program": manifest.program, "revision": manifest.revision}
        show_json({**told, "schema": migrating.newest(), "rows": rows, "verify": found.as_json()})
        return
    say(f"{'检验 checked' if check else '已恢复 restored'}: {file}, made {manifest.made_at} by {manifest.program}")
    verdict = "一致 ok" if found.ok else f"{len(found.broken)} 处有误 broken"
    say(f"{manifest.rows:,} rows; {found.issues} 件问题 issues, {found.entries} 条流水 entries: {verdict}")
    if not check:
        say(
            "备份时待发的邮件已转为死信,以免重复 mails that waited then are dead letters: `escalation outbox list --state dead`, "
            "`escalation outbox retry`"
        )


def archive(at: At = "", config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Puts away everything that is old enough."""
    with opened(config) as app:
        now = moment(at, app)
        total = app.archive(now)
        while (more := app.archive(now)).issues or more.mails:
            total.issues, total.mails = total.issues + more.issues, total.mails + more.mails
    if as_json:
        show_json(total.as_json())
        return
    say(f"已归档 put away: {total.issues} 件问题 issues, {total.mails} 封邮件 mails")
    if total.left:
        say(f"{total.left} 件核对有误,未归档 do not verify and stay where they are: `escalation verify`")


def listed(at: At = "", config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Lists the nodes."""
    with opened(config) as app, app.store.reading() as session:
        found = nodes.listing(session, moment(at, app))
    if as_json:
        show_json({"items": found})
        return
    columns = ["id", "kind", "program", "state", "seen_at", "swept_at", "sweep_seconds", "dispatched_at"]
    show_table("节点 nodes", columns, [[node[column] or "-" for column in columns] for node in found])


def aside_list(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Lists what is set aside."""
    with opened(config) as app, app.store.reading() as session:
        rows = [dict(row._mapping) for row in asides.listed(session)]
    if as_json:
        show_json({"items": rows})
        return
    columns = ["number", "title", "at", "tries", "wake_at", "error"]
    show_table(f"搁置 set aside: {len(rows)}", columns, [[row[column] or "-" for column in columns] for row in rows])


def aside_retry(
    numbers: Annotated[list[str] | None, typer.Argument(metavar="NUMBER…", help="编号 which issues; default: all")] = None,
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Lets the next sweep try again."""
    with opened(config) as app:
        now = moment(at, app)
        count = app.change(lambda session, world: asides.try_again(session, numbers or None, now))
    if as_json:
        show_json({"retried": count})
    else:
        say(f"{count} 件将在下次巡查时重试 will be tried again by the next sweep")
