"""`/charts`: what comes in, is closed and lapses, how long stages take, where issues stand; drawn, and told as a table."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from sqlmodel import Session

from escalation.scope import Sight
from escalation.summaries.trends import Standing, Trends, trends
from escalation.web import words
from escalation.web.pages.showing import show, stages_in_use
from escalation.web.pages.todo import Seated
from escalation.world import World

router = APIRouter()
PERIODS = (13, 26, 52)
#: The statuses of open issues, on their way.
WAY = ("pending_intake", "pending_ack", "processing", "pending_review", "suspended")


@router.get("/charts")
def charts(desk: Seated, weeks: int = PERIODS[1]) -> Response:
    """The charts of what this person sees."""
    weeks = weeks if weeks in PERIODS else PERIODS[1]

    def told(session: Session, world: World, seen: Sight) -> tuple[Trends, dict[str, tuple[str, str]]]:
        found = trends(session, world, seen, desk.now, weeks)
        return found, stages_in_use(world, (each.key.partition(".")[0] for each in found.places))

    found, stages = desk.look(told)
    places = {each.key: each for each in found.places}
    values = {
        "trends": found,
        "stages": stages,
        "places": places,
        "way": WAY,
        "weeks": weeks,
        "periods": PERIODS,
        "last_day": timedelta(days=6),
        "data": _drawn(found, places, stages, desk.language),
        "here": "board",
    }
    return show(desk, "charts.html", values)


def _drawn(
    found: Trends, places: dict[str, Standing], stages: dict[str, tuple[str, str]], language: str
) -> dict[str, dict[str, Any]]:
    """What static/charts.js draws, by the chart's id: labels, and one row of values a series."""
    names = [pair[language == "en"] for pair in stages.values()]
    spent = {each.stage: each for each in found.spent}
    return {
        "flow": {
            "labels": [f"{week.monday.month}/{week.monday.day}" for week in found.weeks],
            "values": [[len(getattr(week, what)) for week in found.weeks] for what in ("raised", "closed", "lapsed")],
        },
        "spent": {
            "labels": names,
            "values": [[spent[key].at(share) if key in spent else 0 for key in stages] for share in (0.5, 0.9)],
        },
        "places": {
            "labels": names,
            "values": [
                [places[f"{key}.{status}"].total if f"{key}.{status}" in places else 0 for key in stages] for status in WAY
            ],
            "series": [words.word("status", status, language) for status in WAY],
            "links": [[f"/issues?state=open&stage={key}&status={status}" for key in stages] for status in WAY],
        },
        "organs": {
            "labels": [each.key for each in found.organs],
            "values": [[len(each.overdue) for each in found.organs], [len(each.others) for each in found.organs]],
        },
    }
