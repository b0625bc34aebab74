"""Projects and summaries over REST."""

from typing import Any, Literal

from fastapi import APIRouter

from escalation.errors import NotFound
from escalation.web import seeing
from escalation.web.api import forms
from escalation.web.api.issues import COMMON, Caller

router = APIRouter(tags=["ledger"])


@router.get("/projects", response_model=forms.Projects, responses=COMMON)
def projects(desk: Caller) -> dict[str, Any]:
    """The projects within sight, with their open issues by light."""
    desk.refuse_without("read")
    return {"items": desk.look(lambda session, world, seen: seeing.projects(session, world, seen, desk.now))}


@router.get("/summaries/{kind}", response_model=forms.SummaryOut, responses=COMMON)
def summary(desk: Caller, kind: Literal["daily", "weekly", "monthly"]) -> dict[str, Any]:
    """The figures of the newest period of a kind, of what this user sees."""
    desk.refuse_without("read")
    told = seeing.summary(desk, kind)
    if told is None:
        raise NotFound(f"there is no {kind} summary for you", "summaries are for cities, departments and the province")
    figures, period = told
    return {
        "kind": kind,
        "scope": desk.look(lambda session, world, seen: figures.scope.name(world, desk.language)),
        "period": period.name,
        "as_of": period.moment,
        "figures": {name: len(numbers) for name, numbers in figures.numbers.items()},
        "issues": {name: list(numbers) for name, numbers in figures.numbers.items()},
    }
