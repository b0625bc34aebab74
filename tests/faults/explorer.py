"""All that can happen to one issue: every order of the steps of nodes, dispatchers and a person, with a crash at every step.

What is decided is not modelled: the real rules (`decide`, `act`) and the real writer (`gather`) say what a step would write. What is
modelled is everything around them that keeps two hands from hurting each other: the guards, each of which can be taken out.
States are visited breadth first, so that the first path to a broken one is a shortest one.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from escalation.verifying import TELLING
from tests.faults.ground import MOMENTS, Effect, Entry, Ground
from workflows.facts import Facts
from workflows.rules import JUST_AFTER

#: What keeps it right: name -> what it is in the program.
GUARDS = {
    "lock": "claim and load lock the row (FOR UPDATE, SKIP LOCKED; BEGIN IMMEDIATE)",
    "fresh": "what is decided about is read under the lock, not when the issue was noticed",
    "recheck": "the claim asks for `wake_at <= now` once more, under the lock",
    "decide": "the rules look at the deadline themselves, whoever woke them",
    "strictly": "overdue is `now > due`: the deadline itself is still in time",
    "version": "UPDATE issue ... WHERE version = the one that was read",
    "sequence": "UNIQUE (issue_id, seq) on the journal",
    "together": "issue, stay and journal are written in one transaction",
    "mail": "the outbox is written in that same transaction",
    "forward": "an entry is never dated before the one ahead of it",
    "key": "UNIQUE key of the outbox; who comes second adds nothing",
    "claim": "a message is claimed under a lock (FOR UPDATE, SKIP LOCKED)",
    "counted": "attempts are counted when a message is claimed, not when it is over",
    "lease": "a claim runs out",
    "in_time": "nothing is sent after nine tenths of the lease",
    "token": "what became of a message is recorded only by who holds it",
    "after": "a message is recorded as sent after the server has taken it",
    "sending": "a message that is being sent cannot be dropped",
}
NODES, PERSON, DISPATCHERS = ("node A", "node B"), "person", ("dispatcher A", "dispatcher B")
LEASE = timedelta(minutes=30)
#: What holds an issue where it is: after it the sweep must not move it up.
HOLDING = ("resolve", "withdraw", "request_extension")


def lease_ends(time: int) -> int:
    """The number of the first moment at which a message claimed at moment `time` may be claimed again."""
    return next((number for number, at in enumerate(MOMENTS) if at >= MOMENTS[time] + LEASE), len(MOMENTS))


class Row(NamedTuple):
    """A message in the outbox, and what really happened to it, which no program knows."""

    key: str
    state: str = "queued"
    token: int = 0
    #: The moment's number at which anybody may claim it; None: never.
    free_at: int | None = 0
    attempts: int = 0
    claims: int = 0
    delivered: int = 0
    #: How often who had sent it died, or was frozen beyond its lease, before that was on record.
    excused: int = 0


class State(NamedTuple):
    """A store, the programs that work on it, and the time."""

    time: int
    issue: int
    stays: tuple[tuple[int, str], ...]
    journal: tuple[Entry, ...]
    outbox: tuple[Row, ...]
    #: Where each program is: (step, what it holds in its memory ...).
    programs: tuple[tuple[Any, ...], ...]
    crashes: int = 0
    aside: bool = False


IDLE: tuple[Any, ...] = ("idle",)
#: Where a program has the issue's row locked: by its claim, or because it has written it.
CLAIMED, WRITTEN = ("claimed", "decided"), ("written", "half")


@dataclass(frozen=True)
class Story:
    """Who is there, and what the person wants: an action, `drop` (a message out of the outbox), or nothing."""

    programs: tuple[str, ...]
    action: str = ""
    crashes: int = 1
    #: Nodes that tell something once a day, whatever is due (the calendar that is missing).
    daily: bool = False
    #: Locks that do not lock (a file on a network drive): then an issue may have to wait, but nothing else may break.
    locks_fail: bool = False


@dataclass
class Found:
    """What an exploration came to."""

    states: int = 0
    quiet: int = 0
    delivered: int = 0
    broken: str = ""
    path: list[str] = field(default_factory=list)
    journals: set[tuple[tuple[str, str, str], ...]] = field(default_factory=set)


Next = Iterator[tuple[str, State]]


class Explorer:
    """Visits every state of a story under some guards."""

    def __init__(self, ground: Ground, story: Story, without: frozenset[str] = frozenset()) -> None:
        assert without <= set(GUARDS), without
        self.ground, self.story, self.without = ground, story, without
        self.turn: dict[str, Callable[[State, int], Next]] = {
            "node": self._node,
            "person": self._person,
            "dispatcher": self._dispatcher,
        }
        self.has = {name: name not in without for name in GUARDS}
        self.check = cache(self._store_is_right)

    def run(self, *, keep: bool = False, most: int = 5_000_000) -> Found:
        """Breadth first until something is wrong or everything was seen. `keep`: the journals of quiet states too."""
        first = self.first()
        came: dict[State, tuple[State, str] | None] = {first: None}
        waiting, found = deque([first]), Found()
        while waiting:
            state = waiting.popleft()
            found.states += 1
            wrong = self.wrong(state)
            if wrong:
                found.broken, found.path = wrong, path_to(state, came)
                return found
            quiet = True
            for label, after in self.steps(state):
                quiet = False
                if after not in came:
                    came[after] = (state, label)
                    waiting.append(after)
            if quiet:
                self._at_rest(state, found, keep)
                if found.broken:
                    found.path = path_to(state, came)
                    return found
            assert found.states < most, "too many states: this story has no end"
        return found

    def first(self) -> State:
        ground = self.ground
        outbox: tuple[Row, ...] = ()
        if self.story.action == "drop" or not any(name.startswith("node") for name in self.story.programs):
            outbox = (Row("0"),)
        programs = tuple(IDLE for _ in self.story.programs)
        return State(0, ground.first, ground.stays, ground.journal, outbox, programs)

    # ---- steps ------------------------------------------------------------------------------------------------------

    def steps(self, state: State) -> Next:
        """Everything that may happen next, with its name."""
        if state.time + 1 < len(self.ground.moments):
            yield "time passes", self._tick(state)
        for place, name in enumerate(self.story.programs):
            for label, after in self.turn[name.split()[0]](state, place):
                yield f"{name}: {label}", after
            if self._may_die(state, place):
                yield f"{name}: DIES", self._crash(state, place)

    def _may_die(self, state: State, place: int) -> bool:
        """Not at the very end: who is not there to come back proves nothing."""
        busy = state.programs[place][0] not in ("idle", "done")
        return busy and state.crashes < self.story.crashes and state.time + 1 < len(MOMENTS)

    def _tick(self, state: State) -> State:
        """Who has sent and is so slow to say so that its lease ends has as good as died."""
        time, outbox = state.time + 1, state.outbox
        for program in state.programs:
            if program[0] == "sent" and (row := outbox[program[2]]).free_at == time and row.token == program[3]:
                outbox = _with(outbox, program[2], row._replace(excused=row.excused + 1))
        return state._replace(time=time, outbox=outbox)

    def _crash(self, state: State, place: int) -> State:
        program, outbox = state.programs[place], state.outbox
        if program[0] == "sent":
            row = outbox[program[2]]
            outbox = _with(outbox, program[2], row._replace(excused=row.excused + 1))
        after = state._replace(crashes=state.crashes + 1, outbox=outbox)
        return _at(after, place, IDLE)

    def _locked(self, state: State, place: int) -> bool:
        """Does somebody else have the issue's row? Whoever has written it has, lock or no lock: the database sees to that."""
        steps = CLAIMED + WRITTEN if self.has["lock"] else WRITTEN
        return any(program[0] in steps for other, program in enumerate(state.programs) if other != place)

    def _node(self, state: State, place: int) -> Next:
        """notice, claim, decide, write, commit: what `sweep_once` does about one issue."""
        step, *memory = state.programs[place]
        now = self.ground.moments[state.time]
        if step == "idle":
            looks = now if self.has["strictly"] else now + JUST_AFTER
            if self.ground.due(state.issue, looks):
                yield "notices it", _at(state, place, ("noticed", state.time, state.issue))
            if self.story.daily and not memory:
                yield "tells of the day", self._daily(state, place)
        elif step == "noticed":
            yield self._claim(state, place, *memory)
        elif step == "claimed":
            yield self._decide(state, place, *memory, who="")
        elif step in ("decided", *WRITTEN, "mailing"):
            yield from self._write(state, place, step, *memory)

    def _claim(self, state: State, place: int, time: int, seen: int) -> tuple[str, State]:
        issue = state.issue if self.has["fresh"] else seen
        if self._locked(state, place) and self.has["lock"]:
            return "skips it, somebody has it", _at(state, place, IDLE)
        looks = self._looks(time)
        if self.has["recheck"] and not self.ground.due(issue, looks):
            return "finds it is no longer due", _at(state, place, IDLE)
        return "claims it", _at(state, place, ("claimed", time, issue))

    def _looks(self, time: int) -> datetime:
        now = self.ground.moments[time]
        return now if self.has["strictly"] else now + JUST_AFTER

    def _decide(self, state: State, place: int, time: int, issue: int, who: str) -> tuple[str, State]:
        now = self.ground.moments[time] if who else self._looks(time)
        effect = self.ground.effect(issue, who, now, self.has["forward"], not self.has["decide"])
        if not isinstance(effect, Effect):
            return f"decides: {effect}", _at(state, place, ("done",) if who else IDLE)
        if not self.has["strictly"] and not who:
            effect = self._as_of(effect, issue, self.ground.moments[time])
        return f"decides: {effect.entry.action}", _at(state, place, ("decided", time, effect))

    def _as_of(self, effect: Effect, issue: int, now: datetime) -> Effect:
        due = self.ground.facts(issue).due_at
        early = effect.entry.action == "escalate_auto" and due is not None and now <= due
        return effect._replace(entry=effect.entry._replace(early=early))

    def _write(self, state: State, place: int, step: str, time: int, effect: Effect) -> Next:
        person = self.story.programs[place] == PERSON
        over = ("done",) if person else IDLE
        if step == "decided":
            if self._locked(state, place):
                return  # the database lets it wait for whoever has written the row
            if self.has["version"] and self.ground.facts(state.issue).version != effect.version:
                yield "finds it changed", self._conflict(state, place, time, over)
            elif self.has["together"]:
                yield "writes", _at(state, place, ("written", time, effect))
            else:
                yield "writes the issue", _at(state._replace(issue=effect.after), place, ("half", time, effect))
        elif step == "mailing":
            yield "writes the mail", _at(self._mailed(state, effect), place, over)
        elif self.has["sequence"] and any(entry.seq == effect.entry.seq for entry in state.journal):
            yield "finds its entry taken", self._conflict(state, place, time, over)
        else:
            after = _stayed(state, effect)._replace(issue=effect.after, journal=(*state.journal, effect.entry))
            if self.has["mail"]:
                yield "commits", _at(self._mailed(after, effect), place, over)
            else:
                yield "commits", _at(after, place, ("mailing", time, effect))

    def _conflict(self, state: State, place: int, time: int, over: tuple[Any, ...]) -> State:
        """Rolled back. A sweep leaves the issue alone for a while; a person is told."""
        if self.story.programs[place] == PERSON:
            return _at(state, place, over)
        return _at(state._replace(issue=self.ground.put_aside(state.issue, self.ground.moments[time]), aside=True), place, over)

    def _mailed(self, state: State, effect: Effect) -> State:
        return self._queued(state, effect.key) if effect.key else state

    def _queued(self, state: State, key: str) -> State:
        if self.has["key"] and any(row.key == key for row in state.outbox):
            return state
        return state._replace(outbox=(*state.outbox, Row(key, free_at=state.time)))

    def _daily(self, state: State, place: int) -> State:
        return _at(self._queued(state, "calendar"), place, ("idle", "told"))

    def _person(self, state: State, place: int) -> Next:
        """load under the lock, ask the rules, write, commit; or take a message out of the outbox."""
        step, *memory = state.programs[place]
        if step == "idle" and self.story.action == "drop":
            for number, row in enumerate(state.outbox):
                if row.state == "queued" or (row.state == "sending" and not self.has["sending"]):
                    dropped = state._replace(outbox=_with(state.outbox, number, row._replace(state="obsolete", free_at=None)))
                    yield "drops the message", _at(dropped, place, ("done",))
        elif step == "idle" and self.story.action:
            if not (self.has["lock"] and self._locked(state, place)):
                yield "loads it", _at(state, place, ("claimed", state.time, state.issue))
        elif step == "claimed":
            yield self._decide(state, place, *memory, who=self.story.action)
        elif step in ("decided", *WRITTEN, "mailing"):
            yield from self._write(state, place, step, *memory)

    def _dispatcher(self, state: State, place: int) -> Next:
        """claim, commit, send, record."""
        step, *memory = state.programs[place]
        if step == "idle":
            for number in self._claimable(state, place):
                if self.has["claim"]:
                    yield f"claims {state.outbox[number].key}", self._claimed(state, place, state.time, number)
                else:
                    yield f"sees {state.outbox[number].key}", _at(state, place, ("seen", state.time, number))
        elif step == "seen":
            yield "claims it", self._claimed(state, place, *memory)
        elif step == "holds":
            yield from self._send(state, place, *memory)
        elif step == "sent":
            yield "records it", self._recorded(state, place, *memory, outcome="sent")
        elif step == "recorded":
            yield "sends it", _at(self._taken(state, memory[1]), place, IDLE)

    def _claimable(self, state: State, place: int) -> Iterator[int]:
        for number, row in enumerate(state.outbox):
            if row.state in ("queued", "sending") and row.free_at is not None and row.free_at <= state.time:
                yield number

    def _claimed(self, state: State, place: int, time: int, number: int) -> State:
        row = state.outbox[number]
        free_at = lease_ends(time) if self.has["lease"] else None
        row = row._replace(state="sending", token=row.claims + 1, claims=row.claims + 1, free_at=free_at)
        row = row._replace(attempts=row.attempts + self.has["counted"])
        return _at(state._replace(outbox=_with(state.outbox, number, row)), place, ("holds", time, number, row.token))

    def _send(self, state: State, place: int, time: int, number: int, token: int) -> Next:
        if self.has["in_time"] and state.time >= lease_ends(time):
            yield "is too late, gives it back", self._recorded(state, place, time, number, token, outcome="queued")
        elif self.has["after"]:
            yield "sends it", _at(self._taken(state, number), place, ("sent", time, number, token))
        else:
            recorded = self._recorded(state, place, time, number, token, outcome="sent")
            yield "records it", _at(recorded, place, ("recorded", time, number, token))

    def _taken(self, state: State, number: int) -> State:
        row = state.outbox[number]
        return state._replace(outbox=_with(state.outbox, number, row._replace(delivered=row.delivered + 1)))

    def _recorded(self, state: State, place: int, time: int, number: int, token: int, outcome: str) -> State:
        row = state.outbox[number]
        mine = row.state == "sending" and row.token == token if self.has["token"] else row.state in ("sending", "sent", "queued")
        if mine:
            attempts = row.attempts + (not self.has["counted"])
            free_at = state.time if outcome == "queued" else None
            row = row._replace(state=outcome, token=0, free_at=free_at, attempts=attempts)
        return _at(state._replace(outbox=_with(state.outbox, number, row)), place, IDLE)

    # ---- what must hold ---------------------------------------------------------------------------------------------

    def wrong(self, state: State) -> str:
        """What is wrong with a state, or nothing."""
        if state.aside and not self.story.locks_fail:
            return "a healthy issue was set aside"
        keys = tuple(row.key for row in state.outbox)
        return self.check(state.issue, state.stays, state.journal, keys) or _mails_are_right(state.outbox)

    def _store_is_right(
        self, issue: int, stays: tuple[tuple[int, str], ...], journal: tuple[Entry, ...], keys: tuple[str, ...]
    ) -> str:
        facts = self.ground.facts(issue)
        return (
            _journal_is_right(facts, journal)
            or _stays_are_right(facts, stays)
            or _people_are_respected(journal, self.story.action)
            or self._told(journal, keys)
        )

    def _told(self, journal: tuple[Entry, ...], keys: tuple[str, ...]) -> str:
        """A change has its mail, and a mail its change (P4)."""
        new = journal[len(self.ground.journal) :]
        wanted = {f"{entry.seq}" for entry in new if entry.action in TELLING or entry.action == self.story.action}
        if missing := wanted - set(keys):
            return f"entry {min(missing)} told nobody"
        if extra := set(keys) - {f"{entry.seq}" for entry in new} - {"calendar", "0"}:
            return f"a mail for entry {min(extra)}, which is not there"
        return ""

    def _at_rest(self, state: State, found: Found, keep: bool) -> None:
        """Nobody can do anything any more: then everything must have been done."""
        found.quiet += 1
        found.delivered += sum(row.delivered for row in state.outbox)
        if keep:
            new = state.journal[len(self.ground.journal) :]
            found.journals.add(tuple((entry.action, entry.source, entry.target) for entry in new))
        if not any(name.startswith("dispatcher") for name in self.story.programs):
            return
        lost = [row.key for row in state.outbox if not row.delivered and row.state != "obsolete"]
        if lost:
            found.broken = f"the mail {lost[0]} was never sent"


