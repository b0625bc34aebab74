"""Is a definition sound: everything reachable, each open state with a party, a deadline and a way out, no open issue stranded?"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType

from workflows.deadlines import Duration
from workflows.definition import SEVERITIES, Category, Severity, Stage, Value, Workflow
from workflows.facts import OPEN, STATUSES, TERMINAL
from workflows.loading import Problem, did_you_mean
from workflows.machine import transitions_of
from workflows.parties import ROLES

#: How long each unit is by the clock, to compare limits: an office day has eight and a half of a day's 24 hours.
HOURS = {"wd": 24.0, "wh": 24 / 8.5, "h": 1.0}
#: Only an intake leads to these, so a stage that no category enters does without them.
OF_INTAKE = ("pending_intake", "rejected")
#: Who wears the liaison's hat and so may confirm (`hats`, `actions`).
CONFIRMING = ("sponsor_leader", "sponsor_liaison")
NOTHING: Mapping[str, int] = MappingProxyType({})


def check(workflow: Workflow, *, standing: Mapping[str, int] = NOTHING, organs: Collection[str] | None = None) -> list[Problem]:
    """Every way in which a definition would leave an issue without a party, a deadline or a way out.

    `standing`: how many open issues stand in each `stage.status` of the version that this one would replace for them.
    `organs`: the organs that the directory has; left out, it is not asked whether an organ is there.
    """
    return [
        *_ladder(workflow),
        *_rounds(workflow),
        *_reachable(workflow),
        *_ways_out(workflow),
        *_roles(workflow),
        *_categories(workflow, organs),
        *_limits(workflow),
        *_extension(workflow),
        *_suspension(workflow),
        *_stranded(workflow, standing),
    ]


def _place(workflow: Workflow, stage: Stage) -> str:
    return f"stages[{workflow.level[stage.key]}] ({stage.key})"


# The ladder: what moves an overdue issue up, and where that ends.


def _ladder(workflow: Workflow) -> Iterator[Problem]:
    """Overdue issues go up, stage by stage, and end where letters are repeated."""
    for stage in workflow.stages:
        place = _place(workflow, stage)
        last = stage.key == workflow.top.key
        if last and stage.on_overdue != "repeat":
            yield Problem(f"{place}.on_overdue", "an overdue issue at the last stage has nowhere to go", 'use "repeat"')
        if not last and stage.on_overdue == "repeat":
            yield Problem(f"{place}.on_overdue", "an overdue issue would never leave this stage", 'use "escalate"')
        if stage.next is not None and (wrong := _wrong_next(workflow, stage, stage.next)):
            yield Problem(f"{place}.next", wrong, _mend_next(workflow, stage))


def _wrong_next(workflow: Workflow, stage: Stage, following: str) -> str:
    height = workflow.level[stage.key]
    if following not in workflow.level:
        return f"there is no stage {following}"
    if stage.on_overdue == "repeat":
        return "it is never used, as letters are repeated here"
    if workflow.level[following] <= height:
        return f"{following} does not lie above {stage.key}"
    if workflow.level[following] > height + 1:
        return f"it skips {workflow.stages[height + 1].key}; an issue never skips a stage on its own"
    return ""


def _mend_next(workflow: Workflow, stage: Stage) -> str:
    above = workflow.stages[workflow.level[stage.key] + 1 :]
    return (
        f"name the stage above, {above[0].key}, or leave it out" if above and stage.on_overdue == "escalate" else "leave it out"
    )


def _rounds(workflow: Workflow) -> Iterator[Problem]:
    """Rounds that overdue issues would make for ever, each named once."""
    told: set[frozenset[str]] = set()
    for stage in workflow.stages:
        way = [stage.key]
        while (following := workflow.next_stage.get(way[-1])) is not None and following not in way:
            way.append(following)
        if following is None:
            continue
        ring = way[way.index(following) :]
        if frozenset(ring) not in told:
            told.add(frozenset(ring))
            said = " -> ".join([*ring, following])
            yield Problem(
                f"stages ({', '.join(ring)})", f"an overdue issue would go round for ever: {said}", "let each lead upwards"
            )


# The life cycle: every state can be reached and left.


def _reachable(workflow: Workflow) -> Iterator[Problem]:
    entries = {category.entry for category in workflow.categories if category.entry in workflow.level} or {workflow.stages[0].key}
    seen = _closure({f"{entry}.pending_intake" for entry in entries}, _edges(workflow))
    for stage in workflow.stages:
        needed = [status for status in STATUSES if stage.key in entries or status not in OF_INTAKE]
        missing = [status for status in needed if f"{stage.key}.{status}" not in seen]
        place = _place(workflow, stage)
        if missing == needed:
            yield Problem(place, "no issue can ever get there", "let a category enter there or the stage below lead there")
            continue
        for status in missing:
            yield Problem(f"{place}.{status}", f"no issue can ever be {status} there", "let an action lead there")


def _ways_out(workflow: Workflow) -> Iterator[Problem]:
    """People alone can end every issue: time may help, but nothing waits for it."""
    edges = _edges(workflow, by_hand=True)
    for stage in workflow.stages:
        for status in OPEN:
            ends = {state.rpartition(".")[2] for state in _closure({f"{stage.key}.{status}"}, edges)}
            if not ends & set(TERMINAL):
                place = f"{_place(workflow, stage)}.{status}"
                yield Problem(place, "nobody could ever end an issue from there", "let an action lead to closed")


def _edges(workflow: Workflow, *, by_hand: bool = False) -> dict[str, set[str]]:
    edges: dict[str, set[str]] = {}
    for action, source, target in transitions_of(workflow):
        if not (by_hand and by_time(action)):
            edges.setdefault(source, set()).add(target)
    return edges


def by_time(action: str) -> bool:
    """Is this what time does, without anybody?"""
    return action in ("auto_acknowledge", "escalate_auto") or action.startswith("return_to_")


def _closure(start: set[str], edges: Mapping[str, set[str]]) -> set[str]:
    seen, new = set(start), set(start)
    while new:
        new = {target for state in new for target in edges.get(state, ())} - seen
        seen |= new
    return seen


# The parties: at every stage somebody answers and somebody coordinates.


def _roles(workflow: Workflow) -> Iterator[Problem]:
    for stage in workflow.stages:
        place = _place(workflow, stage)
        role, confirming = stage.coordinator.role, stage.confirmed_by
        if role not in ROLES:
            yield Problem(f"{place}.coordinator.role", f"{role!r} is no role", did_you_mean(role, ROLES))
        if confirming is not None and confirming not in ROLES:
            yield Problem(f"{place}.confirmed_by", f"{confirming!r} is no role", did_you_mean(confirming, ROLES))
        elif confirming is not None and confirming not in CONFIRMING:
            yield Problem(
                f"{place}.confirmed_by",
                f"the {confirming} cannot confirm, so nothing could be closed here",
                f"use {' or '.join(CONFIRMING)}",
            )
        if stage.may_remand and workflow.level[stage.key] == 0:
            yield Problem(f"{place}.may_remand", "there is no stage below the first to send an issue to", "leave it out")


def _categories(workflow: Workflow, organs: Collection[str] | None) -> Iterator[Problem]:
    if not workflow.categories:
        yield Problem("categories", "no problem has a competent organ", "name the categories, or import a catalogue")
    for number, category in enumerate(workflow.categories):
        place = f"categories[{number}] ({category.key})"
        for key in category.organs:
            if key not in workflow.level:
                yield Problem(f"{place}.organs.{key}", f"there is no stage {key}", did_you_mean(key, workflow.level))
        if category.entry in workflow.level:
            yield from _competent(workflow, category, place, organs)
        else:
            yield Problem(f"{place}.entry", f"there is no stage {category.entry}", did_you_mean(category.entry, workflow.level))


def _competent(workflow: Workflow, category: Category, place: str, organs: Collection[str] | None) -> Iterator[Problem]:
    """At each stage that the category can pass an organ works: the stage's own, or the nearest below goes on."""
    told: set[str] = set()
    for stage in workflow.stages[workflow.level[category.entry] :]:
        below = workflow.stages[: workflow.level[stage.key] + 1]
        named = [each.key for each in reversed(below) if category.organs.get(each.key)]
        if not named:
            yield Problem(f"{place}.organs", f"nobody is competent at {stage.key}", f"name the organ at {stage.key} or below")
        elif named[0] not in told:
            told.add(named[0])
            yield from _organ(workflow, f"{place}.organs.{named[0]}", category.organs[named[0]], organs)


