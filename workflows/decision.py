"""What time does: decide(snapshot, rules, now). Pure: the same input gives the same decision for ever."""

from datetime import datetime
from typing import Any

from workflows.deadlines import Duration, due
from workflows.facts import Card, Decision, Event, Facts, Request, Snapshot
from workflows.rules import Rules, clocks, deadline_passed

#: Requests that hold an escalation while they wait, if they were made in time (domain.md 2.5).
HOLDING = ("extension", "suspension")


def decide(snapshot: Snapshot, rules: Rules, now: datetime) -> Decision | None:
    """What must happen to an issue at `now` without anybody doing anything; None when nothing is due.

    One step, never a cascade: a deadline that has passed comes before everything else, then the clock that ran out first.
    """
    if deadline_passed(snapshot.facts, now):
        return _deadline_passed(snapshot, rules, now)
    ran_out = [name for at, name in clocks(snapshot.facts, snapshot.requests) if at <= now]
    return _clock_ran_out(ran_out[0], snapshot, rules, now) if ran_out else None


def _clock_ran_out(clock: str, snapshot: Snapshot, rules: Rules, now: datetime) -> Decision:
    match clock:
        case "intake" | "intake_repeat":
            return _intake_late(snapshot.facts, rules, now)
        case "acknowledge":
            return _acknowledge_for_them(snapshot, rules, now)
        case "warning":
            return Decision("warn", {"warn_at": None}, events=(Event("warned"),))
        case "report":
            return _report_missed(snapshot.facts, rules, now)
        case "review" | "review_repeat":
            return _review_late(snapshot.facts, rules, now)
        case "resume":
            return _resume(snapshot.facts, rules, now)
        case "letter":
            return _letter(snapshot.facts, rules, now)
        case _:
            return _request_late(snapshot, int(clock.partition(":")[2]))


def _deadline_passed(snapshot: Snapshot, rules: Rules, now: datetime) -> Decision:
    facts = snapshot.facts
    if facts.due_provisional and facts.hold_until is None and (moved := recount(snapshot, rules, now)) is not None:
        return moved
    if facts.hold_until is None and (waiting := _asked_in_time(snapshot)) is not None and facts.due_at is not None:
        until = rules.after(facts.due_at, rules.workflow.extension.hold)
        if until > now:
            detail = {"request": str(waiting.no)}
            return Decision("hold", {"hold_until": until, "warn_at": None}, reason="asked in time", detail=detail)
    target = facts.returns_to or rules.workflow.next_stage[facts.stage]
    if target is None:
        return _overdue_at_the_top(facts, rules, now)
    trigger = f"return_to_{target}" if facts.returns_to else "escalate_auto"
    return go_up(snapshot, rules, now, trigger, target, outcome="escalated_overdue", action="escalate_auto")


def _asked_in_time(snapshot: Snapshot) -> Request | None:
    due_at = snapshot.facts.due_at
    in_time = (each for each in snapshot.requests if each.kind in HOLDING and due_at is not None and each.asked_at <= due_at)
    return next(in_time, None)


def go_up(
    snapshot: Snapshot,
    rules: Rules,
    now: datetime,
    trigger: str,
    target: str,
    *,
    outcome: str,
    action: str,
    reason: str = "",
) -> Decision:
    """The issue leaves its stage for `target`; the party it leaves stays on as cooperating organ."""
    facts = snapshot.facts
    stage, status = rules.state(facts, trigger)
    one_step = rules.workflow.level[target] - rules.workflow.level[facts.stage] == 1
    post = snapshot.route.post(target, lead_id=facts.lead_id if one_step and facts.status != "pending_intake" else None)
    late = outcome == "escalated_overdue"
    overdue_wd = rules.overdue_wd(facts.due_at, now) if late and facts.due_at is not None else 0
    colour = "red" if facts.yellow_cards else "yellow"
    changes = {
        **rules.dispatch_clocks(target, facts.severity, now),
        "stage": stage,
        "status": status,
        "responsible_id": post.responsible_id,
        "lead_id": post.lead_id,
        "assignment_no": facts.assignment_no + 1,
        "escalations": facts.escalations + 1,
        "returns_to": "",
    }
    if late and colour == "yellow":
        changes["yellow_cards"] = facts.yellow_cards + 1
    events = (Event("escalated"), Event("vacancy")) if post.vacancy else (Event("escalated"),)
    return Decision(
        action,
        changes,
        leave=outcome,
        enter=True,
        overdue_wd=overdue_wd,
        requests=lapsed(snapshot, now),
        cards=(Card(colour, facts.lead_id, f"overdue:{facts.stage}"),) if late else (),
        events=events,
        reason=reason,
        detail={"vacancy": post.vacancy} if post.vacancy else {},
    )


def lapsed(snapshot: Snapshot, now: datetime) -> tuple[Request, ...]:
    """The requests of a stay end with it, undecided."""
    return tuple(each._replace(state="lapsed", decided_at=now) for each in snapshot.requests)


