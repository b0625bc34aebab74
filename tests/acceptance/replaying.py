"""A log runs through the store as it would have: people's commands at their moments, and between them the sweeps that were due."""

from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import groupby

from sqlmodel import Session

from escalation import commands, queries
from escalation.applying import Outgoing
from escalation.commands import Do, Raise
from escalation.database import Store
from escalation.models import Authority, PartyRow, ProjectRow, WorkflowRow
from escalation.sweep import Sweeper
from escalation.verifying import Verified, verify
from escalation.world import World, WorldReader, touch
from workflows.facts import Facts
from workflows.loading import digest, loads

#: What somebody does about a case: asked with the case as it stands, it gives one action after the other, is told what became
#: of each, and answers the case as it left it.
Steps = Generator[Do, Facts, Facts]
Plan = Callable[[Facts, World], Steps]

#: So many moments are committed together where no sweep comes between them: a commit waits for the disk.
TOGETHER = 400
LONG_AGO = datetime(1990, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Command:
    """Somebody does something about a case at a moment: raises it, or carries out a plan."""

    at: datetime
    case: str
    what: Raise | Plan


@dataclass(slots=True)
class Setting:
    """The town that a log plays in."""

    definition: str
    zone: str
    hours: tuple[str, str]
    parties: list[PartyRow] = field(default_factory=list)
    projects: list[ProjectRow] = field(default_factory=list)
    catalogue: list[Authority] = field(default_factory=list)

    def party(self, code: str, name: str, level: str, organ: str, role: str = "responsible_party", city: str = "") -> str:
        """One more party, with an address; its code."""
        address = f"{code.lower()}@example.org"
        self.parties.append(PartyRow(code=code, name=name, level=level, organ=organ, role=role, city=city, email=address))
        return code


class Replay:
    """A store and a clock that only the log moves. Every sweep is made when the scheduler would make it: at `next_wake_at`."""

    def __init__(self, store: Store, setting: Setting) -> None:
        self.store = store
        self.worlds = WorldReader(setting.zone, *setting.hours)
        self.outgoing = Outgoing()
        self.sweeper = Sweeper(store, self.worlds, self.outgoing)
        #: The moments of the sweeps, in order.
        self.sweeps: list[datetime] = []
        #: The number under which the store has each case.
        self.number: dict[str, str] = {}
        self._known: dict[str, Facts] = {}
        self._wake: datetime | None = None
        self._now = LONG_AGO
        self._found(setting)

    def _found(self, setting: Setting) -> None:
        source = (files("tests.acceptance") / "definitions" / f"{setting.definition}.toml").read_text(encoding="utf-8")
        workflow = loads(source, setting.definition)
        row = WorkflowRow(
            id=workflow.id, key=workflow.key, version=workflow.version, source=source, digest=digest(source), added_at=LONG_AGO
        )
        with self.store.transaction() as session:
            session.add_all([*setting.parties, *setting.projects, *setting.catalogue, row])
            touch(session)

    def run(self, log: Sequence[Command], end: datetime) -> None:
        """All commands in the order of time (those of one moment as they come), and then time passes to `end`."""
        moments = [(at, list(each)) for at, each in groupby(sorted(log, key=lambda each: each.at), key=lambda each: each.at)]
        done = 0
        while done < len(moments):
            self._sweep_until(moments[done][0])
            done = self._between_sweeps(moments, done)
        self._sweep_until(end)
        self._sweep(end)

    def _between_sweeps(self, moments: Sequence[tuple[datetime, list[Command]]], first: int) -> int:
        """What people do until the next timer rings, in one transaction; answers the moment that was not reached."""
        with self.store.transaction() as session:
            world = self.worlds.read(session)
            last = min(first + TOGETHER, len(moments))
            for place in range(first, last):
                now, given = moments[place]
                if place > first and self._rings(session, now):
                    return place
                self._now = now
                self._raise(session, world, given, now)
                later = [each for each in given if not isinstance(each.what, Raise)]
                if later and self._rings(session, now):
                    moments[place][1][:] = later  # a deadline that was past when the case was raised: time is quicker than people
                    return place
                self._act(session, world, later, now)
        return last

    def _raise(self, session: Session, world: World, given: Sequence[Command], now: datetime) -> None:
        new = [(each.case, each.what) for each in given if isinstance(each.what, Raise)]
        if not new:
            return
        raised = commands.raise_many(session, world, [wanted for _, wanted in new], now, self.outgoing)
        for (case, _), each in zip(new, raised, strict=True):
            self.number[case] = each.facts.number
            self._learn([each.facts])

    def _act(self, session: Session, world: World, given: Sequence[Command], now: datetime) -> None:
        """Different cases side by side, what is done about one case in turn."""
        plans: dict[str, list[Plan]] = defaultdict(list)
        for each in given:
            assert not isinstance(each.what, Raise)
            plans[self.number[each.case]].append(each.what)
        facts = self._stand(session, world, list(plans), now)
        running = [_in_turn(plans[number], facts[number], world) for number in plans]
        asked = [(each, wanted) for each in running if (wanted := next(each, None)) is not None]
        while asked:
            after = commands.act_many(session, world, [wanted for _, wanted in asked], now, self.outgoing)
            self._learn(after)
            asked = [(each, wanted) for (each, _), done in zip(asked, after, strict=True) if (wanted := _sent(each, done))]

    def _stand(self, session: Session, world: World, numbers: list[str], now: datetime) -> dict[str, Facts]:
        unknown = [number for number in numbers if number not in self._known]
        if unknown:
            loaded = queries.load(session.connection(), world, unknown, now, lock=False)
            self._known |= {number: each.snapshot.facts for number, each in loaded.items()}
        return {number: self._known[number] for number in numbers}

    def _learn(self, after: Sequence[Facts]) -> None:
        for facts in after:
            self._known[facts.number] = facts
            if facts.wake_at is not None and (self._wake is None or facts.wake_at < self._wake):
                self._wake = facts.wake_at

    def _rings(self, session: Session, now: datetime) -> bool:
        """Is a timer due? `_wake` is never late; when it looks due, the store says what is so."""
        if self._wake is None or self._wake > now:
            return False
        self._wake = queries.next_wake_at(session.connection())
        return self._wake is not None and self._wake <= now

    def _sweep_until(self, now: datetime) -> None:
        """The scheduler's part: one sweep at each `next_wake_at` up to `now`."""
        while self._wake is not None and self._wake <= now:
            self._sweep(max(self._wake, self._now))

    def _sweep(self, now: datetime) -> None:
        self._now = now
        swept = self.sweeper.sweep_once(now)
        assert swept.set_aside == swept.conflicts == 0, swept
        assert swept.next_wake_at is None or swept.next_wake_at > now, f"a sweep at {now} left work for {swept.next_wake_at}"
        self._known = {number: facts for number, facts in self._known.items() if facts.wake_at is None or facts.wake_at > now}
        self._wake = swept.next_wake_at
        self.sweeps.append(now)

    def verify(self) -> Verified:
        """All invariants of the store."""
        with self.store.reading() as session:
            return verify(session, self.worlds.read(session))

    def world(self) -> World:
        """The parties, projects and rules that the log played with."""
        with self.store.reading() as session:
            return self.worlds.read(session)


def lead_of(facts: Facts, world: World) -> str:
    """The code of the party that answers now."""
    return world.directory.by_id[facts.lead_id].code


def _in_turn(plans: Sequence[Plan], facts: Facts, world: World) -> Steps:
    for plan in plans:
        facts = yield from plan(facts, world)
    return facts


def _sent(running: Steps, done: Facts) -> Do | None:
    """What a plan wants next, told what became of the last; None when it is over."""
    try:
        return running.send(done)
    except StopIteration:
        return None


def after(moments: Sequence[datetime]) -> datetime:
    """The moment from which a log is looked back at: a second after its last."""
    return max(moments) + timedelta(seconds=1)
