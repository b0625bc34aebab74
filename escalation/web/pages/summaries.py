"""`/summaries`: the figures of the newest day, week or month, of what this person sees; every figure opens its issues."""

from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response

from escalation.approvals import APPROVERS
from escalation.web import seeing
from escalation.web.pages.showing import show, stage_names
from escalation.web.pages.todo import Seated

router = APIRouter()
KINDS = ("weekly", "monthly", "daily")
#: The figures that are told, in this order.
TOLD = "open overdue soon raised resolved closed_then escalated reworked reopened".split()


@router.get("/summaries")
def figures(desk: Seated, kind: Literal["daily", "weekly", "monthly"] = "weekly") -> Response:
    """The newest summary of a kind."""
    told = seeing.summary(desk, kind)
    values: dict[str, Any] = {"kind": kind, "kinds": KINDS, "told": TOLD, "figures": None, "here": "summaries"}
    if told is not None:
        found, period = told
        more = desk.look(
            lambda session, world, seen: {
                "scope": found.scope.name(world, desk.language), "stages": stage_names(world), "calendar": world.calendar,
            }
        )  # fmt: skip
        values |= {"figures": found, "period": period, **more}
    values["approves"] = desk.look(lambda session, world, seen: any(each.role in APPROVERS for each in desk.parties(world)))
    return show(desk, "summaries.html", values)
