"""Why an issue is where it is and what comes next if nobody acts: pure over its facts."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from workflows.calendar import WorkCalendar
from workflows.deadlines import working_days_left
from workflows.decision import decide
from workflows.facts import Facts, Snapshot
from workflows.parties import NobodyAnswers
from workflows.rules import Rules, clocks

#: How many of the coming events are told.
AHEAD = 3

HAPPENS = {
    "intake": "the coordinator is reminded to dispatch it",
    "intake_repeat": "the coordinator's superior is told",
    "acknowledge": "acknowledged by the system (视同签收), on record against the organ",
    "warning": "the reminder before the deadline; the light turns yellow",
    "resolve": "escalates",
    "report": "the progress report counts as missed",
    "review": "the coordinator is late; the superior is told",
    "review_repeat": "the superior is told again",
    "resume": "work goes on with the time that was left",
    "letter": "the next supervision letter",
    "request": "the decision on a request is late; the superior is told",
}


class Next(NamedTuple):
    """Something that happens by itself."""

    at: datetime
    what: str
    who: str
    #: Its clock (a key of HAPPENS), and the stage that it leads to, for those who say it in other words.
    clock: str = ""
    target: str = ""


class Counted(NamedTuple):
    """How a deadline was counted: its limit from a moment, the days that did not count and the make-up days that did."""

    span: str
    start: datetime
    due_at: datetime
    off: tuple[tuple[date, str], ...]
    made_up: tuple[date, ...]
    provisional: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Sentences, and what comes next."""

    because: tuple[str, ...]
    next: tuple[Next, ...]


def light(facts: Facts, calendar: WorkCalendar, now: datetime, yellow_at: int = 2) -> str:
    """red, yellow or green while the clock runs; otherwise why it does not."""
    match facts.status:
        case "suspended" | "pending_review" | "rejected" | "withdrawn" | "merged":
            return facts.status
        case "closed":
            return "closed_late" if _late_when_closed(facts) else "closed_on_time"
    if facts.due_at is None:
        return "green"
    if facts.overdue_at is not None or now > facts.due_at:
        return "red"
    return "yellow" if working_days_left(now, facts.due_at, calendar) <= yellow_at else "green"


def _late_when_closed(facts: Facts) -> bool:
    stopped = facts.clock_from or facts.closed_at
    return facts.overdue_at is not None or bool(facts.due_at and stopped and stopped > facts.due_at)


def late_by(facts: Facts, calendar: WorkCalendar, now: datetime) -> int:
    """Working days past the deadline of a running clock; 0 when it is not late."""
    if facts.due_at is None or not facts.is_open or facts.status in ("pending_review", "suspended"):
        return 0
    return max(0, -working_days_left(now, facts.due_at, calendar))


def days_left(facts: Facts, calendar: WorkCalendar, now: datetime) -> int | None:
    """Working days after today up to the deadline of a running clock, negative when it is late; None where none runs."""
    if facts.due_at is None or not facts.is_open or facts.status in ("pending_review", "suspended"):
        return None
    return working_days_left(now, facts.due_at, calendar)


def overdue(facts: Facts, now: datetime) -> bool:
    """Is it open, its clock running, and strictly past its deadline?"""
    if not facts.is_open or facts.status in ("pending_review", "suspended"):
        return False
    return facts.overdue_at is not None or bool(facts.due_at and now > facts.due_at)


def explain(snapshot: Snapshot, rules: Rules, now: datetime) -> Explanation:
    """The rule, the days counted and skipped, and the next timers of an issue."""
    return Explanation(tuple(_because(snapshot, rules, now)), _next(snapshot, rules, now))