def _overdue_at_the_top(facts: Facts, rules: Rules, now: datetime) -> Decision:
    changes = {
        "overdue_at": now,
        "letters": 1,
        "warn_at": None,
        "hold_until": None,
        "remind_at": rules.next_after(now, rules.workflow.top_overdue.repeat),
    }
    card = Card("red", facts.lead_id, f"overdue:{facts.stage}")
    overdue_wd = rules.overdue_wd(facts.due_at, now) if facts.due_at else 0
    return Decision(
        "overdue_top",
        changes,
        overdue_wd=overdue_wd,
        cards=(card,),
        events=(Event("overdue_top"), Event("letter")),
        detail={"letter": "1"},
    )


def _letter(facts: Facts, rules: Rules, now: datetime) -> Decision:
    """Every N working days a new supervision letter; after the 2nd a talk, after the 3rd a transfer (domain.md 2.5)."""
    number = facts.letters + 1
    changes = {"letters": number, "remind_at": rules.next_after(now, rules.workflow.top_overdue.repeat)}
    flag = {1: "", 2: "", 3: "talk"}.get(number, "transfer")
    detail = {"letter": str(number)} | ({"flag": flag} if flag else {})
    return Decision("supervision_letter", changes, events=(Event("letter"),), detail=detail)


def _intake_late(facts: Facts, rules: Rules, now: datetime) -> Decision:
    """First the coordinator is reminded, then the coordinator's superior."""
    changes: dict[str, Any] = {
        "reminders": facts.reminders + 1,
        "remind_at": rules.next_after(now, rules.workflow.intake.repeat),
    }
    if facts.overdue_at is None:
        changes["overdue_at"] = now
    return Decision("remind_intake", changes, events=(Event("intake_late" if facts.reminders == 0 else "intake_stuck"),))


def _acknowledge_for_them(snapshot: Snapshot, rules: Rules, now: datetime) -> Decision:
    """视同签收: acknowledged by the system, on record against the organ; the third in a month proposes a yellow card."""
    facts = snapshot.facts
    changes = {
        "status": rules.state(facts, "auto_acknowledge").status,
        "acknowledged_at": now,
        "auto_acknowledged": True,
        "ack_due_at": None,
        "report_due_at": rules.report_due_at(facts.severity, now),
    }
    cards: tuple[Card, ...] = ()
    if snapshot.late_acknowledgements + 1 >= rules.workflow.cards.late_acknowledgements_a_month:
        month = rules.calendar.local_day(now).strftime("%Y-%m")
        cards = (Card("yellow", facts.lead_id, f"late_acknowledgements:{month}"),)
    return Decision("auto_acknowledge", changes, cards=cards, events=(Event("auto_acknowledged"),))


def _report_missed(facts: Facts, rules: Rules, now: datetime) -> Decision:
    missed = facts.reports_missed + 1
    changes = {"reports_missed": missed, "report_due_at": rules.report_due_at(facts.severity, now)}
    cards: tuple[Card, ...] = ()
    if missed == rules.workflow.cards.missed_reports_in_a_row:
        cards = (Card("yellow", facts.lead_id, f"missed_reports:{facts.stage}"),)
    return Decision("miss_report", changes, cards=cards, events=(Event("report_missed"),))


def _review_late(facts: Facts, rules: Rules, now: datetime) -> Decision:
    """The coordinator is the late one and the superior is told; it never closes by itself."""
    review = rules.workflow.stage(facts.stage).review
    changes = {"reminders": facts.reminders + 1, "remind_at": rules.next_after(now, review)}
    return Decision("remind_review", changes, events=(Event("review_late"),))


def _resume(facts: Facts, rules: Rules, now: datetime) -> Decision:
    """Work goes on at the resume date with the working time that was left."""
    changes = {"status": rules.state(facts, "resume").status, **rules.restarted(facts, now)}
    return Decision("resume", changes, events=(Event("resumed"),))


def _request_late(snapshot: Snapshot, no: int) -> Decision:
    request = next(each for each in snapshot.requests if each.no == no)
    return Decision(
        "remind_request",
        requests=(request._replace(reminded=True),),
        events=(Event("request_late", no),),
        detail={"request": str(no), "kind": request.kind},
    )


def recount(snapshot: Snapshot, rules: Rules, now: datetime) -> Decision | None:
    """Count a running deadline again with the calendar as it is known now (engine.md 5).

    It may move later; earlier only while more than one working day is left. None when nothing changes. A date that a
    person set, and a clock that is stopped, are left alone.
    """
    facts = snapshot.facts
    if facts.status not in ("pending_ack", "processing") or facts.overdue_at or facts.clock_from is None:
        return None
    if not facts.clock_span or facts.clock_span == "given" or facts.due_at is None:
        return None
    counted = due(facts.clock_from, Duration.parse(facts.clock_span), rules.calendar)
    if counted.at < facts.due_at and rules.after(now, Duration(1, "wd")) >= counted.at:
        counted = counted._replace(at=facts.due_at)
    if counted.at == facts.due_at and counted.provisional == facts.due_provisional:
        return None
    changes: dict[str, Any] = {"due_at": counted.at, "due_provisional": counted.provisional}
    moved = counted.at != facts.due_at
    if moved:
        changes["warn_at"] = rules.warn_at(facts.severity, now, counted.at)
    return Decision("recount", changes, events=(Event("deadline_moved"),) if moved else (), reason="calendar")
