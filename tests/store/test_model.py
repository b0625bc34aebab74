"""Random people, random sweeps, clocks that jump and processes that restart, held against a small model written independently.

The model is a dictionary an issue and a calendar that walks day by day (tests/oracle.py). It predicts the main actions and
the sweep; what it does not know (`anything`) may be refused or done, and then it looks again. After every step the invariants
of engine.md 6 hold: `verify` says so, and so do the checks below, which share no code with it.

`ESCALATION_TEST_EXAMPLES=2000` runs longer, with other seeds each time.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select, text

from escalation.applying import Outgoing
from escalation.commands import actions_for
from escalation.database import Store
from escalation.errors import Refused
from escalation.queries import ASSIGNMENT, ISSUE, JOURNAL, OUTBOX, REQUEST
from escalation.sweep import Sweeper
from escalation.world import WorldReader
from tests.oracle import ABOVE, LIMITS, ZONE, slow_due, slow_overdue_days, works
from tests.town import CITY_COORDINATOR, DEPARTMENT_COORDINATOR, INSPECTION, LIAISON, OFFICE, OWNER, Town, at
from workflows.actions import ACTIONS

EXAMPLES = int(os.environ.get("ESCALATION_TEST_EXAMPLES", "0"))
BEGIN, END = at("2026-07-01 09:00"), at("2026-10-31 18:00")
CITY, DEPARTMENT = "哈尔滨市自然资源局", "省自然资源厅"
OTHERS = ("哈尔滨市住建局", "哈尔滨市交通运输局", "省住建厅", "省交通运输厅", "省政府督查室")
COORDINATOR = {"city": CITY_COORDINATOR, "department": DEPARTMENT_COORDINATOR, "province": OFFICE}
SUPERIOR = {"city": DEPARTMENT_COORDINATOR, "department": OFFICE, "province": OFFICE}
EVERYBODY = (OWNER, CITY_COORDINATOR, DEPARTMENT_COORDINATOR, OFFICE, LIAISON, INSPECTION, "PT0014", CITY, DEPARTMENT, *OTHERS)
WORKING = ("pending_ack", "processing")
OPEN = (*WORKING, "pending_intake", "pending_review", "suspended")
#: What the model can predict, and what people mostly do in a status.
PREDICTED = ("dispatch", "acknowledge", "resolve", "review", "escalate", "ask_for_time", "suspend", "resume")
LIKELY = {
    "pending_intake": ("dispatch",),
    "pending_ack": ("acknowledge", "acknowledge", "escalate"),
    "processing": ("resolve", "ask_for_time", "suspend", "resolve", "ask_for_time", "escalate"),
    "pending_review": ("review",),
    "suspended": ("resume", "suspend"),
}


@dataclass
class Believed:
    """What the model thinks of one issue."""

    severity: str
    stage: str = "city"
    status: str = "pending_intake"
    lead: str = ""
    due: datetime | None = None
    ack_due: datetime | None = None
    left: int = 0
    resume_at: datetime | None = None
    hold: datetime | None = None
    overdue: bool = False
    extensions: int = 0
    returns_to: str = ""
    #: When more time was asked for, of the requests that still wait.
    asked: list[datetime] = field(default_factory=list)

    def dispatched(self, now: datetime, stage: str) -> None:
        self.lead = {"city": CITY, "department": DEPARTMENT}.get(stage) or (
            self.lead if self.stage == "department" else DEPARTMENT
        )
        self.stage, self.status = stage, "pending_ack"
        self.due = slow_due(now, LIMITS[stage][self.severity])
        self.ack_due = min(slow_due(now, 1), self.due)
        self.hold, self.overdue, self.returns_to, self.asked = None, False, "", []

    def stopped(self, now: datetime) -> None:
        assert self.due is not None
        self.left = max(1, days_left(now, self.due))
        self.hold, self.asked = None, []

    def goes_on(self, now: datetime) -> None:
        self.status = "processing"
        if not self.overdue:
            self.due = slow_due(now, self.left)

    def swept(self, now: datetime) -> None:
        """All that time does at this moment."""
        if self.status in WORKING and not self.overdue:
            assert self.due is not None
            ran_out = now > self.due if self.hold is None else now >= self.hold
            if ran_out and self.hold is None and any(asked <= self.due for asked in self.asked):
                until = slow_due(self.due, 2)
                self.hold, ran_out = (until, False) if until > now else (None, True)
            if ran_out:
                target = self.returns_to or ABOVE.get(self.stage)
                if target is None:
                    self.overdue, self.hold = True, None
                else:
                    self.dispatched(now, target)
                    return
        if self.status == "suspended" and self.resume_at is not None and now >= self.resume_at:
            self.goes_on(now)
        if self.status == "pending_ack" and self.ack_due is not None and now > self.ack_due:
            self.status = "processing"


def days_left(now: datetime, due: datetime) -> int:
    """Working days after today up to the due day; 0 if that is today or past."""
    return slow_overdue_days(now, due)


def day_after(day: date, count: int) -> date:
    while count:
        day += timedelta(days=1)
        count -= works(day)
    return day


def local(moment: datetime) -> date:
    return moment.astimezone(ZONE).date()


class Life(RuleBasedStateMachine):
    """One example: a fresh store, some issues, and whatever happens."""

    fresh: Callable[[], str]
    counted: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.url = type(self).fresh()
        self.now = BEGIN
        self.believed: dict[str, Believed] = {}
        self._open()

    def _open(self) -> None:
        store = Store(self.url)
        town = object.__new__(Town)
        town.store, town.now, town.worlds, town.outgoing = store, self.now, WorldReader(), Outgoing()
        town.sweeper = Sweeper(store, town.worlds, town.outgoing)
        self.town = town

    def teardown(self) -> None:
        self.town.store.close()

    def act(self, number: str, action: str, who: str, **more: Any) -> bool:
        """Done, or refused with nothing changed."""
        self.town.now = self.now
        before = self.town.facts(number)
        try:
            self.town.act(number, action, who, **more)
        except Refused as refused:
            assert self.town.facts(number) == before, f"{action} was refused and changed something"
            assert refused.exit_code == 3
            return False
        self.counted[action] += 1
        return True

    # ---- time

    @rule(minutes=st.sampled_from([1, 61, 480, 1440, 2880, 4320, 10080, 30240, -1, -60, -1440, -20160]))
    def the_clock_moves(self, minutes: int) -> None:
        """Forwards, over an outage, or set back."""
        self.now = min(max(self.now + timedelta(minutes=minutes), BEGIN), END)

    @precondition(lambda self: any(each.due and each.status in WORKING for each in self.believed.values()))
    @rule(data=st.data(), seconds=st.sampled_from([-1, 0, 1]))
    def to_the_edge_of_a_deadline(self, data: st.DataObject, seconds: int) -> None:
        dues = sorted({each.due for each in self.believed.values() if each.due and each.status in WORKING})
        self.now = min(max(data.draw(st.sampled_from(dues)) + timedelta(seconds=seconds), BEGIN), END)

    @rule(again=st.booleans())
    def sweep(self, again: bool) -> None:
        """At once, or at the next deadline."""
        if again and (dues := [each.due for each in self.believed.values() if each.due and each.status in WORKING]):
            self.now = min(max(self.now, min(dues) + timedelta(seconds=1)), END)
        swept = self.town.sweep(self.now)
        assert (swept.conflicts, swept.set_aside) == (0, 0)
        for each in self.believed.values():
            each.swept(self.now)
        with self.town.store.reading() as session:
            waking = session.connection().execute(select(ISSUE.c.number).where(ISSUE.c.wake_at <= self.now)).all()
        assert waking == [], "due, and left alone by the sweep"
        self.counted["sweep"] += 1
        self.counted.update({f"to {stage}": count for stage, count in swept.escalated.items()})

    @rule()
    def restart(self) -> None:
        self.town.store.close()
        self._open()

    # ---- what the model can predict

    @initialize(severities=st.lists(st.sampled_from(["general", "major", "urgent"]), min_size=1, max_size=3))
    def begin(self, severities: list[str]) -> None:
        """Some issues have been dispatched already."""
        for severity in severities:
            self.raise_issue(severity)
        for number, issue in self.believed.items():
            assert self.act(number, "dispatch", CITY_COORDINATOR)
            issue.dispatched(self.now, "city")

    @precondition(lambda self: len(self.believed) < 4)
    @rule(severity=st.sampled_from(["general", "major", "urgent"]))
    def raise_issue(self, severity: str) -> None:
        self.town.now = self.now
        self.believed[self.town.raise_issue("land", severity)] = Believed(severity)

    @precondition(lambda self: self.believed)
    @rule(data=st.data(), fitting=st.integers(0, 3))
    def somebody_acts(self, data: st.DataObject, fitting: int) -> None:
        """Mostly what fits the issue's status, sometimes what does not and must be refused."""
        number, issue = self._some(data)
        likely = LIKELY.get(issue.status, ()) if fitting else ()
        action = data.draw(st.sampled_from(likely or PREDICTED))
        getattr(self, f"_{action}")(data, number, issue)

    def _dispatch(self, data: st.DataObject, number: str, issue: Believed) -> None:
        done = self.act(number, "dispatch", COORDINATOR[issue.stage])
        assert done is (issue.status == "pending_intake")
        if done:
            issue.dispatched(self.now, issue.stage)

    def _acknowledge(self, data: st.DataObject, number: str, issue: Believed) -> None:
        done = self.act(number, "acknowledge", issue.lead or CITY)
        assert done is (issue.status == "pending_ack")
        issue.status = "processing" if done else issue.status

    def _resolve(self, data: st.DataObject, number: str, issue: Believed) -> None:
        done = self.act(number, "resolve", issue.lead or CITY, reason="办好了", note="不影响")
        assert done is (issue.status == "processing")
        if done:
            issue.stopped(self.now)
            issue.status = "pending_review"

    def _review(self, data: st.DataObject, number: str, issue: Believed) -> None:
        solved = data.draw(st.booleans())
        if solved and issue.stage == "province" and issue.status == "pending_review":
            self.act(number, "confirm", LIAISON)
        done = self.act(number, "close" if solved else "return_for_rework", COORDINATOR[issue.stage], reason="看过")
        assert done is (issue.status == "pending_review")
        if done and solved:
            issue.status, issue.asked = "closed", []
        elif done:
            issue.goes_on(self.now)

    def _escalate(self, data: st.DataObject, number: str, issue: Believed) -> None:
        done = self.act(number, "escalate", COORDINATOR[issue.stage], reason="事权在上")
        assert done is (issue.status in WORKING and issue.stage in ABOVE)
        if done:
            issue.dispatched(self.now, ABOVE[issue.stage])

    def _ask_for_time(self, data: st.DataObject, number: str, issue: Believed) -> None:
        """One working day more, asked for and then granted, denied or left to wait."""
        answer = data.draw(st.sampled_from(["approve", "deny", ""]))
        until = day_after(local(issue.due or self.now), 1)
        waiting = self._waiting(number, "extension")
        done = self.act(number, "request_extension", issue.lead or CITY, until=until, reason="还差一点")
        in_time = issue.due is not None and days_left(self.now, issue.due) >= 1
        may = issue.status == "processing" and not issue.overdue and in_time and issue.extensions < 2 and not waiting
        assert done is may
        if not done:
            return
        issue.asked.append(self.now)
        if not answer:
            return
        decider = (COORDINATOR if issue.extensions == 0 else SUPERIOR)[issue.stage]
        no = self._waiting(number, "extension")[0]
        assert self.act(number, answer, decider, reason="看过", request_no=no)
        issue.asked.pop()
        issue.hold = None
        if answer == "approve":
            issue.due = datetime.combine(until, time(17), ZONE).astimezone(UTC)
            issue.extensions += 1

    def _suspend(self, data: st.DataObject, number: str, issue: Believed) -> None:
        until = local(self.now) + timedelta(days=data.draw(st.integers(1, 20)))
        done = self.act(number, "suspend", SUPERIOR[issue.stage], until=until, reason="law_case")
        assert done is (issue.status == "processing")
        if done:
            issue.stopped(self.now)
            issue.status, issue.resume_at = "suspended", datetime.combine(until, time(8, 30), ZONE).astimezone(UTC)

    def _resume(self, data: st.DataObject, number: str, issue: Believed) -> None:
        done = self.act(number, "resume", SUPERIOR[issue.stage])
        assert done is (issue.status == "suspended")
        if done:
            issue.goes_on(self.now)

    # ---- what it cannot

    @precondition(lambda self: self.believed)
    @rule(
        data=st.data(),
        action=st.sampled_from(ACTIONS),
        who=st.sampled_from(EVERYBODY),
        to=st.sampled_from(("", CITY, DEPARTMENT, *OTHERS)),
        until=st.dates(date(2026, 7, 1), date(2026, 10, 31)) | st.none(),
        reason=st.sampled_from(["law_case", "在办在办", ""]),
        no=st.none() | st.integers(1, 3),
    )
    def anything(
        self, data: st.DataObject, action: str, who: str, to: str, until: date | None, reason: str, no: int | None
    ) -> None:
        """Anybody tries anything: refused without a trace, or done and then looked at again."""
        number, _ = self._some(data)
        open_to_them = self.town.look(lambda session, world: actions_for(session, world, number, who, self.now))
        if open_to_them and data.draw(st.booleans()):
            action = data.draw(st.sampled_from(open_to_them))
        into = data.draw(st.sampled_from(["", *self.believed]))
        if self.act(number, action, who, to=to, until=until, reason=reason, request_no=no, into=into):
            self._look_again(number)

    def _some(self, data: st.DataObject) -> tuple[str, Believed]:
        number = data.draw(st.sampled_from(sorted(self.believed)))
        return number, self.believed[number]

    def _waiting(self, number: str, *kinds: str) -> list[int]:
        return [row.no for row in self._requests(number, *kinds)]

    def _requests(self, number: str, *kinds: str) -> list[Any]:
        with self.town.store.reading() as session:
            statement = (
                select(REQUEST.c.no, REQUEST.c.asked_at)
                .join(ISSUE, ISSUE.c.id == REQUEST.c.issue_id)
                .where(ISSUE.c.number == number, REQUEST.c.state == "pending", REQUEST.c.kind.in_(kinds))
            )
            return list(session.connection().execute(statement))

    def _look_again(self, number: str) -> None:
        facts, issue = self.town.facts(number), self.believed[number]
        issue.stage, issue.status, issue.due, issue.ack_due = facts.stage, facts.status, facts.due_at, facts.ack_due_at
        issue.left = int(facts.remaining.removesuffix("wd") or 1)
        issue.resume_at, issue.hold, issue.overdue = facts.resume_at, facts.hold_until, facts.overdue_at is not None
        issue.extensions, issue.returns_to = facts.extensions, facts.returns_to
        issue.lead = self.town.party(facts.lead_id) if facts.status != "pending_intake" else ""
        issue.overdue = issue.overdue and facts.status != "pending_intake"
        issue.asked = [row.asked_at for row in self._requests(number, "extension", "suspension")]

    # ---- what must hold after every step

    @invariant()
    def the_row_is_what_the_model_says(self) -> None:
        for number, issue in self.believed.items():
            facts = self.town.facts(number)
            assert (facts.stage, facts.status) == (issue.stage, issue.status), number
            if issue.status in WORKING:
                assert (facts.due_at, facts.hold_until) == (issue.due, issue.hold), number
                assert self.town.party(facts.lead_id) == issue.lead, number
                assert (facts.overdue_at is not None) is issue.overdue, number

    @invariant()
    def verify_finds_nothing(self) -> None:
        assert self.town.verify().broken == []

    @invariant()
    def one_stay_and_no_gap(self) -> None:
        """Invariant 1."""
        with self.town.store.reading() as session:
            connection = session.connection()
            for issue in connection.execute(select(ISSUE)).all():
                stays = connection.execute(
                    select(ASSIGNMENT).where(ASSIGNMENT.c.issue_id == issue.id).order_by(ASSIGNMENT.c.no)
                ).all()
                running = [stay for stay in stays if stay.left_at is None]
                assert len(running) == (1 if issue.status in OPEN else 0)
                for stay in running:
                    assert (stay.stage, stay.responsible_id, stay.lead_id) == (issue.stage, issue.responsible_id, issue.lead_id)
                    assert (stay.due_at, stay.no) == (issue.due_at, len(stays))
                for earlier, later in zip(stays, stays[1:], strict=False):
                    assert earlier.left_at == later.entered_at or earlier.outcome == "closed"
                    assert earlier.entered_at <= earlier.left_at <= later.entered_at

    @invariant()
    def the_record_is_whole_and_told(self) -> None:
        """Invariants 2, 3 and 4."""
        with self.town.store.reading() as session:
            connection = session.connection()
            told = {tuple(key.split(":")[:2]) for (key,) in connection.execute(select(OUTBOX.c.key))}
            for issue in connection.execute(select(ISSUE)).all():
                entries = connection.execute(select(JOURNAL).where(JOURNAL.c.issue_id == issue.id).order_by(JOURNAL.c.seq)).all()
                assert [each.seq for each in entries] == list(range(1, issue.version + 1))
                head, state, gone, latest = b"", {}, set(), None
                for each in entries:
                    body = json.loads(each.body)
                    head = sha256(head + each.body).digest()
                    assert head == each.hash
                    assert latest is None or latest <= each.at, "the record goes backwards"
                    latest = each.at
                    changed = {name for name, value in body["changes"].items() if state.get(name) != value}
                    if each.action == "escalate_auto":
                        stay, source, target = state["assignment_no"], state["stage"], body["changes"]["stage"]
                        assert stay not in gone, "one stay went up twice"
                        gone.add(stay)
                        assert target == (state["returns_to"] or ABOVE[source]), "a stage was skipped"
                    if changed & {"responsible_id", "lead_id", "due_at"}:
                        assert (issue.number, str(each.seq)) in told, f"{each.action} told nobody"
                    state |= body["changes"]
                assert head == issue.head
                assert (state["stage"], state["status"], state["assignment_no"]) == (
                    issue.stage,
                    issue.status,
                    issue.assignment_no,
                )
                assert state["due_at"] is None or datetime.fromisoformat(state["due_at"]) == issue.due_at


