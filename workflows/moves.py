"""What each action does to an issue: the effects of domain.md 2.2, one function an action."""

from datetime import datetime, timedelta
from typing import Any

from workflows.deadlines import Duration, working_days_left
from workflows.decision import go_up, lapsed
from workflows.facts import Act, Decision, Event, Facts, Refusal, Request, Snapshot
from workflows.parties import Party, Post, Route
from workflows.rules import BLANK, Rules
from workflows.sentence import Several, say


def newborn(rules: Rules, route: Route, stage: str, raised_at: datetime, **told: Any) -> Facts:
    """The facts of an issue that has just been raised: at its entry stage, with the coordinator, on the intake clock.

    `told`: id, number, severity, organ and reporter_id. Raises NobodyAnswers.
    """
    coordinator = route.post(stage).coordinator_id
    intake = rules.deadline(raised_at, rules.workflow.intake.limit)
    values: dict[str, Any] = dict.fromkeys(Facts._fields) | BLANK
    values |= {
        "version": 0,
        "head": b"",
        "workflow": rules.workflow.id,
        "project_id": route.project.id,
        "category": route.competence.category,
        "raised_at": raised_at,
        "stage": stage,
        "status": "pending_intake",
        "responsible_id": coordinator,
        "lead_id": coordinator,
        "assignment_no": 1,
        "clock_span": "",
        "due_at": intake.at,
        "due_provisional": intake.provisional,
        "returns_to": "",
        "extensions": 0,
        "yellow_cards": 0,
        "escalations": 0,
        "reopened": 0,
    }
    return Facts(**values | told)


def raised(facts: Facts) -> Decision:
    """A new issue: it stands at its entry stage with the coordinator, who has the intake limit to dispatch it."""
    return Decision("raise", {}, enter=True, events=(Event("raised"),))


