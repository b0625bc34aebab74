"""What is asked and what is granted: requests with their own decision clock, sub-tasks and opinions (domain.md 2.2, 2.6, 3.8)."""

from dataclasses import replace
from datetime import datetime
from math import ceil

from workflows import moves
from workflows.decision import go_up, lapsed
from workflows.facts import Act, Decision, Event, Refusal, Request, Snapshot
from workflows.hats import coordinates
from workflows.rules import Rules
from workflows.sentence import Several, say

#: Requests that somebody above approves or denies.
DECIDED = ("extension", "suspension", "objection", "transfer", "escalation")
#: Requests that another organ answers.
ANSWERED = ("co_handling", "consultation")


def _ask(
    snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime, kind: str, decide_by: datetime, decider: str
) -> Decision | Refusal:
    if kind in DECIDED and any(each.kind == kind for each in snapshot.requests):
        return Refusal("already_asked", say("a request for {kind} is waiting for a decision already", kind=kind))
    request = Request(
        issue_id=snapshot.facts.id,
        no=0,
        kind=kind,
        asked_by_id=wanted.actor.party.id,
        asked_at=now,
        reason=wanted.reason,
        decide_by=decide_by,
        decider=decider,
        target_id=wanted.to.id if wanted.to else None,
        until=rules.calendar.closing(wanted.until) if wanted.until else None,
    )
    detail = {"kind": kind} | ({"until": wanted.until.isoformat()} if wanted.until else {})
    return Decision(
        f"ask_{kind}",
        {},
        requests=(request,),
        events=(Event("asked" if kind in DECIDED else "tasked"),),
        reason=wanted.reason,
        detail=detail | ({"to": wanted.to.code} if wanted.to else {}),
    )


