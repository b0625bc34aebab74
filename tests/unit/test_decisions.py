"""What every action and every clock decides, held to a page that people read when it changes: tests/snapshots/decisions.txt.

The other tests say what must be so; this one says all that is so, so that nothing changes unseen. A change that is meant is taken over
by `python -m tests.unit.test_decisions`, and read in the diff.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.table import (
    ACK,
    INTAKE,
    PAUSED,
    PEOPLE,
    REVIEW,
    STAGES,
    STATUSES,
    TABLE,
    WORK,
    ZONE,
    Case,
    may,
    rules_of,
    standing,
)
from tests.unit.test_actions import WAITING, brought, scene
from workflows.actions import allowed
from workflows.decision import recount
from workflows.facts import Decision, Refusal, Request
from workflows.hats import actor, hats
from workflows.moves import newborn, raised
from workflows.rules import BLANK

PAGE = Path(__file__).parents[1] / "snapshots" / "decisions.txt"
NAMES = {party.id: name for name, party in PEOPLE.items()}
#: What is told anew of a request; who asked for what, and when, is told when it is asked.
SETTLED = ("state", "decided_by_id", "decided_at", "answer", "agreed_at", "reminded")


def said(value: Any, name: str = "") -> str:
    """A value as people write it: a moment in the province's zone, a party by its part in the play."""
    if isinstance(value, datetime):
        return f"{value.astimezone(ZONE):%m-%d %H:%M:%S}".removesuffix(":00")
    if name.endswith("_id") and value in NAMES:
        return NAMES[value]
    return value.isoformat() if isinstance(value, date) else str(value)


def told(decided: Decision | Refusal | None) -> str:
    """A decision in one line: nothing is left out but what is empty."""
    if decided is None:
        return "nothing"
    if isinstance(decided, Refusal):
        return f"REFUSED {decided.code}: {decided.message}"
    parts = [decided.action]
    parts += [f"stay ends: {decided.leave}"] * bool(decided.leave) + ["stay begins"] * decided.enter
    parts += [f"{decided.overdue_wd}wd late"] * bool(decided.overdue_wd)
    fresh = set(BLANK) <= set(decided.changes)
    parts += ["all clocks anew"] * fresh
    parts += [
        f"{name}={said(value, name)}" for name, value in decided.changes.items() if not (fresh and (name, value) in BLANK.items())
    ]
    parts += [f"request {each.no} {each.kind}({asked(each)})" for each in decided.requests]
    parts += [f"{card.colour} card for {NAMES[card.party_id]} ({card.ground})" for card in decided.cards]
    parts += [f"tells {event.kind}" + f" of {event.request_no}" * bool(event.request_no) for event in decided.events]
    parts += [f"because {decided.reason}"] * bool(decided.reason)
    parts += [f"{name}: {value}" for name, value in (*decided.detail.items(), *decided.texts.items())]
    return "; ".join(parts)


def asked(request: Request) -> str:
    fields = SETTLED if request.no else Request._fields[3:]
    return ", ".join(f"{name}={said(value, name)}" for name, value in zip(Request._fields, request, strict=True)
                     if name in fields and value not in (None, "", False))  # fmt: skip


def actions() -> Iterator[str]:
    """Each action once from each state where somebody may take it; first what an issue is that has just been raised."""
    case = Case()
    who = {"id": 1, "number": "WT26-0001", "severity": "major", "organ": "", "reporter_id": 1}
    facts = newborn(case.rules, case.route, "city", case.now, **who)
    yield "newborn: " + "; ".join(f"{name}={said(value, name)}" for name, value in facts._asdict().items() if value is not None)
    yield f"newborn: {told(raised(facts))}"
    for stage in STAGES:
        for action in TABLE:
            for status in STATUSES:
                waiting = WAITING.get(action, "")
                kinds = (waiting,) if waiting else ()
                who = next((person for person in PEOPLE if may(person, stage, status, action, kinds)), None)
                if who is not None:
                    case = scene(stage, status, action, waiting)
                    yield f"{stage}.{status} {action} by {who}: {told(case.ask(action, who, **brought(stage, action)))}"


