"""A template and what it speaks of become an answer, with what every page carries: who, the language, the way around."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.responses import HTMLResponse

from escalation.web.desk import Desk
from escalation.web.rendering import render
from escalation.world import World


def show(desk: Desk, template: str, values: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
    """A page for somebody who is logged in."""
    common = {"desk": desk, "user": desk.user, "csrf": desk.csrf, "now": desk.now, "zone": desk.zone, "here": ""}
    return HTMLResponse(render(template, desk.language, common | dict(values)), status)


def stage_names(world: World, workflow: str = "") -> dict[str, tuple[str, str]]:
    """Every stage of a workflow in both languages, in the ladder's order."""
    if not world.active and not workflow:
        return {}
    return {stage.key: (stage.name.zh, stage.name.en) for stage in world.rules(workflow).workflow.stages}


def stages_in_use(world: World, used: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The stages of new issues, then those where only issues of other versions stand."""
    found = stage_names(world)
    others = {key: name for version in sorted(world.sources) for key, name in stage_names(world, version).items()}
    return found | {key: others.get(key, (key, key)) for key in sorted(set(used) - set(found))}


def categories(world: World, language: str) -> dict[str, str]:
    """Every category in the reader's language, as far as it has a word there."""
    if not world.active:
        return {}
    names = world.categories()
    english = {each.key: each.name.en for each in world.rules().workflow.categories}
    return {key: english.get(key, name) if language == "en" else name for key, name in names.items()}
