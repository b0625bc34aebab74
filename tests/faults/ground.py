"""One real issue just before its deadline, for the explorer: the real rules and the real writer say what each step would write."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from escalation import applying, queries
from escalation.applying import Batch, Outgoing, Step
from escalation.queries import Loaded
from escalation.sweep import ASIDE
from tests.town import CITY_COORDINATOR, Town
from workflows.actions import act
from workflows.decision import decide
from workflows.facts import Act, Decision, Facts, Refusal
from workflows.hats import actor
from workflows.rules import JUST_AFTER

#: The moments of a story, counted from the deadline: days before it, on it, just after it, and when leases have run out, twice.
MOMENTS = (-timedelta(days=3), timedelta(0), JUST_AFTER, timedelta(hours=1), timedelta(hours=2))
#: So much more time is asked for.
MORE = timedelta(days=3)


class Entry(NamedTuple):
    """An entry of the journal, with what the invariants ask about it."""

    seq: int
    action: str
    source: str
    target: str
    at: datetime
    stay: int
    #: It went up by itself before its deadline had passed.
    early: bool = False


class Effect(NamedTuple):
    """What one decision would write: the real rows, as the model needs them."""

    before: int
    after: int
    version: int
    entry: Entry
    leaves: tuple[int, str] | None
    begins: int | None
    key: str


class Ground:
    """One real issue just before its deadline, and the real rules that say what becomes of it."""

    def __init__(self, town: Town, number: str) -> None:
        self.outgoing = Outgoing()
        with town.store.reading() as session:
            self.world = town.worlds.read(session)
            connection = session.connection()
            loaded = queries.load(connection, self.world, [number], town.now, lock=False)[number]
            self.stays = tuple((stay.no, stay.outcome) for stay in queries.assignments(connection, loaded.snapshot.facts.id))
            journal = queries.journal(connection, loaded.snapshot.facts.id)
        self.journal = tuple(Entry(row.seq, row.action, row.from_state, row.to_state, row.at, 0) for row in journal)
        due = loaded.snapshot.facts.due_at
        assert due is not None
        self.moments = tuple(due + after for after in MOMENTS)
        self.known: list[Loaded] = []
        self._numbers: dict[tuple[Any, ...], int] = {}
        self.first = self.number(loaded)
        self.effect = cache(self._effect)
        self.put_aside = cache(self._put_aside)

    def number(self, loaded: Loaded) -> int:
        """The model's number of an issue as it stands."""
        key = (loaded.snapshot.facts, loaded.snapshot.requests, loaded.snapshot.late_acknowledgements)
        if key not in self._numbers:
            self._numbers[key] = len(self.known)
            self.known.append(loaded)
        return self._numbers[key]

    def facts(self, issue: int) -> Facts:
        return self.known[issue].snapshot.facts

    def due(self, issue: int, now: datetime) -> bool:
        wake_at = self.facts(issue).wake_at
        return wake_at is not None and wake_at <= now

    def _effect(self, issue: int, who: str, now: datetime, forward: bool, trusting: bool) -> Effect | str:
        """What `who` ("" is the sweep, else an action) does about the issue: the rows, or why there are none."""
        loaded = self.known[issue]
        snapshot = loaded.snapshot
        rules = self.world.rules(snapshot.facts.workflow)
        asked = now
        if trusting and not who and snapshot.facts.due_at is not None:
            asked = max(now, snapshot.facts.due_at + JUST_AFTER)
        decision = self._person(loaded, who, now) if who else decide(snapshot, rules, asked)
        if not isinstance(decision, Decision):
            return decision.code if isinstance(decision, Refusal) else "nothing is due"
        shown = loaded
        if not forward:
            shown = loaded._replace(snapshot=replace(snapshot, facts=snapshot.facts._replace(changed_at=None)))
        batch, asked_before = Batch(), len(snapshot.requests)
        step = Step(shown, decision, now, who or "system")
        after = applying.gather(batch, self.world, step, self.outgoing, asked_before)
        numbered = applying._numbered(decision.requests, after.id, asked_before)
        requests = applying._still_pending(snapshot.requests, numbered)
        reached = self.number(loaded._replace(snapshot=replace(snapshot, facts=after, requests=requests)))
        return self._rows(issue, reached, decision, batch, now)

    def _rows(self, issue: int, reached: int, decision: Decision, batch: Batch, now: datetime) -> Effect:
        before = self.facts(issue)
        _, seq, at, _, action, source, target, *_ = batch.entries[0]
        early = action == "escalate_auto" and not (before.due_at is not None and now > (before.hold_until or before.due_at))
        left = [(row[1], row[7]) for row in batch.stays_changed if row[6] is not None]
        told = {row[0].split(":")[1] for row in batch.mails}
        assert told <= {str(seq)}
        return Effect(
            issue,
            reached,
            batch.issues[0][1],
            Entry(seq, action, source, target, at, before.assignment_no, early),
            left[0] if left else None,
            batch.stays_begun[0][1] if batch.stays_begun else None,
            f"{seq}" if told else "",
        )

    def _person(self, loaded: Loaded, action: str, now: datetime) -> Decision | Refusal:
        snapshot = loaded.snapshot
        facts, directory, today = snapshot.facts, self.world.directory, self.world.calendar.local_day(now)
        party = directory.by_id[self.facts(self.first).lead_id]
        if action == "withdraw":
            party = directory.by_code[CITY_COORDINATOR]
        until = self.world.calendar.local_day(self.moments[-1]) + MORE
        wanted = Act(action, actor(directory, party, today), reason="不得已", until=until)
        return act(snapshot, wanted, self.world.rules(facts.workflow), now)

    def _put_aside(self, issue: int, now: datetime) -> int:
        loaded = self.known[issue]
        facts = loaded.snapshot.facts._replace(wake_at=now + ASIDE)
        return self.number(loaded._replace(snapshot=replace(loaded.snapshot, facts=facts)))