def granted() -> Iterator[str]:
    """Each kind of request approved, by whom it is for."""
    for kind in ("second extension", "suspension", "objection", "transfer", "escalation"):
        for stage in STAGES:
            case = standing(stage, WORK)
            case.wait_for(kind)
            for who in (case.coordinator, case.superior):
                answer = case.ask("approve", who, to=brought(stage, "approve")["to"])
                yield f"{stage} {kind} approved by {who}: {told(answer)}"


def granted_too_late() -> Iterator[str]:
    """What cannot be granted any more when the date that was asked for has come, or at that very moment."""
    for kind in ("extension", "suspension"):
        for now in ("2026-09-27 08:59", "2026-09-27 09:00"):
            case = standing("city", WORK)
            case.wait_for(kind)
            case.at(now)
            for who in (case.coordinator, case.superior):
                yield f"{kind} approved by {who} at {now}: {told(case.ask('approve', who))}"


def with_more() -> Iterator[str]:
    """The same actions with what may be brought beside, and what is refused about it."""
    tries: list[tuple[Case, str, str, dict[str, Any]]] = []

    def add(case: Case, action: str, who: str, **brings: Any) -> None:
        tries.append((case, action, who, {"reason": "依据充分", **brings}))

    for stage in ("city", "province"):
        case = standing(stage, WORK)
        files = {"attachments": ("a.pdf", "b.jpg")}
        add(case, "report_progress", case.handler, until="2026-09-20", **files)
        add(case, "report_progress", case.handler, reason="x")
        add(case, "resolve", case.handler, note="不影响", **files)
        add(case, "reassign", case.coordinator, to=brought(stage, "approve")["to"], until="2026-09-30")
        add(case, "reassign", case.coordinator, to=brought(stage, "approve")["to"], until="2026-09-06")
        add(case, "reassign", case.coordinator, to=case.handler)
        add(case, "reassign", case.coordinator, to="owner")
        add(case, "consult", case.handler, to="other_organ", until="2026-09-10")
        for until in ("2026-09-06", "2026-09-07"):
            add(case, "delegate", case.handler, to=brought(stage, "delegate")["to"], until=until)
        paused = standing(stage, PAUSED).at("2026-09-09 10:00")
        add(paused, "report_progress", paused.handler)
        add(paused, "resume", paused.superior)
        add(paused, "reassign", paused.coordinator, to=brought(stage, "approve")["to"])
        tasked = standing(stage, WORK)
        tasked.wait_for("co_handling")
        tasked.wait_for("consultation")
        add(tasked, "resolve", tasked.handler)
        add(tasked, "answer", brought(stage, "co_handle")["to"])
        add(tasked, "answer", brought(stage, "co_handle")["to"], request_no=2)
        consulted = standing(stage, WORK)
        consulted.wait_for("consultation")
        add(consulted, "resolve", consulted.handler)
        for action in ("close", "return_for_rework"):
            review = standing(stage, REVIEW).at("2026-09-10 10:00").only(confirmed=True)
            add(review, action, review.coordinator)
    city, department, top = (standing(stage, WORK) for stage in STAGES)
    add(standing("city", INTAKE), "dispatch", "city_coordinator", to="city_target")
    add(standing("city", INTAKE), "dispatch", "city_coordinator", to="department_target")
    add(top, "remand", "office", to="city_handler", until="2026-09-30")
    add(top, "remand", "office", to="department_handler", until="2026-09-07")
    add(top, "remand", "office", to="department_handler", until="2026-09-06")
    add(top, "remand", "office", to="owner")
    add(standing("city", INTAKE), "resolve", "city_handler")
    elsewhere = standing("department", WORK)
    elsewhere.do("reassign", "department_coordinator", to="department_target", reason="换一家")
    add(elsewhere, "escalate", "department_coordinator")
    add(city, "suspend", "department_coordinator", until="2026-09-07", reason="law_case")
    add(city, "escalate_skip", "office")
    for action, who in (("escalate", "office"), ("request_escalation", "department_handler")):
        add(top, action, who)
    add(standing("city", WORK, "major"), "escalate_skip", "office")
    add(department, "transfer", "department_handler", to="city_target")
    add(department, "transfer", "department_handler", to="department_handler")
    for case, action, who, brings in tries:
        more = ", ".join(f"{name}={value}" for name, value in brings.items())
        yield f"{case.facts.stage}.{case.facts.status} {action} by {who} ({more}): {told(case.ask(action, who, **brings))}"