def _journal_is_right(facts: Facts, journal: tuple[Entry, ...]) -> str:
    if [entry.seq for entry in journal] != list(range(1, len(journal) + 1)):
        return f"the journal is numbered {[entry.seq for entry in journal]}"
    for before, entry in zip(journal, journal[1:], strict=False):
        if entry.source != before.target:
            return f"entry {entry.seq} starts from {entry.source}, the one before ended in {before.target}"
        if entry.at < before.at:
            return f"entry {entry.seq} is dated before the one ahead of it"
    if len(journal) != facts.version or journal[-1].target != f"{facts.stage}.{facts.status}":
        return f"the journal ends in {journal[-1].target} at {len(journal)}, the row is {facts.stage}.{facts.status} at {facts.version}"
    gone = [entry.stay for entry in journal if entry.action == "escalate_auto"]
    if len(gone) != len(set(gone)):
        return "one stay went up twice"
    return "went up before its deadline had passed" if any(entry.early for entry in journal) else ""


def _stays_are_right(facts: Facts, stays: tuple[tuple[int, str], ...]) -> str:
    going_on = [no for no, outcome in stays if not outcome]
    expected = [facts.assignment_no] if facts.is_open else []
    if going_on != expected or [no for no, _ in stays] != list(range(1, facts.assignment_no + 1)):
        return f"the stays are {stays}, the issue is in its {facts.assignment_no}."
    return ""