def _because(snapshot: Snapshot, rules: Rules, now: datetime) -> list[str]:
    facts, route, calendar = snapshot.facts, snapshot.route, rules.calendar
    stage = rules.workflow.stage(facts.stage)
    party = route.directory.by_id
    said = [f"{facts.number} is at {stage.name.zh} ({facts.stage}), {facts.status}; {party[facts.lead_id].name} leads"]
    if facts.responsible_id != facts.lead_id:
        said.append(f"{party[facts.responsible_id].name} answers for it at this stage")
    if organ := route.organ_name(facts.stage):
        said.append(f"the catalogue names {organ} for {route.competence.name} at this stage")
    if facts.organ:
        said.append(f"the issue itself names {facts.organ}, which overrides the catalogue")
    if facts.due_at is not None:
        said += _counted(facts, rules, calendar)
    if facts.overdue_at is not None:
        said.append(f"overdue since {_day(facts.due_at, calendar)}, noticed {_day(facts.overdue_at, calendar)}")
    if facts.status == "suspended":
        said.append(f"suspended until {_day(facts.resume_at, calendar)}, with {facts.remaining} left")
    if facts.status == "pending_review":
        said.append(
            f"the clock stands still with {facts.remaining} left; the coordinator has until {_day(facts.review_due_at, calendar)}"
        )
    if facts.hold_until is not None:
        said.append(f"a request made in time holds escalation until {_day(facts.hold_until, calendar)}")
    return said


def counted(facts: Facts, calendar: WorkCalendar) -> Counted | None:
    """How the running deadline came about; None where none runs or a person gave it."""
    if facts.due_at is None or facts.clock_from is None or facts.clock_span in ("", "given"):
        return None
    if facts.status in ("pending_intake", "pending_review", "suspended"):
        return None
    first, last = calendar.local_day(facts.clock_from), calendar.due_day(facts.due_at)
    off, made_up = calendar.days_off_between(first, last), calendar.makeup_days_between(first, last)
    return Counted(facts.clock_span, facts.clock_from, facts.due_at, tuple(off), tuple(made_up), facts.due_provisional)


def _counted(facts: Facts, rules: Rules, calendar: WorkCalendar) -> list[str]:
    assert facts.due_at is not None
    due = _day(facts.due_at, calendar)
    if facts.status == "pending_intake":
        return [f"to be dispatched by {due} ({rules.workflow.intake.limit} from {_day(facts.raised_at, calendar)})"]
    if facts.clock_from is None or facts.clock_span in ("", "given"):
        return [f"due {due}, a date that was given"]
    if facts.status in ("pending_review", "suspended"):
        return [f"was due {due}"]
    told = counted(facts, calendar)
    assert told is not None
    said = [f"due {due}: {facts.clock_span} from {_day(facts.clock_from, calendar)}, that day not counted"]
    if told.off:
        said.append("not counted: " + ", ".join(f"{day.isoformat()} {name}".strip() for day, name in told.off))
    if told.made_up:
        said.append("counted as make-up working days: " + ", ".join(day.isoformat() for day in told.made_up))
    if facts.due_provisional:
        said.append("provisional (暂定): a year whose calendar is not published was counted")
    return said


def _next(snapshot: Snapshot, rules: Rules, now: datetime) -> tuple[Next, ...]:
    found = []
    for at, clock in clocks(snapshot.facts, snapshot.requests)[:AHEAD]:
        name = clock.partition(":")[0]
        target = _target(snapshot, rules) if name == "resolve" else ""
        found.append(Next(at, _what(name, rules, target), _who(name, snapshot, rules, at), name, target))
    return tuple(found)


def _target(snapshot: Snapshot, rules: Rules) -> str:
    """The stage that an overdue issue goes to; empty at the last one."""
    facts = snapshot.facts
    return facts.returns_to or rules.workflow.next_stage[facts.stage] or ""


def _what(clock: str, rules: Rules, target: str) -> str:
    if clock != "resolve":
        return HAPPENS[clock]
    if not target:
        return "overdue at the last stage: red card, supervision letter"
    return f"escalates to {rules.workflow.stage(target).name.zh} ({target})"


def _who(clock: str, snapshot: Snapshot, rules: Rules, at: datetime) -> str:
    facts, route = snapshot.facts, snapshot.route
    try:
        if clock == "resolve":
            decision = decide(snapshot, rules, at)
            return route.directory.by_id[(decision.changes if decision else {}).get("responsible_id", facts.responsible_id)].name
        if clock in ("acknowledge", "warning", "report", "resume"):
            return route.directory.by_id[facts.lead_id].name
        if clock in ("intake_repeat", "review_repeat", "review", "request"):
            return route.superior(facts.stage).name
        return route.directory.by_id[route.post(facts.stage).coordinator_id].name
    except NobodyAnswers:
        return "administrator"


def _day(at: datetime | None, calendar: WorkCalendar) -> str:
    return calendar.local(at).strftime("%Y-%m-%d %H:%M") if at else "?"
