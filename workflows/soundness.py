"""Is a definition sound: everything reachable, each open state with a party, a deadline and a way out, no open issue stranded?"""

from collections.abc import Iterator, Mapping

from workflows.definition import SEVERITIES, Stage, Workflow
from workflows.facts import OPEN, TERMINAL
from workflows.loading import Problem
from workflows.machine import transitions_of
from workflows.parties import ROLES

#: How long each unit is, to compare limits: a working day counts as one office day of eight and a half hours.
HOURS = {"wd": 8.5, "wh": 1.0, "h": 1.0}


def check(workflow: Workflow, *, standing: Mapping[str, int] | None = None) -> list[Problem]:
    """Every way in which a definition would leave an issue without a party, a deadline or a way out.

    `standing`: how many open issues stand in each `stage.status` of the version that this one would replace for them.
    """
    return [
        *_ladder(workflow),
        *_reachable(workflow),
        *_ways_out(workflow),
        *_parties(workflow),
        *_limits(workflow),
        *_policies(workflow),
        *_stranded(workflow, standing or {}),
    ]


def _ladder(workflow: Workflow) -> Iterator[Problem]:
    """Overdue issues go up, stage by stage, and end where letters are repeated."""
    for number, stage in enumerate(workflow.stages):
        place = f"stages[{number}] ({stage.key})"
        following = workflow.next_stage[stage.key]
        last = stage.key == workflow.top.key
        if last and stage.on_overdue != "repeat":
            yield Problem(f"{place}.on_overdue", "an overdue issue at the last stage has nowhere to go", 'use "repeat"')
        if not last and stage.on_overdue == "repeat":
            yield Problem(f"{place}.on_overdue", "an overdue issue would never leave this stage", 'use "escalate"')
        if following is None:
            continue
        if following not in workflow.level:
            yield Problem(f"{place}.next", f"there is no stage {following}", "name the stage above")
        elif workflow.level[following] <= number:
            yield Problem(
                f"{place}.next",
                f"{following} does not lie above {stage.key}: an issue would go round for ever",
                "name the stage above",
            )
        elif workflow.level[following] > number + 1:
            yield Problem(
                f"{place}.next",
                f"it skips {workflow.stages[number + 1].key}; an issue never skips a stage on its own",
                "name the stage above",
            )


def _reachable(workflow: Workflow) -> Iterator[Problem]:
    entries = {category.entry for category in workflow.categories} or {workflow.stages[0].key}
    seen = _closure({f"{entry}.pending_intake" for entry in entries if entry in workflow.level}, _edges(workflow))
    for number, stage in enumerate(workflow.stages):
        reached = [status for status in (*OPEN, *TERMINAL) if f"{stage.key}.{status}" in seen]
        if not reached:
            yield Problem(
                f"stages[{number}] ({stage.key})",
                "no issue can ever get there",
                "let a category enter there or a stage lead there",
            )
            continue
        needed = {"pending_ack", "processing", "pending_review", "closed"}
        for status in sorted(needed - set(reached)):
            yield Problem(f"stages[{number}] ({stage.key})", f"no issue can ever be {status} there", "let a stage lead there")


def _ways_out(workflow: Workflow) -> Iterator[Problem]:
    edges = _edges(workflow)
    for stage in workflow.stages:
        for status in OPEN:
            ends = _closure({f"{stage.key}.{status}"}, edges)
            if not any(state.endswith(f".{over}") for state in ends for over in TERMINAL):
                yield Problem(
                    f"{stage.key}.{status}", "an issue could never be closed from there", "let an action lead to an end"
                )


def _edges(workflow: Workflow) -> dict[str, set[str]]:
    edges: dict[str, set[str]] = {}
    for _, source, target in transitions_of(workflow):
        edges.setdefault(source, set()).add(target)
    return edges


def _closure(start: set[str], edges: Mapping[str, set[str]]) -> set[str]:
    seen, new = set(start), set(start)
    while new:
        new = {target for state in new for target in edges.get(state, ())} - seen
        seen |= new
    return seen


def _parties(workflow: Workflow) -> Iterator[Problem]:
    for number, stage in enumerate(workflow.stages):
        place = f"stages[{number}] ({stage.key})"
        if stage.coordinator.role not in ROLES:
            yield Problem(f"{place}.coordinator.role", f"{stage.coordinator.role!r} is no role", f"use one of {', '.join(ROLES)}")
        if stage.confirmed_by is not None and stage.confirmed_by not in ROLES:
            yield Problem(f"{place}.confirmed_by", f"{stage.confirmed_by!r} is no role", f"use one of {', '.join(ROLES)}")
        if stage.may_remand and number == 0:
            yield Problem(f"{place}.may_remand", "there is no stage below the first", "leave it out")
    for number, category in enumerate(workflow.categories):
        if category.entry not in workflow.level:
            continue
        for stage in workflow.stages[workflow.level[category.entry] :]:
            if not _organ_at_or_below(workflow, category.organs, stage):
                place = f"categories[{number}] ({category.key}).organs"
                yield Problem(place, f"nobody is competent at {stage.key}", f"name the organ at {stage.key}")


def _organ_at_or_below(workflow: Workflow, organs: Mapping[str, str], stage: Stage) -> bool:
    below = workflow.stages[: workflow.level[stage.key] + 1]
    if stage.responsible == "organ":
        return bool(organs.get(stage.key))
    return any(organs.get(each.key) for each in below)


def _limits(workflow: Workflow) -> Iterator[Problem]:
    for number, stage in enumerate(workflow.stages):
        place = f"stages[{number}] ({stage.key})"
        for severity in SEVERITIES:
            limit = _hours(stage.resolve[severity])
            if _hours(stage.acknowledge) > limit:
                yield Problem(f"{place}.acknowledge", f"it is longer than resolve.{severity}", "shorten it")
            if _hours(workflow.warning[severity]) >= limit:
                unit = f"{place}.resolve.{severity}"
                yield Problem(
                    unit,
                    f"the warning ({workflow.warning[severity]}) would come before the dispatch",
                    f"shorten warning.{severity}",
                )


def _hours(limit: object) -> float:
    amount: int = getattr(limit, "amount")  # noqa: B009 (limits are Duration values)
    return amount * HOURS[getattr(limit, "unit")]  # noqa: B009


def _policies(workflow: Workflow) -> Iterator[Problem]:
    shortest = min(_hours(stage.resolve[severity]) for stage in workflow.stages for severity in SEVERITIES)
    if workflow.extension.times and _hours(workflow.extension.ask_before) >= shortest:
        yield Problem("extension.ask_before", "nobody could ever ask in time at the shortest limit", "shorten it")
    if not workflow.suspension.reasons:
        yield Problem("suspension.reasons", "nothing could ever be suspended", "name the reasons that count")
    if not workflow.skip_severities and len(workflow.stages) > 2:
        yield Problem("skip_severities", "nothing could ever skip a stage", 'name severities, ["urgent"] for one')
    if not workflow.categories:
        yield Problem("categories", "no problem has a competent organ", "name the categories, or import a catalogue")


def _stranded(workflow: Workflow, standing: Mapping[str, int]) -> Iterator[Problem]:
    states = {f"{stage.key}.{status}" for stage in workflow.stages for status in OPEN}
    for state, count in sorted(standing.items()):
        if count and state not in states:
            yield Problem(
                state,
                f"{count} open issue(s) stand there and this definition has no such state",
                "keep the stage, or move them first",
            )
