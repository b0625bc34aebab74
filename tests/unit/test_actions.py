"""Every action by everybody from every state, held against the table of domain.md 2.2 (tests/unit/table.py)."""

from typing import Any

import pytest

from tests.unit.table import (
    DECIDES,
    LEVEL_OF_LEAD,
    NEEDS_REQUEST,
    OPEN,
    PEOPLE,
    REVIEW,
    STAGES,
    STATUSES,
    TABLE,
    WORK,
    Case,
    may,
    standing,
)
from workflows import actions
from workflows.facts import Decision, Refusal
from workflows.machine import WITHIN_A_STAGE

BROUGHT = {(stage, status): standing(stage, status) for stage in STAGES for status in STATUSES}
#: Which request waits while an action is tried.
WAITING = {"agree": "transfer", "answer": "co_handling", "approve": "extension", "deny": "extension"}


def scene(stage: str, status: str, action: str, waiting: str = "") -> Case:
    """The issue at a state, with what the action is about."""
    case = BROUGHT[stage, status]
    copy = object.__new__(Case)
    copy.__dict__ |= case.__dict__ | {"asked": list(case.asked), "journal": list(case.journal), "stays": list(case.stays)}
    if waiting:
        copy.wait_for(waiting)
    if waiting == "transfer" and action == "agree":
        copy.asked[-1] = copy.asked[-1]._replace(agreed_at=None)
    if stage == "province" and status == REVIEW and action == "close":
        copy.only(confirmed=True)
    return copy


def brought(stage: str, action: str) -> dict[str, Any]:
    """What somebody brings who does it right."""
    level = LEVEL_OF_LEAD[stage]
    due = {"city": "2026-09-15", "department": "2026-09-11", "province": "2026-09-10"}[stage]
    to = {
        "reassign": f"{level}_target",
        "transfer": f"{level}_target",
        "delegate": f"{level}_colleague",
        "co_handle": f"{level}_target",
        "consult": f"{level}_target",
        "remand": "city_handler",
        "approve": f"{level}_target",
    }
    until = {"request_extension": due, "request_suspension": "2026-10-20", "suspend": "2026-10-20", "delegate": "2026-09-30"}
    brings: dict[str, Any] = {"reason": "law_case: 依据充分"}
    if action in to:
        brings["to"] = to[action]
    if action in until:
        brings["until"] = until[action]
    if action == "merge":
        brings |= {"into": "WT26-0002", "into_open": True, "into_same_project": True}
    return brings


def expected_list(person: str, stage: str, status: str, waiting: str, confirmed: bool) -> set[str]:
    """All that the page allows this person now."""
    kinds = (waiting.removeprefix("second "),) if waiting else ()
    found = {action for action in TABLE if may(person, stage, status, action, kinds)}
    return found - {"confirm"} if confirmed else found


def test_the_two_tables_name_the_same_actions() -> None:
    assert set(actions.ACTIONS) == set(TABLE)
    assert set(WITHIN_A_STAGE) <= set(TABLE) | {"auto_acknowledge"}


@pytest.mark.parametrize("action", TABLE)
@pytest.mark.parametrize("stage", STAGES)
def test_every_status_and_person(stage: str, action: str) -> None:
    """Allowed: a decision. Not allowed: a refusal with exactly what is allowed instead, and the issue as it was."""
    waiting = WAITING.get(action, "")
    wrong = []
    for status in STATUSES:
        for person in PEOPLE:
            case = scene(stage, status, action, waiting)
            before = (case.facts, list(case.asked))
            answer = case.ask(action, person, **brought(stage, action))
            allowed = may(person, stage, status, action, (waiting,) if waiting else ())
            if waiting and action in ("approve", "deny"):
                allowed = allowed and decides(person, stage, waiting) and lands(stage, status, action, waiting)
            if isinstance(answer, Decision) is not allowed:
                wrong.append((status, person, "allowed" if allowed else "refused", answer))
            if isinstance(answer, Refusal):
                listed = expected_list(person, stage, status, waiting, case.facts.confirmed)
                if set(answer.allowed) != listed:
                    wrong.append((status, person, "listed", sorted(set(answer.allowed) ^ listed)))
            assert (case.facts, case.asked) == before

    assert wrong == []


