"""Builds everything from Settings: the one place where the parts meet."""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, TypeVar

from sqlmodel import Session, select

from escalation import addresses, commands, migrating, queries, scope, secrets, versions, views, waking
from escalation.applying import Outgoing
from escalation.archive import Ages, Stored, put_away
from escalation.audience import audience
from escalation.commands import Do, Moved, Raise, Raised
from escalation.config import Settings, SummarySettings
from escalation.database import Store
from escalation.elsewhere import Elsewhere
from escalation.errors import BadConfig, NotFound
from escalation.explaining import Explanation, explain
from escalation.inbound.imap import ImapSettings, Mailbox
from escalation.inbound.mail import Limits
from escalation.inbound.reading import Inbox, Reading
from escalation.inbound.sources import Folder, Source
from escalation.ledger import importing
from escalation.ledger.notice import Days
from escalation.links import Links
from escalation.mailroom import Mailroom
from escalation.memory import give_back
from escalation.models import CalendarDay, WorkflowRow
from escalation.nodes import Node
from escalation.notices import when
from escalation.summaries import Times
from escalation.summaries.making import Made, Summariser
from escalation.sweep import Sweeper, Swept
from escalation.users import audit
from escalation.verifying import Verified, verify
from escalation.world import World, WorldReader, touch
from notifications.moments import moment_text
from workflows.loading import source_of
from workflows.sentence import say

T = TypeVar("T")
#: The ledger that is shipped: 206 parties, the catalogue, 12 projects, 30 issues as of 2026-11-23; invented.
SAMPLE = ("parties.csv", "authority.csv", "projects.csv", "issues.csv")


