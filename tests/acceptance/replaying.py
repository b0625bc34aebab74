"""A log runs through the store as it would have: people's commands, and between them the sweeps that were due."""

from collections import defaultdict, deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files

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
from workflows.rules import JUST_AFTER

#: What somebody does about a case: asked with the case as it stands, it gives one action after the other, is told what became
#: of each, and answers the case as it left it.
Steps = Generator[Do, Facts, Facts]
Plan = Callable[[Facts, World], Steps]

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
    """A store and a clock that only the log moves. Every sweep is made when the scheduler would make it: at `next_wake_at`.

    `grain`: what people do within so much time is entered together, at the moment of its last, in one transaction; never across
    a moment at which the scheduler wakes. Zero: everything at its own moment.
    """

    def __init__(self, store: Store, setting: Setting, grain: timedelta = timedelta()) -> None:
        self.store = store
        self.grain = grain
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
        waiting = deque(sorted(log, key=lambda each: each.at))
        while waiting:
            self._sweep_until(waiting[0].at)
            together = self._until_a_timer_rings(waiting)
            late = self._do(together, together[-1].at)
            waiting.extendleft(reversed(late))
        self._sweep_until(end)
        self._sweep(end)

    def _until_a_timer_rings(self, waiting: deque[Command]) -> list[Command]:
        """The commands of the next `grain` of time, up to the next timer: one there is, or one that they set themselves."""
        first, horizon = waiting[0].at, self._wake
        taken: list[Command] = []
        while waiting and waiting[0].at - first <= self.grain and (horizon is None or waiting[0].at < horizon or not taken):
            taken.append(waiting.popleft())
            given = taken[-1].what.due_at if isinstance(taken[-1].what, Raise) else None
            if given is not None:
                horizon = min(horizon or given + JUST_AFTER, given + JUST_AFTER)
        # what a past deadline sets off comes after its own moment's raises and before anything later
        while waiting and waiting[0].at == taken[-1].at:
            taken.append(waiting.popleft())
        return taken

    def _do(self, given: Sequence[Command], now: datetime) -> list[Command]:
        """What people do before the next sweep, in one transaction; answers what has to wait for a sweep after all."""
        later = [each for each in given if not isinstance(each.what, Raise)]
        self._now = now
        with self.store.transaction() as session:
            world = self.worlds.read(session)
            self._raise(session, world, given, now)
            if later and self._wake is not None and self._wake <= now:
                return [
                    replace(each, at=now) for each in later
                ]  # raised with a deadline that was past: time is quicker than people
            self._act(session, world, later, now)
            self._wake = queries.next_wake_at(session.connection())
        return []

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


def solved(coordinator: dict[str, str]) -> Plan:
    """Whoever answers now signs if nobody has, says that it is solved, and the coordinator of the stage closes."""

    def plan(facts: Facts, world: World) -> Steps:
        lead = lead_of(facts, world)
        if facts.status == "pending_ack":
            facts = yield Do(facts.number, "acknowledge", lead)
        facts = yield Do(facts.number, "resolve", lead, "solved")
        return (yield Do(facts.number, "close", coordinator[facts.stage], "seen"))

    return plan


def after(moments: Sequence[datetime]) -> datetime:
    """The moment from which a log is looked back at: a second after its last."""
    return max(moments) + timedelta(seconds=1)
