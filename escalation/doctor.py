"""doctor: is this installation fit to run? One line a check, each with what to do where it is not."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import func, select, text
from sqlmodel import Session

from escalation import migrating, nodes, templates
from escalation.app import App
from escalation.errors import EscalationError
from escalation.models import SetAside
from escalation.notices import CALENDAR_WANTED
from escalation.queries import ISSUE, JOURNAL
from escalation.sqlite import sqlite3, wal_is_safe
from escalation.world import World
from notifications import outbox
from notifications.lanes import Lane
from notifications.outbox import Kept
from workflows.soundness import check as sound

SET_ASIDE = SetAside.__table__  # type: ignore[attr-defined]
#: What should have been done so long ago, somebody should have done.
LATE = timedelta(minutes=10)
WORKS = "`escalation worker`, or `escalation serve`"


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


def examine(app: App, now: datetime, file: Path | None = None) -> list[Check]:
    """Looks at everything; a check that cannot be made because another failed is left out.

    `file`: the configuration that was looked for; it need not be there, for all of it can come from the environment.
    """
    checks = [Check("config", True, _config(file))]
    kept: dict[str, Kept] = {}
    store = _tried("database", lambda: _database(app))
    checks += [store, _tried("schema", lambda: _schema(app))] if store.ok else [store]
    if all(check.ok for check in checks):
        checks += app.look(lambda session, world: list(_inside(app, session, world, now)))
        kept = app.look(lambda session, world: _kept(session, app.mailroom.lanes))
    mail = kept.pop("mail", None)
    checks += [_mail(app, mail), _templates(app), _channels(app, kept)]
    if app.settings.webhooks.to:
        checks.append(_tried("webhooks", lambda: _webhooks(app)))
    if app.settings.oidc.issuer:
        checks.append(_tried("oidc", lambda: _provider(app)))
    return checks


def _kept(session: Session, lanes: Sequence[str]) -> dict[str, Kept]:
    """The lanes in which something is kept because the server refuses us or is down."""
    found = {lane.name: outbox.kept(session, lane) for lane in (Lane(others=tuple(lanes)), *map(Lane, lanes))}
    return {name: kept for name, kept in found.items() if kept is not None}


def _tried(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except EscalationError as error:
        return Check(name, False, f"{error.message}; {error.hint}")


def _config(file: Path | None) -> str:
    if file is None or file.exists():
        return "read" if file is None else f"read: {file}"
    return f"there is no {file.absolute()}: what holds is built in, or comes from the environment"


def _database(app: App) -> str:
    migrating.refuse_absent(app.store)
    with app.store.reading() as session:
        session.connection().execute(text("SELECT 1"))
    app.store.check()
    if app.store.is_sqlite:
        mode = "WAL" if wal_is_safe() else "rollback journal: this SQLite has the WAL-reset bug"
        return f"{app.store.name()}, SQLite {sqlite3.sqlite_version}, {mode}"
    return app.store.name()


def _schema(app: App) -> str:
    migrating.refuse_old(app.store)
    return migrating.newest()


def _inside(app: App, session: Session, world: World, now: datetime) -> Iterator[Check]:
    connection = session.connection()
    yield _workflow(world)
    yield _parties(world)
    yield _addresses(world)
    yield _calendar(connection.execute(select(func.max(ISSUE.c.due_at)).where(ISSUE.c.closed_at.is_(None))).scalar(), world, now)
    newest = connection.execute(select(func.max(JOURNAL.c.at))).scalar()
    ahead = newest is not None and newest > now + timedelta(minutes=5)
    yield Check("clock", not ahead, f"the newest entry is of {newest}, later than now: set the clock right" if ahead else "sane")
    states = outbox.counts(session)
    dead = states.get("dead", 0)
    yield Check(
        "dead letters",
        not dead,
        f"{dead} mails could not be delivered: `escalation outbox list --state dead`" if dead else "none",
    )
    aside = connection.execute(select(func.count()).select_from(SET_ASIDE)).scalar() or 0
    yield Check("set aside", not aside, f"{aside} issues could not be decided: see the log" if aside else "none")
    waiting = connection.execute(select(func.count()).where(ISSUE.c.wake_at <= now - LATE)).scalar() or 0
    yield _nodes(session, now)
    yield Check(
        "sweep",
        not waiting,
        f"{waiting} issues are due for over ten minutes: is a worker running?" if waiting else "nothing waits",
    )


def _nodes(session: Session, now: datetime) -> Check:
    known = [node for node in nodes.listing(session, now) if node["state"] != "stopped"]
    alive = [node for node in known if node["state"] != "silent"]
    seen = "; ".join(f"{node['id']} {node['state']}, seen {node['seen_at']:%Y-%m-%d %H:%M:%SZ}" for node in known[:5])
    if any(node["state"] == "held" for node in alive):
        return Check("nodes", False, f"a node's clock is wrong, so it holds escalation: {seen}; set it and restart the node")
    if known and not alive:
        return Check("nodes", False, f"no node has looked at the store for three minutes: {seen}; start `escalation worker`")
    if not known and (late := outbox.late(session, now - LATE)):
        return Check("nodes", False, f"none is running, and {late} messages wait: start {WORKS}")
    return Check("nodes", True, seen or f"none is running: {WORKS}")


def _workflow(world: World) -> Check:
    if not world.active:
        return Check("workflow", False, "there is none; run `escalation init`")
    problems = sound(world.rules().workflow)
    return Check("workflow", not problems, "; ".join(str(problem) for problem in problems[:3]) or f"{world.active} is sound")


def _parties(world: World) -> Check:
    if not world.directory.parties:
        return Check("parties", False, "there are none; run `escalation import`")
    stages = world.rules().workflow.stages if world.active else ()
    needed = {stage.coordinator.role for stage in stages} | {stage.confirmed_by for stage in stages if stage.confirmed_by}
    missing = sorted(
        role for role in needed if not any(world.directory.reachable(each) for each in world.directory.with_role(role))
    )
    if missing:
        return Check("parties", False, f"nobody with a mail address is {', '.join(missing)}; import the parties")
    unreachable = [party.name for party in world.directory.parties if party.active and not world.directory.reachable(party)]
    if unreachable:
        return Check(
            "parties", False, f"{len(unreachable)} have no mail address, {unreachable[0]} for one; import them again with it"
        )
    return Check("parties", True, f"{len(world.directory.parties)}, all with a mail address")


def _addresses(world: World) -> Check:
    dead = len(world.bounced)
    told = f"mail to {dead} came back: `escalation inbox bounced`; import the parties with the right ones"
    return Check("addresses", not dead, told if dead else "none has bounced")


def _calendar(last: datetime | None, world: World, now: datetime) -> Check:
    calendar = world.calendar
    today = calendar.local_day(now)
    following = today.replace(year=today.year + 1, month=1, day=1)
    if last is not None and calendar.is_provisional(calendar.local_day(last)):
        return Check(
            "calendar", False, f"open deadlines reach into {last.year}, which is not published here: `escalation calendar import`"
        )
    if (today.month, today.day) >= CALENDAR_WANTED and calendar.is_provisional(following):
        return Check(
            "calendar", False, f"{following.year} is not published here yet: `escalation calendar import` when the notice is out"
        )
    return Check("calendar", True, f"published until {calendar.known_until}")


def _mail(app: App, kept: Kept | None) -> Check:
    smtp = app.settings.smtp
    if kept is not None and kept.refused:
        why = f"the server refuses us: {kept.reason}; mend [smtp], then `escalation outbox retry`"
        return Check("mail", False, f"{kept.messages} mails are held, for {why}")
    if kept is not None:
        where = f"{smtp.host}:{smtp.port}" if smtp.host else f"{app.settings.path(smtp.folder)}"
        why = f"{where} does not take any: {kept.reason}; check [smtp]; they go out when it does"
        return Check("mail", False, f"{kept.messages} mails wait, for {why}")
    if not smtp.host:
        folder = app.settings.path(smtp.folder)
        return Check("mail", _writable(folder), f"no smtp.host: mails are written to {folder}")
    try:
        said = asyncio.run(_greeting(smtp.host, smtp.port, waits=smtp.security != "tls"))
    except (OSError, TimeoutError) as error:
        return Check(
            "mail", False, f"{smtp.host}:{smtp.port} does not answer ({error or 'no answer in time'}); check [smtp] host and port"
        )
    return Check("mail", said.startswith("220"), f"{smtp.host}:{smtp.port} says {said!r}")


def _templates(app: App) -> Check:
    folder = app.settings.templates
    problems = templates.check(folder, app.mailroom.renderer())
    if problems:
        told = f"{len(problems)} problems, the first: {problems[0].file}: {problems[0].what}; `escalation template check`"
        return Check("templates", False, told)
    return Check("templates", True, f"your own in {folder}, all sound" if folder else "the built-in ones")


def _channels(app: App, kept: Mapping[str, Kept]) -> Check:
    """Their addresses are read, not asked: a message to try them out would be one more for everybody."""
    names = app.mailroom.elsewhere.names
    wrong = [check.detail for name in names if not (check := _tried("channels", lambda name=name: _made(app, name))).ok]  # type: ignore[misc]
    wrong += [
        f"{name} holds {each.messages}: {each.reason}; mend it, then `escalation outbox retry`"
        if each.refused
        else f"{name} is down, {each.messages} wait: {each.reason}"
        for name, each in kept.items()
    ]
    return Check("channels", not wrong, "; ".join(wrong) or ", ".join(names) or "mail alone")


def _made(app: App, name: str) -> str:
    app.mailroom.elsewhere.channel(name)
    return name


def _webhooks(app: App) -> str:
    """Where they go is read, not asked."""
    from escalation import outside  # noqa: PLC0415  # slow to load, and few have either

    outside.deliverer(app.settings, "doctor")
    return ", ".join(app.settings.webhooks.to)


def _provider(app: App) -> str:
    """The provider is asked what it says about itself."""
    from escalation import outside  # noqa: PLC0415  # likewise

    provider = outside.provider(app.settings)
    if provider is not None:
        provider.begin()
    return f"{app.settings.oidc.issuer} answers"


async def _greeting(host: str, port: int, *, waits: bool) -> str:
    """What a mail server says first; one that begins with TLS says nothing until then."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            return (await reader.readline()).decode("ascii", "replace").strip() if waits else "220 (TLS)"
        finally:
            writer.close()


def _writable(folder: Path) -> bool:
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return os.access(existing, os.W_OK)