class App:
    """An installation: a store, the rules it runs by, and the way its mail goes out."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.database_url, busy_seconds=settings.database.busy_seconds)
        hours = settings.calendar
        self.worlds = WorldReader(hours.zone, hours.opens, hours.closes)
        elsewhere = Elsewhere(settings)
        policy, hooks = audience(settings.audience), tuple(settings.webhooks.to)
        self.outgoing = Outgoing(settings.smtp.domain, settings.mail.base_url, policy, elsewhere.also, hooks)
        self.sweeper = Sweeper(self.store, self.worlds, self.outgoing)
        limits = Limits(settings.inbox.megabytes * 1024 * 1024)
        self.inbox = Inbox(self.store, self.worlds, self.outgoing, limits, settings.inbox.authserv, settings.files.limits)
        self.summariser = Summariser(self.store, self.worlds, self.outgoing, _times(settings.summary), settings.summary.circular)
        self.links = Links(self.store, self.worlds, self.outgoing, timedelta(days=settings.links.days))
        self.mailroom = Mailroom(settings, self.store, self.worlds, elsewhere, self.links, self.summariser.times)

    def give_back(self) -> None:
        """Memory that is free, or only keeps what the store has or what is soon worked out again, goes back to the system.

        Answers kept for months lie about in a heap that was large for a day, and a page on which one lies cannot go back.
        """
        self.worlds.forget()
        when.cache_clear()
        moment_text.cache_clear()
        self.store.let_go()
        give_back()

    def close(self) -> None:
        """Gives the store's connections back."""
        self.store.close()

    # What people do.

    def init(self, now: datetime) -> str:
        """Makes the tables or brings them to the newest schema, and keeps the definition for new issues; the revision."""
        revision = migrating.upgrade(self.store)
        workflow = self.settings.workflow.file
        with self.store.transaction() as session:
            versions.keep(session, self.definition(), workflow or "provincial.toml", now, named=bool(workflow))
        return revision

    def definition(self) -> str:
        """The text of the definition for new issues. Raises BadConfig when the file cannot be read."""
        name = self.settings.workflow.file
        if not name:
            return source_of("provincial")
        try:
            return self.settings.path(name).read_text(encoding="utf-8")
        except OSError as error:
            raise BadConfig(f"workflow.file: {name} cannot be read: {error.strerror}", "check the path in config.toml") from error

    def import_files(self, paths: Sequence[Path], now: datetime, *, dry_run: bool = False) -> importing.ImportReport:
        """Parties, authority catalogue, projects and issues of spreadsheets; all or nothing a file."""

        def work(session: Session) -> importing.ImportReport:
            if not dry_run:
                return importing.import_files(session, paths, worlds=self.worlds, now=now)
            trial = session.begin_nested()
            report = importing.import_files(session, paths, worlds=self.worlds, now=now, dry_run=True)
            trial.rollback()
            return report

        return self._change(work)

    def import_sample(self, now: datetime) -> importing.ImportReport:
        """The shipped sample ledger."""
        with as_file(files("escalation") / "sample") as folder:
            return self.import_files([folder / name for name in SAMPLE], now)

    def raise_issue(self, wanted: Raise, now: datetime) -> tuple[dict[str, Any], Raised]:
        """A new issue, as `show` has it, and why it stands where it does."""

        return self.change(lambda session, world: self.raising(session, world, wanted, now))

    def raising(self, session: Session, world: World, wanted: Raise, now: datetime) -> tuple[dict[str, Any], Raised]:
        """The same within a transaction. Raises NotFound for a project that the reporter does not see."""
        project = commands.find_project(world, wanted.project)
        if not scope.sees_project(self.sight(world, wanted.reporter, now), project):
            raise NotFound(
                say("there is no project {code!r} in the ledger", code=wanted.project), "raise it for one of your own projects"
            )
        raised = commands.raise_issue(session, world, wanted, now, self.outgoing)
        return views.issue(queries.one_row(session.connection(), raised.facts.number), world, now), raised

    def act(self, wanted: Do, now: datetime) -> dict[str, Any]:
        """One action; the issue as `show` has it. Raises Refused, NotFound, Conflict."""

        return self.change(lambda session, world: self.acting(session, world, wanted, now))

    def acting(self, session: Session, world: World, wanted: Do, now: datetime) -> dict[str, Any]:
        """The same within a transaction. Raises NotFound for an issue that the party does not see."""
        scope.refuse_unseen(session.connection(), self.sight(world, wanted.party, now), wanted.number)
        commands.act(session, world, wanted, now, self.outgoing)
        return views.shown(session, world, wanted.number, now, newest=views.NEWEST)

    @staticmethod
    def sight(world: World, party: str, now: datetime) -> scope.Sight:
        """What a party sees, by code or name; everything for nobody in particular. Raises NotFound for an unknown one."""
        if not party:
            return scope.EVERYTHING
        return scope.sight([commands.find_party(world, party)], world, world.calendar.local_day(now))

    def add_days(self, days: Days, source: str, now: datetime) -> int:
        """Days that differ from the published calendar; every running deadline is counted again. How many moved."""
        return len(self.change_days(days, source, now))

    def change_days(
        self, days: Days, source: str, now: datetime, *, dry_run: bool = False, by: str = "command line"
    ) -> list[Moved]:
        """The same, or in a dry run what would come of it: the deadlines that move."""
        hours = self.settings.calendar

        def work(session: Session) -> list[Moved]:
            trial = session.begin_nested()
            for day, (working, name) in days.items():
                session.merge(CalendarDay(day=day, working=working, name=name, source=source))
            touch(session)
            session.flush()
            # read by a reader of its own: whoever keeps a world must not keep one that is not committed
            world = WorldReader(hours.zone, hours.opens, hours.closes).read(session)
            moved = commands.recount_deadlines(session, world, now, self.outgoing)
            audit.note(session, now, by, "calendar_imported", f"{source}: {len(days)} days; {len(moved)} deadlines counted again")
            session.flush()
            trial.rollback() if dry_run else trial.commit()
            return moved

        return self._change(work)

    def change(self, work: Callable[[Session, World], T]) -> T:
        """Writes with a session and the world, in one transaction that every node hears of."""
        return self._change(lambda session: work(session, self.worlds.read(session)))

    def _change(self, work: Callable[[Session], T]) -> T:
        """What people change: in one transaction, and every node hears that there may be something to do sooner."""

        def told(session: Session) -> T:
            answer = work(session)
            waking.tell(session)
            return answer

        return self.store.write(told)

    # What people look at.

    def look(self, at: Callable[[Session, World], T]) -> T:
        """Reads with a session and the world."""
        with self.store.reading() as session:
            return at(session, self.worlds.read(session))

    def issues(self, wanted: views.Wanted, now: datetime, party: str = "") -> list[dict[str, Any]]:
        """The ledger of issues; of a party, what it sees. Raises NotFound for an unknown one."""
        return self.look(lambda session, world: views.listed(session, world, wanted, now, self.sight(world, party, now)))

    def refuse_unseen(self, number: str, party: str, now: datetime) -> None:
        """Raises NotFound for an issue that a party does not see, or a party that does not exist."""
        self.look(lambda session, world: scope.refuse_unseen(session.connection(), self.sight(world, party, now), number))

    def show(self, number: str, now: datetime, at: datetime | None = None) -> dict[str, Any]:
        """One issue whole."""
        return self.look(lambda session, world: views.shown(session, world, number, now, at))

    def secret(self) -> bytes:
        """What this installation signs forms and links with, made at the first need. Raises BadConfig."""
        return secrets.kept(self.settings.path(self.settings.web.secret_file))

    def explain(self, number: str, now: datetime) -> Explanation:
        """Why an issue is where it is, and what comes next."""

        def told(session: Session, world: World) -> Explanation:
            snapshot = queries.load(session.connection(), world, [number], now, lock=False)[number].snapshot
            return explain(snapshot, world.rules(snapshot.facts.workflow), now)

        return self.look(told)

    def verify(self) -> Verified:
        """Checks every invariant of the store."""
        return self.look(verify)

    # What time does.

    def sweep(self, now: datetime, *, limit: int | None = None, dry_run: bool = False) -> Swept:
        """Moves everything that is due."""
        return self.sweeper.sweep_once(now, limit=limit, dry_run=dry_run)

    def summarise(self, now: datetime) -> Made:
        """Makes the summaries whose moment has come; a look between two moments costs one small query."""
        return self.summariser.make_due(now)

    def read_inbox(self, now: datetime, folder: Path | None = None) -> Reading:
        """Reads what came in by mail: from what the configuration names, or from this drop folder."""
        done = Reading()
        for source in self._sources() if folder is None else [Folder(folder, self.inbox.limits.size)]:
            done.add(self.inbox.read(source, now))
        if done.outcomes["progress"]:
            self.store.write(waking.tell)
        return done

    def clear_address(self, address: str, now: datetime) -> int:
        """Mail may be sent to this address again; 0 when it was not marked."""

        def work(session: Session) -> int:
            cleared = addresses.clear(session, [address], now)
            if cleared:
                touch(session)
            return cleared

        return self._change(work)

    def _sources(self) -> list[Source]:
        inbox, size = self.settings.inbox, self.inbox.limits.size
        found: list[Source] = [Folder(self.settings.path(inbox.folder), size)] if inbox.folder else []
        if inbox.host:
            found.append(
                Mailbox(
                    ImapSettings(
                        host=inbox.host,
                        port=inbox.port,
                        security=inbox.security,
                        username=inbox.username,
                        password=self.settings.inbox_password,
                        ca_file=str(self.settings.path(inbox.ca_file)) if inbox.ca_file else "",
                        mailbox=inbox.mailbox,
                        done=inbox.done,
                        rejected=inbox.rejected,
                        size=size,
                    )
                )
            )
        return found

    def archive(self, now: datetime) -> Stored:
        """Puts away some of what has been over for longer than the configuration says."""
        kept = self.settings.archive
        closed, mail = (timedelta(days=days) if days else None for days in (kept.closed_days, kept.mail_days))
        return self.store.write(lambda session: put_away(session, self.worlds.read(session), Ages(closed, mail), now))

    def sign(self, node: Node, now: datetime, *, stopped: bool = False) -> None:
        """A node's sign of life."""
        self.store.write(lambda session: node.sign(session, now, stopped=stopped))

    def next_wake_at(self) -> datetime | None:
        """When the scheduler has to look again."""
        return self.look(lambda session, world: queries.next_wake_at(session.connection()))

    def workflows(self) -> list[dict[str, Any]]:
        """The versions in the store, and how many open issues each carries."""

        def told(session: Session, world: World) -> list[dict[str, Any]]:
            standing = queries.open_by_workflow(session.connection())
            return [
                {"id": row.id, "version": row.version, "active": row.id == world.active, "open_issues": standing.get(row.id, 0)}
                for row in session.exec(select(WorkflowRow).order_by(WorkflowRow.id))
            ]

        return self.look(told)

    def standing(self, key: str) -> dict[str, int]:
        """How many open issues of a workflow, whatever its version, stand in each `stage.status`."""
        return self.look(lambda session, world: queries.standing(session.connection(), key))


def _times(summary: SummarySettings) -> Times:
    return Times(*[time.fromisoformat(at) if at else None for at in (summary.daily, summary.weekly, summary.monthly)])


def to_json(value: Any) -> str:
    """A value as the command line prints it for programs: UTF-8, moments in ISO 8601."""
    return json.dumps(value, ensure_ascii=False, default=_plain, indent=1)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not for JSON")