def lives() -> Iterator[str]:
    """What time does: to an issue that nobody touches, that is signed for, paused, resolved, asked about, sent down."""

    def life(name: str, case: Case, days: int, then: Callable[[Case], object] = lambda case: None) -> Iterator[str]:
        since = len(case.journal)
        then(case)
        end = case.now + timedelta(days=days)
        while case.now < end:
            case.tick(case.now + timedelta(hours=1))
        for now, decision in case.journal[since:]:
            yield f"{name}, {said(now)}: {told(decision)}"

    yield from life("nobody dispatches", Case(), 9)
    for severity in ("general", "major", "urgent"):
        yield from life(f"nobody signs for what is {severity}", standing("city", ACK, severity), 70)
    yield from life("signed for and left", standing("city", WORK), 30)
    yield from life("resolved and left", standing("department", REVIEW), 12)
    yield from life("paused", standing("city", PAUSED), 50)
    yield from life(
        "asked for more time",
        standing("city", WORK),
        12,
        lambda case: case.do("request_extension", case.handler, until="2026-09-15", reason="等"),
    )
    yield from life(
        "asked for another's opinion", standing("city", WORK), 5, lambda case: case.do("consult", case.handler, to="other_organ")
    )
    yield from life(
        "sent down", standing("province", WORK), 20, lambda case: case.do("remand", "office", to="city_handler", reason="限期")
    )
    yield from life("twice late before", standing("city", ACK).only(yellow_cards=1), 8)
    unknown = {
        name: party for name, party in PEOPLE.items() if name not in ("department_handler", "department_colleague", "deputy")
    }
    yield from life("nobody at the department", Case(people=unknown), 20, lambda case: case.do("dispatch", "city_coordinator"))
    yield from life(
        "nobody in the city",
        Case(people={name: party for name, party in PEOPLE.items() if name != "city_handler"}),
        2,
        lambda case: case.do("dispatch", "city_coordinator"),
    )


def recounted() -> Iterator[str]:
    """What becomes of an issue's deadline when a day ahead turns out to be a holiday, or a working day."""
    for said_of, days in (("a holiday", {date(2026, 9, 8): False}), ("a working day", {date(2026, 9, 12): True})):
        rules = rules_of(overrides=days)
        cases = {f"{stage}.{status}": standing(stage, status) for stage in ("city", "province") for status in STATUSES}
        late = standing("province", WORK)
        late.tick("2026-09-09 17:01")
        given = standing("city", WORK)
        given.only(clock_span="given")
        cases |= {"late at the top": late, "a date that a person gave": given}
        cases |= {
            "a day is left": standing("city", WORK).at("2026-09-11 17:01"),
            "half a day": standing("city", WORK).at("2026-09-14 12:00"),
        }
        for name, case in cases.items():
            yield f"{said_of}, {name}: {told(recount(case.snapshot(), rules, case.now))}"


