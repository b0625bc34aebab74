"""How an issue ends and how it comes back: resolved, confirmed, closed, sent back, rejected, withdrawn, merged, reopened."""

from datetime import datetime, timedelta
from math import ceil
from typing import Any

from workflows import moves
from workflows.deadlines import Duration
from workflows.decision import lapsed
from workflows.facts import Act, Card, Decision, Event, Refusal, Snapshot
from workflows.rules import BLANK, Rules
from workflows.sentence import say


def end(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """Rejected or withdrawn: the issue is over and its reporter is told."""
    facts = snapshot.facts
    status = rules.state(facts, wanted.action).status
    return Decision(
        wanted.action,
        {**_cleared(), "status": status, "closed_at": now},
        leave=status,
        requests=lapsed(snapshot, now),
        events=(Event(status),),
        reason=wanted.reason,
    )


def _cleared() -> dict[str, Any]:
    """The clocks of an issue that is over: none. What was missed stays on its assignment."""
    kept = ("overdue_at", "letters", "confirmed", "acknowledged_at", "auto_acknowledged", "suspended_wd")
    return {key: value for key, value in BLANK.items() if key not in kept}


def merge(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """The issue points at a main one that is open, of the same project or a common problem."""
    if wanted.into == snapshot.facts.number:
        return Refusal("wrong_target", "an issue cannot be merged into itself; name another with --into")
    if not wanted.into_open:
        return Refusal("wrong_target", say("{into} is not an open issue; name an open one with --into", into=wanted.into))
    if not wanted.into_same_project:
        return Refusal("wrong_target", say("{into} is of another project and this is not a common problem", into=wanted.into))
    changes = {**_cleared(), "status": rules.state(snapshot.facts, "merge").status, "closed_at": now}
    return Decision(
        "merge",
        changes,
        leave="merged",
        requests=lapsed(snapshot, now),
        events=(Event("merged"),),
        reason=wanted.reason,
        detail={"into": wanted.into},
        texts={"merged_into": wanted.into},
    )


def resolve(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """The handler says it is solved; its clock stops and the coordinator's begins."""
    open_tasks = [each for each in snapshot.requests if each.kind == "co_handling"]
    if open_tasks and not wanted.note:
        return Refusal("open_tasks", say("{count} sub-task(s) are still open; say why with --note", count=len(open_tasks)))
    facts = snapshot.facts
    changes = {
        "status": rules.state(facts, "resolve").status,
        **rules.stopped(facts, now),
        "review_due_at": rules.after(now, rules.workflow.stage(facts.stage).review),
        "confirmed": False,
    }
    detail = {"note": wanted.note} if wanted.note else {}
    if wanted.attachments:
        detail["evidence"] = ", ".join(wanted.attachments)
    return Decision(
        "resolve",
        changes,
        requests=moves.no_longer_asked(snapshot, now),
        events=(Event("resolved"),),
        reason=wanted.reason,
        detail=detail,
    )


def confirm(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """The liaison confirms for the leader; then the office may close."""
    if rules.workflow.stage(snapshot.facts.stage).confirmed_by is None:
        return Refusal("wrong_state", "this stage is closed without a confirmation")
    if snapshot.facts.confirmed:
        return Refusal("wrong_state", "it is confirmed already")
    return Decision("confirm", {"confirmed": True}, events=(Event("confirmed"),), reason=wanted.reason)


def _own_organ(snapshot: Snapshot, wanted: Act) -> bool:
    """Does the actor belong to the organ that handled it, or stand in today for somebody who does?"""
    lead = snapshot.route.directory.by_id[snapshot.facts.lead_id]
    return any(party.organ == lead.organ for party in wanted.actor.acts_for)


def close(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """销号 by the coordinator, never by the handler's own organ; at the top only after the liaison confirmed."""
    facts = snapshot.facts
    if _own_organ(snapshot, wanted):
        return Refusal("own_organ", "nobody closes what their own organ handled; the coordinator one level up does")
    stage = rules.workflow.stage(facts.stage)
    if stage.confirmed_by is not None and not facts.confirmed:
        return Refusal(
            "unconfirmed",
            say(
                "the {confirmed_by} has to confirm first (`act {number} confirm`)",
                confirmed_by=stage.confirmed_by,
                number=facts.number,
            ),
        )
    changes = {**_cleared(), "status": rules.state(facts, "close").status, "closed_at": now}
    return Decision(
        "close",
        changes,
        leave="closed",
        requests=lapsed(snapshot, now),
        events=(Event("closed"),),
        reason=wanted.reason,
    )


def return_for_rework(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """Not solved: the handler goes on with the days that were left, one at least."""
    facts = snapshot.facts
    if _own_organ(snapshot, wanted):
        return Refusal("own_organ", "nobody reviews what their own organ handled; the coordinator one level up does")
    changes = {
        "status": rules.state(facts, "return_for_rework").status,
        **rules.restarted(facts, now),
        "confirmed": False,
    }
    return Decision("return_for_rework", changes, events=(Event("rework"),), reason=wanted.reason)


def reopen(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """It was not solved: back to the level that closed it, with half the original limit."""
    facts, policy = snapshot.facts, rules.workflow.reopening
    if facts.closed_at is not None and now > facts.closed_at + timedelta(days=policy.within_days):
        return Refusal(
            "too_late", say("it was closed over {within_days} days ago; raise a new issue", within_days=policy.within_days)
        )
    limit = rules.limit(facts.stage, facts.severity)
    half = Duration(max(1, ceil(limit.amount * policy.share)), limit.unit)
    state = rules.state(facts, "reopen")
    fresh = rules.dispatch_clocks(state.stage, facts.severity, now)
    deadline = rules.deadline(now, half)
    changes = {
        **fresh,
        "clock_span": str(half),
        "due_at": deadline.at,
        "due_provisional": deadline.provisional,
        "warn_at": rules.warn_at(facts.severity, now, deadline.at),
        "status": state.status,
        "acknowledged_at": now,
        "ack_due_at": None,
        "report_due_at": rules.report_due_at(facts.severity, now),
        "assignment_no": facts.assignment_no + 1,
        "reopened": facts.reopened + 1,
        "closed_at": None,
    }
    card = Card("yellow", facts.lead_id, "false_closure")
    return Decision("reopen", changes, enter=True, cards=(card,), events=(Event("reopened"),), reason=wanted.reason)