def _people_are_respected(journal: tuple[Entry, ...], action: str) -> str:
    """What somebody did in time is not run over by a sweep that had not seen it."""
    actions = [entry.action for entry in journal]
    if action in HOLDING and action in actions and "escalate_auto" in actions[actions.index(action) :]:
        return f"it went up although somebody's {action} was there first"
    return ""


@cache
def _mails_are_right(outbox: tuple[Row, ...]) -> str:
    if len({row.key for row in outbox}) != len(outbox):
        return "one message is there twice"
    for row in outbox:
        if row.delivered > 1 + row.excused:
            return f"the mail {row.key} came {row.delivered} times, with {row.excused} crash(es) between sending and recording"
        if row.delivered > row.excused and row.state == "obsolete":
            return f"the mail {row.key} was dropped, and had been sent"
        if row.state == "sent" and not row.delivered:
            return f"the mail {row.key} is on record as sent and was not"
        if row.attempts < row.delivered:
            return f"the mail {row.key} was tried {row.delivered} times, {row.attempts} on record"
    return ""


def _stayed(state: State, effect: Effect) -> State:
    stays = list(state.stays)
    if effect.leaves is not None:
        stays = [effect.leaves if no == effect.leaves[0] else (no, outcome) for no, outcome in stays]
    if effect.begins is not None:
        stays.append((effect.begins, ""))
    return state._replace(stays=tuple(stays))


def _with(rows: tuple[Row, ...], number: int, row: Row) -> tuple[Row, ...]:
    return (*rows[:number], row, *rows[number + 1 :])


def _at(state: State, place: int, program: tuple[Any, ...]) -> State:
    programs = state.programs
    return state._replace(programs=(*programs[:place], program, *programs[place + 1 :]))


def path_to(state: State, came: dict[State, tuple[State, str] | None]) -> list[str]:
    """The steps that led to a state, the first one first."""
    found: list[str] = []
    while (step := came[state]) is not None:
        state, label = step
        found.append(label)
    return found[::-1]