def worn() -> Iterator[str]:
    """Which hats everybody wears: before and after the dispatch, delegated, asked, and where leaders or their liaisons are missing."""
    delegated = standing("city", WORK).only(delegate_id=PEOPLE["city_colleague"].id, delegate_until=date(2026, 9, 8))
    asked_too = standing("city", WORK)
    asked_too.wait_for("consultation")
    unread = PEOPLE | {"leader": PEOPLE["leader"]._replace(mail_goes_to="")}
    leaderless = {name: party for name, party in PEOPLE.items() if party.role != "sponsor_leader"}
    alone = {name: party for name, party in PEOPLE.items() if party.role != "sponsor_liaison"}
    cases = {f"{stage}.{status}": standing(stage, status) for stage in STAGES for status in (INTAKE, WORK)}
    second = PEOPLE["office"]._replace(id=23, code="PO2", name="省专班办公室二处")
    cases |= {"a second office": Case(people=PEOPLE | {"second_office": second})}
    more_time = standing("city", WORK)
    more_time.wait_for("extension")
    cases |= {"asked for more time": more_time}
    cases |= {"delegated to a colleague": delegated, "after that": delegated, "asked for an opinion": asked_too}
    cases |= {
        "nobody reads for the leader": Case(people=unread),
        "no leader": Case(people=leaderless),
        "no liaison": Case(people=alone),
    }
    for name, case in cases.items():
        today = date(2026, 9, 9) if name == "after that" else date(2026, 9, 8)
        for person, party in case.people.items():
            found = hats(actor(case.directory, party, today), case.snapshot(), today)
            if found:
                yield f"{name}, {person}: {', '.join(sorted(found))}; may {', '.join(allowed(case.snapshot(), found)) or 'nothing'}"


def answering() -> Iterator[str]:
    """Who answers, leads and coordinates at each stage: for an organ that was named, and where somebody is missing or has no address."""
    silent = PEOPLE["leader"]._replace(mail_goes_to="")
    unheard = PEOPLE["city_handler"]._replace(email="")
    cases: dict[str, Case] = {
        "everybody": Case(),
        "an organ that was named": Case(lead="city_target"),
        "an organ of a department that was named": Case(lead="department_target"),
        "nobody reads for the leader": Case(people=PEOPLE | {"leader": silent}),
        "the organ has no address": Case(people=PEOPLE | {"city_handler": unheard}),
    }
    for role in ("leader", "other_leader", "city_handler", "city_coordinator", "department_handler"):
        left = {name: party for name, party in PEOPLE.items() if name != role}
        cases[f"without {role}"] = Case(people=left)
    cases["no leader at all"] = Case(people={name: party for name, party in PEOPLE.items() if party.role != "sponsor_leader"})
    for name, case in cases.items():
        for stage in STAGES:
            for lead in (None, PEOPLE["department_target"].id):
                post = case.route.post(stage, lead)
                yield f"{name}, {stage}, led until now by {NAMES.get(lead or 0, 'nobody')}: " + "; ".join(
                    f"{field}={said(value, field)}" for field, value in post._asdict().items() if value
                )
            yield f"{name}, {stage}: above it {NAMES[case.route.superior(stage).id]}"


PARTS = {
    "Who answers": answering,
    "Who wears which hat and may do what": worn,
    "Actions": actions,
    "Requests granted": granted,
    "Requests that come too late": granted_too_late,
    "What may be brought beside": with_more,
    "What time does": lives,
    "What a new calendar does": recounted,
}


@pytest.mark.parametrize("part", PARTS)
def test_what_is_decided_is_what_the_page_says(part: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    was, now = page.partition(f"## {part}\n\n")[2].partition("\n\n")[0].splitlines(), list(PARTS[part]())
    changed = [f"- {one}\n+ {other}" for one, other in zip(was, now, strict=False) if one != other]
    assert not changed, "\n".join(changed[:20])
    assert len(was) == len(now) > 0


def test_a_severity_that_is_none_is_named() -> None:
    with pytest.raises(KeyError, match="unknown severity dire"):
        standing("city", WORK).rules.limit("city", "dire")


if __name__ == "__main__":
    PAGE.write_text(
        "\n".join(line for part, lines in PARTS.items() for line in (f"## {part}", "", *lines(), "")), encoding="utf-8"
    )