def dispatch(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """The coordinator names the responsible organ, or lets the catalogue name it; all clocks of the stage start."""
    facts = snapshot.facts
    post = snapshot.route.post(facts.stage)
    if wanted.to is not None:
        if wrong := _wrong_level(wanted.to, facts.stage, rules):
            return wrong
        post = post._replace(responsible_id=wanted.to.id, lead_id=wanted.to.id, vacancy="")
    changes = _new_stay(facts, rules, now, "dispatch", post)
    events = (Event("dispatched"), Event("vacancy")) if post.vacancy else (Event("dispatched"),)
    detail = {"vacancy": post.vacancy} if post.vacancy else {}
    return Decision("dispatch", changes, leave="dispatched", enter=True, events=events, reason=wanted.reason, detail=detail)


def _new_stay(facts: Facts, rules: Rules, now: datetime, trigger: str, post: Post) -> dict[str, Any]:
    state = rules.state(facts, trigger)
    return {
        **rules.dispatch_clocks(state.stage, facts.severity, now),
        "stage": state.stage,
        "status": state.status,
        "responsible_id": post.responsible_id,
        "lead_id": post.lead_id,
        "assignment_no": facts.assignment_no + 1,
    }


def _wrong_level(party: Party, stage: str, rules: Rules) -> Refusal | None:
    if party.level == stage:
        return None
    name, called = party.name, rules.workflow.name_of(stage)
    return Refusal(
        "wrong_party",
        say("{name} is not of level {stage}; name an organ of that level", name=name, stage=stage, stage_name=called),
    )


def acknowledge(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision:
    """The handler signs for it; the resolve clock goes on from the dispatch."""
    facts = snapshot.facts
    changes = {
        "status": rules.state(facts, "acknowledge").status,
        "acknowledged_at": now,
        "ack_due_at": None,
        "report_due_at": rules.report_due_at(facts.severity, now),
    }
    return Decision("acknowledge", changes, events=(Event("acknowledged"),), reason=wanted.reason)


def reassign(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """Another organ of the same level answers; the deadline is kept unless the coordinator grants a new one."""
    facts = snapshot.facts
    assert wanted.to is not None
    if wrong := _wrong_level(wanted.to, snapshot.route.directory.by_id[facts.lead_id].level, rules):
        return wrong
    if wanted.to.id == facts.lead_id:
        return Refusal("wrong_party", say("{name} already leads; name another organ", name=wanted.to.name))
    changes = handed_over(facts, rules, now, wanted.to, rules.workflow.stage(facts.stage).responsible == "sponsor")
    changes["status"] = rules.state(facts, "reassign").status
    if wanted.until is not None:
        granted = rules.calendar.closing(wanted.until)
        if granted <= now:
            return Refusal("bad_date", say("the new deadline {until} is not ahead; give a later --until", until=wanted.until))
        changes |= given_deadline(facts, rules, now, granted)
    return Decision(
        "reassign",
        changes,
        leave="reassigned",
        enter=True,
        requests=lapsed(snapshot, now),
        events=(Event("reassigned"),),
        reason=wanted.reason,
    )


def handed_over(facts: Facts, rules: Rules, now: datetime, to: Party, sponsored: bool) -> dict[str, Any]:
    """A stay that begins with another lead inside the stage: acknowledgement starts anew, the deadline goes on."""
    fresh = rules.dispatch_clocks(facts.stage, facts.severity, now)
    changes = {
        **fresh,
        "clock_from": facts.clock_from,
        "clock_span": facts.clock_span,
        "due_at": facts.due_at,
        "due_provisional": facts.due_provisional,
        "warn_at": facts.warn_at,
        "overdue_at": facts.overdue_at,
        "letters": facts.letters,
        "remind_at": facts.remind_at,
        "responsible_id": facts.responsible_id if sponsored else to.id,
        "lead_id": to.id,
        "assignment_no": facts.assignment_no + 1,
    }
    if facts.status in ("pending_review", "suspended"):
        changes |= rules.restarted(facts, now) | {"report_due_at": None}
    if changes["due_at"] is not None:
        changes["ack_due_at"] = min(fresh["ack_due_at"], max(changes["due_at"], now))
    return changes


def given_deadline(facts: Facts, rules: Rules, now: datetime, at: datetime) -> dict[str, Any]:
    """A deadline that a person set: it is not counted again when the calendar changes."""
    return {
        "due_at": at,
        "due_provisional": False,
        "clock_span": "given",
        "hold_until": None,
        "warn_at": rules.warn_at(facts.severity, now, at),
    }


def delegate(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """A colleague of the same organ acts until a date; the responsibility stays."""
    assert wanted.to is not None and wanted.until is not None
    lead = snapshot.route.directory.by_id[snapshot.facts.lead_id]
    if wanted.to.organ != lead.organ or wanted.to.id == lead.id:
        return Refusal("wrong_party", say("{name} is not a colleague in {organ}", name=wanted.to.name, organ=lead.organ))
    if wanted.until < rules.calendar.local_day(now):
        return Refusal("bad_date", say("{until} is past; give an end date from today on", until=wanted.until))
    changes = {"delegate_id": wanted.to.id, "delegate_until": wanted.until}
    detail = {"to": wanted.to.code, "until": wanted.until.isoformat()}
    return Decision("delegate", changes, events=(Event("delegated"),), reason=wanted.reason, detail=detail)


def report_progress(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """The next report is counted from this one."""
    facts = snapshot.facts
    least = rules.workflow.progress_text_at_least
    if len(wanted.reason.strip()) < least:
        return Refusal("incomplete", say("say what has been done, in {least} characters or more", least=least))
    changes: dict[str, Any] = {"reports_missed": 0}
    if facts.status == "processing":
        changes["report_due_at"] = rules.report_due_at(facts.severity, now)
    detail = {"expected": wanted.until.isoformat()} if wanted.until else {}
    if wanted.attachments:
        detail["evidence"] = ", ".join(wanted.attachments)
    return Decision(
        "report_progress",
        changes,
        events=(Event("progress"),),
        reason=wanted.reason,
        detail=detail,
        texts={"progress_note": wanted.reason},
    )


def note(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision:
    """A plan or an opinion: on record and told, nothing else changes."""
    return Decision(wanted.action, {}, events=(Event("noted"),), reason=wanted.reason)


def urge(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """A nudge: mail and record, no clock changes. At most one a working day."""
    urged = snapshot.facts.urged_at
    calendar = rules.calendar
    if urged is not None and calendar.working_days_between(calendar.local_day(urged), calendar.local_day(now)) < 1:
        return Refusal("too_often", "it has been urged today; the next time is the next working day")
    return Decision("urge", {"urged_at": now}, events=(Event("urged"),), reason=wanted.reason)


def escalate(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """By hand, one stage up: authority lies above, dispatched in vain, cross-level, or the head of the organ signs."""
    target = rules.workflow.next_stage[snapshot.facts.stage]
    if target is None:
        return Refusal("wrong_state", "this is the last stage; there is nowhere to go")
    return go_up(snapshot, rules, now, "escalate", target, outcome="escalated_by_hand", action="escalate", reason=wanted.reason)


def escalate_skip(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """Straight to the top, for what is urgent and on a leader's instruction."""
    allowed = rules.workflow.skip_severities
    if snapshot.facts.severity not in allowed:
        return Refusal("not_allowed", say("only issues that are {allowed} may skip a stage", allowed=Several(allowed)))
    return go_up(
        snapshot,
        rules,
        now,
        "escalate_skip",
        rules.workflow.top.key,
        outcome="escalated_by_hand",
        action="escalate_skip",
        reason=wanted.reason,
    )


def remand(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """Sent down with an instruction; overdue there, it comes straight back."""
    facts = snapshot.facts
    assert wanted.to is not None
    if wanted.to.level not in rules.workflow.level:
        return Refusal("wrong_party", say("{name} is of no stage; name an organ of a lower one", name=wanted.to.name))
    changes = _new_stay(facts, rules, now, f"remand_to_{wanted.to.level}", Post(wanted.to.id, wanted.to.id, 0))
    changes["returns_to"] = facts.stage
    if wanted.until is not None:
        at = rules.calendar.closing(wanted.until)
        if at <= now:
            return Refusal("bad_date", say("the deadline {until} is not ahead; give a later --until", until=wanted.until))
        changes |= given_deadline(facts, rules, now, at)
        changes["ack_due_at"] = min(changes["ack_due_at"], at)
    return Decision(
        "remand",
        changes,
        leave="remanded",
        enter=True,
        requests=lapsed(snapshot, now),
        events=(Event("remanded"),),
        reason=wanted.reason,
    )


def suspend(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision | Refusal:
    """A pause for a reason of the closed list, with a date to resume; the days left are frozen."""
    assert wanted.until is not None
    if wrong := bad_pause(rules, now, wanted):
        return wrong
    return paused(snapshot, rules, now, rules.calendar.opening(wanted.until), wanted.reason)


def bad_pause(rules: Rules, now: datetime, wanted: Act) -> Refusal | None:
    """Why this pause is not allowed, if it is not: the reason, or the date."""
    assert wanted.until is not None
    policy = rules.workflow.suspension
    key = wanted.reason.split(":", 1)[0].strip()
    reason = next((each for each in policy.reasons if key in (each.key, each.name.zh, each.name.en)), None)
    if reason is None:
        known = Several(f"{each.key} {each.name.zh}" for each in policy.reasons)
        names = Several(each.name.zh for each in policy.reasons)
        return Refusal(
            "bad_reason", say("{key!r} is no reason for a pause; the list: {known}", key=key, known=known, names=names)
        )
    today = rules.calendar.local_day(now)
    if wanted.until <= today:
        return Refusal("bad_date", say("{until} is not ahead; give a later date to resume", until=wanted.until))
    last = today + timedelta(days=policy.at_most_days)
    if reason.until is not None:
        month, day = (int(part) for part in reason.until.split("-"))
        season = today.replace(month=month, day=day)
        last = max(last, season if season >= today else season.replace(year=today.year + 1))
    if wanted.until > last:
        return Refusal(
            "bad_date", say("a pause for {key} ends by {last}; give an earlier date to resume", key=reason.key, last=last)
        )
    return None


def paused(snapshot: Snapshot, rules: Rules, now: datetime, resume_at: datetime, reason: str) -> Decision:
    """The clock stands still until `resume_at`."""
    facts = snapshot.facts
    changes = {
        "status": rules.state(facts, "suspend").status,
        **rules.stopped(facts, now),
        "resume_at": resume_at,
    }
    ended = no_longer_asked(snapshot, now)
    return Decision("suspend", changes, requests=ended, events=(Event("suspended"),), reason=reason)


def resume(snapshot: Snapshot, wanted: Act, rules: Rules, now: datetime) -> Decision:
    """Sooner than the date, by a person."""
    facts = snapshot.facts
    changes = {"status": rules.state(facts, "resume").status, **rules.restarted(facts, now)}
    return Decision("resume", changes, events=(Event("resumed"),), reason=wanted.reason)


def still_allowed(facts: Facts, rules: Rules, now: datetime, ahead: Duration) -> bool:
    """Is the deadline still `ahead` or more away, in working days?"""
    return facts.due_at is not None and working_days_left(now, facts.due_at, rules.calendar) >= ahead.amount


def no_longer_asked(snapshot: Snapshot, now: datetime) -> tuple[Request, ...]:
    """Requests for more time end when the clock stops."""
    waiting = (each for each in snapshot.requests if each.kind in ("extension", "suspension"))
    return tuple(each._replace(state="lapsed", decided_at=now) for each in waiting)