def _organ(workflow: Workflow, place: str, organ: str, organs: Collection[str] | None) -> Iterator[Problem]:
    blanks = set(re.findall(r"\{[^{}]*\}", organ)) - {"{city}"}
    if blanks:
        yield Problem(place, f"nothing is known to fill in for {', '.join(sorted(blanks))}", "only {city} is filled in")
    elif organs is not None:
        pattern = ".+".join(re.escape(part) for part in organ.split("{city}"))
        if not any(re.fullmatch(pattern, each) for each in organs):
            yield Problem(place, f"the directory has no organ {organ}", "import its party, or name one that is there")


# The deadlines: every open state has one, and they fit together.


def _limits(workflow: Workflow) -> Iterator[Problem]:
    for place, limit in _all_limits(workflow, ""):
        if limit.amount <= 0:
            yield Problem(place, f"{limit} is over before it begins", "use 1 at least")
    for stage in workflow.stages:
        place = _place(workflow, stage)
        for severity in SEVERITIES:
            if severity in stage.resolve:
                yield from _fitting(workflow, stage, severity)
            else:
                yield Problem(f"{place}.resolve.{severity}", "there is no deadline", "give every severity a limit")
    for key, table in (("warning", workflow.warning), ("progress", workflow.progress)):
        for severity in SEVERITIES:
            if severity not in table:
                yield Problem(f"{key}.{severity}", "there is no limit", "give every severity a limit")