def decides(person: str, stage: str, waiting: str) -> bool:
    who = {
        "coordinator": {"city": "city_coordinator", "department": "department_coordinator", "province": "office"},
        "superior": {"city": "department_coordinator", "department": "office", "province": "office"},
    }
    return who[DECIDES[waiting]][stage] == person


def lands(stage: str, status: str, action: str, waiting: str) -> bool:
    """Can what was asked still be granted from this status? A denial always can be given."""
    if action == "deny":
        return status in OPEN
    return {
        "extension": status in OPEN,
        "second extension": status in OPEN,
        "suspension": status == WORK,
        "objection": status in TABLE["reassign"]["coordinator"],
        "transfer": status == WORK,
        "escalation": status in TABLE["escalate"]["coordinator"] and stage != "province",
    }[waiting]


@pytest.mark.parametrize("waiting", DECIDES)
@pytest.mark.parametrize("action", ["approve", "deny"])
def test_who_decides_on_what(action: str, waiting: str) -> None:
    """The coordinator of the stage, and one level up for a pause and a second extension; nobody else, in no state."""
    wrong = []
    for stage in STAGES:
        for status in STATUSES:
            for person in PEOPLE:
                answer = scene(stage, status, action, waiting).ask(action, person, **brought(stage, action))
                allowed = status in OPEN and decides(person, stage, waiting) and lands(stage, status, action, waiting)
                if isinstance(answer, Decision) is not allowed:
                    wrong.append((stage, status, person, "allowed" if allowed else "refused", answer))

    assert wrong == []


@pytest.mark.parametrize("stage", STAGES)
def test_the_list_is_given_for_an_action_that_does_not_exist(stage: str) -> None:
    for status in STATUSES:
        for person in PEOPLE:
            answer = scene(stage, status, "fly").ask("fly", person)
            assert isinstance(answer, Refusal)
            assert set(answer.allowed) == expected_list(person, stage, status, "", False)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("action", TABLE)
def test_what_an_action_needs_is_asked_for(stage: str, action: str) -> None:
    """Each of the things that domain.md 2.2 asks for, left out one at a time, is missed and named."""
    needed = {
        "reject": ["reason"],
        "merge": ["into"],
        "object": ["reason"],
        "reassign": ["to", "reason"],
        "transfer": ["to", "reason"],
        "delegate": ["to", "until"],
        "co_handle": ["to"],
        "consult": ["to"],
        "answer": ["reason"],
        "report_progress": ["reason"],
        "submit_plan": ["reason"],
        "request_extension": ["until", "reason"],
        "request_suspension": ["until", "reason"],
        "request_escalation": ["reason"],
        "deny": ["reason"],
        "escalate": ["reason"],
        "escalate_skip": ["reason"],
        "remand": ["to", "reason"],
        "resolve": ["reason"],
        "give_opinion": ["reason"],
        "return_for_rework": ["reason"],
        "suspend": ["until", "reason"],
        "reopen": ["reason"],
    }
    waiting = WAITING.get(action, "")
    kinds = (waiting,) if waiting else ()
    tried = 0
    for status in STATUSES:
        for person in PEOPLE:
            if not may(person, stage, status, action, kinds):
                continue
            if waiting == "extension" and not decides(person, stage, waiting):
                continue
            for name in needed.get(action, []):
                case = scene(stage, status, action, waiting)
                answer = case.ask(action, person, **{k: v for k, v in brought(stage, action).items() if k != name})
                assert isinstance(answer, Refusal), (status, person, name)
                assert answer.code == "incomplete"
                assert f"--{name}" in answer.message
                tried += 1
    possible = any(may(person, stage, status, action, kinds) for status in STATUSES for person in PEOPLE)
    assert (tried > 0) is (possible and action in needed)


def test_requests_are_of_the_kinds_of_the_page() -> None:
    assert set(NEEDS_REQUEST["approve"]) == {each.removeprefix("second ") for each in DECIDES}