@pytest.fixture
def fresh(database: str, tmp_path: Path) -> Callable[[], str]:
    """Answers the URL of a store with the town in it and no issue: a copied file, or one database swept clean."""
    store = Store(database)
    Town(store, "2026-07-01 09:00")
    store.close()
    if database.startswith("sqlite"):
        template, copy = Path(database.removeprefix("sqlite:///")), tmp_path / "copy.db"

        def copied() -> str:
            shutil.copy(template, copy)
            return f"sqlite:///{copy}"

        return copied

    cleaner = Store(database)

    def emptied() -> str:
        with cleaner.transaction() as session:
            session.connection().execute(text("TRUNCATE issue, assignment, request, journal, card, outbox, set_aside CASCADE"))
            session.connection().execute(text("DELETE FROM counter WHERE prefix <> 'world'"))
        return database

    return emptied


def test_the_engine_does_what_the_model_says(fresh: Callable[[], str], database: str) -> None:
    counted: Counter[str] = Counter()

    class Here(Life):
        pass

    Here.fresh, Here.counted = staticmethod(fresh), counted
    chosen = settings(max_examples=EXAMPLES or 18, stateful_step_count=30, derandomize=not EXAMPLES, database=None)
    run_state_machine_as_test(Here, settings=chosen)
    print(f"{database.split(':', maxsplit=1)[0]}: {dict(counted.most_common())}")
    assert counted["to department"] and counted["to province"], "the examples are too tame"