def extension(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """More time: asked a working day ahead, once by the coordinator, a second time by the level above, within bounds."""
    facts, policy, calendar = snapshot.facts, rules.workflow.extension, rules.calendar
    assert wanted.until is not None
    if facts.overdue_at is not None or not moves.still_allowed(facts, rules, now, policy.ask_before):
        return Refusal(
            "too_late",
            say("an extension is asked for {ask_before} before the deadline at the latest", ask_before=policy.ask_before),
        )
    if facts.extensions >= policy.times:
        return Refusal(
            "too_often", say("it has been extended {extensions} time(s); no more are granted", extensions=facts.extensions)
        )
    assert facts.due_at is not None
    longer = calendar.working_days_between(calendar.due_day(facts.due_at), wanted.until)
    share = ceil(rules.limit(facts.stage, facts.severity).amount * policy.at_most_share)
    most = min(policy.at_most.amount, share)
    last = calendar.add_working_days(calendar.due_day(facts.due_at), most)
    if longer < 1 or wanted.until > last:
        return Refusal("bad_date", say("the new deadline lies after the old one and by {last} at the latest", last=last))
    decider = "coordinator" if facts.extensions == 0 else "superior"
    return _ask(snapshot, wanted, rules, now, "extension", rules.after(now, policy.decide), decider)


def suspension(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """A pause: for a reason of the list, granted one level up."""
    if wrong := moves.bad_pause(rules, now, wanted):
        return wrong
    return _ask(snapshot, wanted, rules, now, "suspension", rules.after(now, rules.workflow.suspension.decide), "superior")


def object_(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """'Not our duty': within the window after the dispatch, once an organ and issue; the coordinator's word is final."""
    facts, policy = snapshot.facts, rules.workflow.objection
    if facts.dispatched_at is None or now > rules.after(facts.dispatched_at, policy.within):
        return Refusal("too_late", say("an objection is made within {within} of the dispatch", within=policy.within))
    if facts.lead_id in snapshot.objectors:
        return Refusal("too_often", "this organ has objected to this issue before; the coordinator's decision stands")
    calendar = rules.calendar
    today = calendar.local_day(now)
    same_day = calendar.closing(today)
    decide_by = same_day if calendar.is_working_day(today) and now < same_day else rules.after(now, policy.decide)
    asked = _ask(snapshot, wanted, rules, now, "objection", decide_by, "coordinator")
    if isinstance(asked, Refusal):
        return asked
    # the organ objects, whoever signs for it: it may do so once
    return replace(asked, requests=tuple(each._replace(asked_by_id=facts.lead_id) for each in asked.requests))


def transfer(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """Another organ of the level takes it for good: the target agrees, the coordinator approves."""
    assert wanted.to is not None
    lead = snapshot.route.directory.by_id[snapshot.facts.lead_id]
    if wanted.to.level != lead.level or wanted.to.id == lead.id:
        return Refusal("wrong_party", say("{name} is not another organ of level {level}", name=wanted.to.name, level=lead.level))
    return _ask(snapshot, wanted, rules, now, "transfer", rules.after(now, rules.workflow.transfer.decide), "coordinator")


def escalation(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """The handler's organ asks that it goes up, signed by its head; the coordinator decides."""
    if rules.workflow.next_stage[snapshot.facts.stage] is None:
        return Refusal("wrong_state", "this is the last stage; there is nowhere to go")
    return _ask(snapshot, wanted, rules, now, "escalation", rules.after(now, rules.workflow.transfer.decide), "coordinator")


def co_handle(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """A sub-task of a cooperating organ; it ends before the lead's own deadline."""
    facts, calendar = snapshot.facts, rules.calendar
    assert facts.due_at is not None
    margin = rules.workflow.co_handling.margin.amount
    last = calendar.closing(calendar.add_working_days(calendar.due_day(facts.due_at), -margin))
    asked = calendar.closing(wanted.until) if wanted.until else last
    by = max(min(asked, last), rules.after(now, rules.workflow.transfer.decide))
    return _ask(snapshot, wanted, rules, now, "co_handling", by, "target")


def consult(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """One opinion is asked and comes back; the clock runs on."""
    by = rules.calendar.closing(wanted.until) if wanted.until else rules.after(now, rules.workflow.transfer.decide)
    return _ask(snapshot, wanted, rules, now, "consultation", by, "target")


def _chosen(snapshot: Snapshot, wanted: Act, kinds: tuple[str, ...], mine: bool) -> Request | Refusal:
    ids = {party.id for party in wanted.actor.acts_for}
    waiting = [
        each
        for each in snapshot.requests
        if each.kind in kinds and (wanted.request_no in (None, each.no)) and (not mine or each.target_id in ids)
    ]
    if not waiting:
        return Refusal("no_request", "no such request is waiting")
    if len(waiting) > 1:
        listed = Several(f"{each.no} ({each.kind})" for each in waiting)
        numbers = Several(str(each.no) for each in waiting)
        return Refusal(
            "which_request", say("several are waiting: {listed}; name one with --request", listed=listed, numbers=numbers)
        )
    return waiting[0]


def answer(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """The organ that was asked replies to the lead."""
    request = _chosen(snapshot, wanted, ANSWERED, mine=True)
    if isinstance(request, Refusal):
        return request
    done = _settled(request, wanted, now, "answered")
    return Decision("answer", {}, requests=(done,), events=(Event("answered", request.no),), reason=wanted.reason)


def agree(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """The target of a transfer agrees to take it."""
    request = _chosen(snapshot, wanted, ("transfer",), mine=True)
    if isinstance(request, Refusal):
        return request
    if request.agreed_at is not None:
        return Refusal("wrong_state", "it has been agreed already; the coordinator decides now")
    agreed = request._replace(agreed_at=now)
    return Decision("agree", {}, requests=(agreed,), events=(Event("agreed", request.no),), reason=wanted.reason)


def _settled(request: Request, wanted: Act, now: datetime, state: str) -> Request:
    return request._replace(state=state, decided_by_id=wanted.actor.party.id, decided_at=now, answer=wanted.reason)


def _decidable(snapshot: Snapshot, wanted: Act) -> Request | Refusal:
    request = _chosen(snapshot, wanted, DECIDED, mine=False)
    if isinstance(request, Refusal):
        return request
    facts, route = snapshot.facts, snapshot.route
    if any(party.id == request.asked_by_id for party in wanted.actor.acts_for):
        return Refusal("own_request", "nobody decides on their own request")
    stage = facts.stage
    if request.decider == "superior":
        stages = route.workflow.stages
        stage = stages[min(route.workflow.level[stage] + 1, len(stages) - 1)].key
    if not any(coordinates(party, route, stage) for party in wanted.actor.acts_for):
        kind, called = request.kind, route.workflow.name_of(stage)
        said = say("this {kind} is decided by the coordinator at stage {stage}", kind=kind, stage=stage, stage_name=called)
        return Refusal("not_allowed", said)
    return request


def deny(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """Not granted: the issue goes on as before; an escalation that was held goes up at the next sweep."""
    request = _decidable(snapshot, wanted)
    if isinstance(request, Refusal):
        return request
    return Decision(
        "deny",
        {"hold_until": None} if snapshot.facts.hold_until else {},
        requests=(_settled(request, wanted, now, "denied"),),
        events=(Event("decided", request.no),),
        reason=wanted.reason,
        detail={"request": str(request.no), "kind": request.kind},
    )


def approve(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """Granted: the issue changes as was asked."""
    request = _decidable(snapshot, wanted)
    if isinstance(request, Refusal):
        return request
    match request.kind:
        case "extension":
            granted = _extended(snapshot, request, rules, now)
        case "suspension":
            granted = _paused(snapshot, request, rules, now)
        case "objection":
            granted = _objection_upheld(snapshot, wanted, rules, now)
        case "transfer":
            granted = _transferred(snapshot, request, rules, now)
        case _:
            granted = _goes_up(snapshot, request, rules, now)
    if isinstance(granted, Refusal):
        return granted
    settled = _settled(request, wanted, now, "approved")
    others = tuple(each for each in granted.requests if each.no != request.no)
    return Decision(
        granted.action,
        granted.changes,
        leave=granted.leave,
        enter=granted.enter,
        overdue_wd=granted.overdue_wd,
        requests=(settled, *others),
        cards=granted.cards,
        events=(Event("decided", request.no), *granted.events),
        reason=wanted.reason or request.reason,
        detail={**granted.detail, "request": str(request.no), "kind": request.kind},
    )


def _extended(snapshot: Snapshot, request: Request, rules: Rules, now: datetime) -> Decision | Refusal:
    if request.until is None or request.until <= now:
        return Refusal("too_late", "the date that was asked for has passed; deny it, or reassign with a new deadline")
    changes = moves.given_deadline(snapshot.facts, rules, now, request.until)
    return Decision("extend", {**changes, "extensions": snapshot.facts.extensions + 1})


def _paused(snapshot: Snapshot, request: Request, rules: Rules, now: datetime) -> Decision | Refusal:
    if request.until is None or request.until <= now:
        return Refusal("too_late", "the date to resume has passed; deny it")
    resume_at = rules.calendar.opening(rules.calendar.local_day(request.until))
    return moves.paused(snapshot, rules, now, resume_at, request.reason)


def _objection_upheld(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    if wanted.to is None:
        return Refusal("incomplete", "whose duty is it then? name the organ with --to")
    return moves.reassign(snapshot, wanted, rules, now)


def _transferred(snapshot: Snapshot, request: Request, rules: Rules, now: datetime) -> Decision | Refusal:
    if request.agreed_at is None:
        return Refusal("not_agreed", "the organ that would take it has not agreed yet (`act NUMBER agree`)")
    facts = snapshot.facts
    target = snapshot.route.directory.by_id[request.target_id or 0]
    sponsored = rules.workflow.stage(facts.stage).responsible == "sponsor"
    changes = moves.handed_over(facts, rules, now, target, sponsored) | {
        "status": rules.state(facts, "transfer").status,
        "acknowledged_at": now,
        "ack_due_at": None,
        "report_due_at": rules.report_due_at(facts.severity, now),
    }
    return Decision(
        "transfer",
        changes,
        leave="transferred",
        enter=True,
        requests=lapsed(snapshot, now),
        events=(Event("reassigned"),),
    )


def _goes_up(snapshot: Snapshot, request: Request, rules: Rules, now: datetime) -> Decision | Refusal:
    target = rules.workflow.next_stage[snapshot.facts.stage]
    if target is None:
        return Refusal("wrong_state", "this is the last stage; there is nowhere to go")
    return go_up(snapshot, rules, now, "escalate", target, outcome="escalated_by_hand", action="escalate")