def _fitting(workflow: Workflow, stage: Stage, severity: Severity) -> Iterator[Problem]:
    place, limit, warning = _place(workflow, stage), stage.resolve[severity], workflow.warning.get(severity)
    if _hours(stage.acknowledge) > _hours(limit):
        yield Problem(f"{place}.acknowledge", f"{stage.acknowledge} is longer than resolve.{severity} ({limit})", "shorten it")
    if warning is not None and _hours(warning) >= _hours(limit):
        said = f"the warning ({warning} before) would come before the dispatch, as the limit is {limit}"
        yield Problem(f"{place}.resolve.{severity}", said, f"shorten warning.{severity}")


def _all_limits(value: object, place: str) -> Iterator[tuple[str, Duration]]:
    if isinstance(value, Duration):
        yield place, value
        return
    inner: Iterable[tuple[str, object]] = ()
    if isinstance(value, Value):
        inner = ((f".{key}", getattr(value, key)) for key in type(value).model_fields)
    elif isinstance(value, Mapping):
        inner = ((f".{key}", each) for key, each in value.items())
    elif isinstance(value, tuple):
        inner = ((f"[{number}]", each) for number, each in enumerate(value))
    for step, each in inner:
        yield from _all_limits(each, f"{place}{step}".removeprefix("."))


def _hours(limit: Duration) -> float:
    return limit.amount * HOURS[limit.unit]


def _extension(workflow: Workflow) -> Iterator[Problem]:
    rule = workflow.extension
    if not rule.times:
        return
    limits = [(limit, f"{stage.key}.{severity}") for stage in workflow.stages for severity, limit in stage.resolve.items()]
    shortest, where = min(limits, key=lambda each: _hours(each[0]), default=(rule.ask_before, "no stage"))
    if _hours(rule.ask_before) >= _hours(shortest):
        said = f"nobody could ever ask {rule.ask_before} before the deadline at {where}, which has {shortest}"
        yield Problem("extension.ask_before", said, f"make it shorter than {shortest}")
    if _hours(rule.decide) > _hours(rule.ask_before) + _hours(rule.hold):
        said = f"asked at the last moment the issue goes up before the decision is due ({rule.decide})"
        yield Problem("extension.decide", said, "shorten it, or lengthen extension.hold")


def _suspension(workflow: Workflow) -> Iterator[Problem]:
    reasons = workflow.suspension.reasons
    if not reasons:
        yield Problem("suspension.reasons", "nothing could ever be suspended", "name the reasons that count")
    for key, count in Counter(reason.key for reason in reasons).items():
        if count > 1:
            yield Problem("suspension.reasons", f"{key} is there {count} times", "give each its own key")
    for number, reason in enumerate(reasons):
        if not reason.key.strip():
            yield Problem(f"suspension.reasons[{number}].key", "it is empty", "name the reason")
        if reason.until is not None and not _is_day(reason.until):
            place = f"suspension.reasons[{number}] ({reason.key}).until"
            yield Problem(place, f"{reason.until} is no day of the year", "write month and day, as in 04-15")


def _is_day(text: str) -> bool:
    """Is it a day of every year (so not 02-29)?"""
    try:
        date.fromisoformat(f"2025-{text}")
    except ValueError:
        return False
    return True


def _stranded(workflow: Workflow, standing: Mapping[str, int]) -> Iterator[Problem]:
    states = {f"{stage.key}.{status}" for stage in workflow.stages for status in OPEN}
    for state, count in sorted(standing.items()):
        if count > 0 and state not in states:
            issues = "1 open issue stands" if count == 1 else f"{count} open issues stand"
            said = f"{issues} there and {workflow.id} has no such state"
            yield Problem(state, said, f"keep the stage {state.partition('.')[0]}, or end or move them first")
