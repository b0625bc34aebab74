"""What is sound, and every way not to be: a party, a deadline and a way out for each open state, and nobody stranded."""

from pathlib import Path
from typing import Any

import pytest

from workflows import soundness
from workflows.deadlines import Duration
from workflows.definition import Workflow
from workflows.loading import Problem, built_in, load
from workflows.machine import transitions_of
from workflows.soundness import check

FOLDER = Path(__file__).parents[1] / "definitions"
GOOD = built_in()


def stage(number: int, **changes: Any) -> Workflow:
    stages = list(GOOD.stages)
    stages[number] = stages[number].model_copy(update=changes)
    return Workflow.model_construct(**{**dict(GOOD), "stages": tuple(stages)})


def category(**changes: Any) -> Workflow:
    first, *others = GOOD.categories
    return whole(categories=(first.model_copy(update=changes), *others))


def whole(**changes: Any) -> Workflow:
    return Workflow.model_construct(**{**dict(GOOD), **changes})


def part(name: str, **changes: Any) -> Workflow:
    return whole(**{name: getattr(GOOD, name).model_copy(update=changes)})


def wd(amount: int) -> Duration:
    return Duration(amount, "wd")


def short(**amounts: int) -> dict[str, Duration]:
    return {severity: wd(amount) for severity, amount in amounts.items()}


REASON = GOOD.suspension.reasons[0]
#: name: (the definition, the place, part of the message, part of the mend)
UNSOUND: dict[str, tuple[Workflow, str, str, str]] = {
    "the last goes up": (stage(2, on_overdue="escalate"), "stages[2] (province).on_overdue", "nowhere to go", '"repeat"'),
    "the middle repeats": (stage(1, on_overdue="repeat"), "stages[1] (department).on_overdue", "never leave", '"escalate"'),
    "next unknown": (stage(0, next="moon"), "stages[0] (city).next", "no stage moon", "department"),
    "next down": (stage(1, next="city"), "stages[1] (department).next", "city does not lie above department", "province"),
    "next itself": (stage(1, next="department"), "stages[1] (department).next", "does not lie above", "province"),
    "next skips": (stage(0, next="province"), "stages[0] (city).next", "it skips department", "department"),
    "next unused": (stage(2, next="city"), "stages[2] (province).next", "never used", "leave it out"),
    "a round": (stage(1, next="city"), "stages (city, department)", "city -> department -> city", "upwards"),
    "a round of one": (stage(1, next="department"), "stages (department)", "department -> department", "upwards"),
    "a round from the top": (
        stage(2, on_overdue="escalate", next="city"),
        "stages (city, department, province)",
        "city -> department -> province -> city",
        "upwards",
    ),
    "no such coordinator": (
        stage(0, coordinator=GOOD.stages[0].coordinator.model_copy(update={"role": "city_cordinator"})),
        "stages[0] (city).coordinator.role",
        "no role",
        "did you mean city_coordinator?",
    ),
    "no such confirmer": (
        stage(2, confirmed_by="sponsor_lead"),
        "stages[2] (province).confirmed_by",
        "no role",
        "sponsor_leader",
    ),
    "a confirmer who cannot": (
        stage(2, confirmed_by="observer"),
        "stages[2] (province).confirmed_by",
        "cannot confirm",
        "sponsor",
    ),
    "remand from the lowest": (stage(0, may_remand=True), "stages[0] (city).may_remand", "no stage below", "leave it out"),
    "no categories": (whole(categories=()), "categories", "no problem has a competent organ", "name the categories"),
    "unknown entry": (category(entry="citi"), "categories[0] (road_access).entry", "no stage citi", "did you mean city?"),
    "unknown organ's stage": (
        category(organs={"city": "a", "departmnt": "b"}),
        "categories[0] (road_access).organs.departmnt",
        "no stage departmnt",
        "did you mean department?",
    ),
    "nobody at the entry": (
        category(organs={"department": "a"}),
        "categories[0] (road_access).organs",
        "competent at city",
        "city",
    ),
    "nobody anywhere": (category(organs={}), "categories[0] (road_access).organs", "competent at province", "or below"),
    "an empty organ": (
        category(organs={"city": ""}),
        "categories[0] (road_access).organs",
        "competent at city",
        "name the organ",
    ),
    "an unknown blank": (category(organs={"city": "{town}局"}), "categories[0] (road_access).organs.city", "{town}", "{city}"),
    "no deadline": (stage(0, resolve=short(general=15, major=10)), "stages[0] (city).resolve.urgent", "no deadline", "severity"),
    "no warning": (whole(warning=short(general=2, major=2)), "warning.urgent", "no limit", "every severity"),
    "a limit of nothing": (
        stage(0, resolve=short(general=15, major=10, urgent=0)),
        "stages[0].resolve.urgent",
        "0wd is over",
        "1",
    ),
    "a negative limit": (part("intake", limit=wd(-1)), "intake.limit", "-1wd is over", "1 at least"),
    "ack after resolve": (stage(0, acknowledge=wd(6)), "stages[0] (city).acknowledge", "longer than resolve.urgent", "shorten"),
    "warning before dispatch": (
        whole(warning={**GOOD.warning, "urgent": wd(2)}),
        "stages[2] (province).resolve.urgent",
        "before the dispatch",
        "shorten warning.urgent",
    ),
    "never in time to ask": (part("extension", ask_before=wd(2)), "extension.ask_before", "province.urgent", "shorter than 2wd"),
    "decided too late": (part("extension", decide=wd(4)), "extension.decide", "before the decision", "extension.hold"),
    "no reasons": (part("suspension", reasons=()), "suspension.reasons", "nothing could ever be suspended", "name"),
    "a reason twice": (
        part("suspension", reasons=(REASON, REASON)),
        "suspension.reasons",
        "winter_stop is there 2 times",
        "own key",
    ),
    "a reason without key": (
        part("suspension", reasons=(REASON.model_copy(update={"key": " "}),)),
        "suspension.reasons[0].key",
        "empty",
        "name",
    ),
    "no such day": (
        part("suspension", reasons=(REASON.model_copy(update={"until": "02-30"}),)),
        "suspension.reasons[0] (winter_stop).until",
        "no day of the year",
        "04-15",
    ),
}


@pytest.mark.parametrize("name", ["provincial", "four_rungs", "one_stage"])
def test_what_is_sound(name: str) -> None:
    workflow = GOOD if name == "provincial" else load(FOLDER / f"{name}.toml")
    assert check(workflow) == []


def test_the_stage_above_may_be_named() -> None:
    assert check(stage(0, next="department")) == []


@pytest.mark.parametrize("name", UNSOUND)
def test_what_is_not(name: str) -> None:
    workflow, place, message, mend = UNSOUND[name]
    found = [each for each in check(workflow) if each.place == place and message in each.message]
    assert len(found) == 1, check(workflow)
    assert mend in found[0].mend


def test_every_problem_has_place_message_and_mend() -> None:
    for workflow, *_ in UNSOUND.values():
        for problem in check(workflow, standing={"moon.processing": 1}):
            assert all(problem), problem


def test_a_stage_that_nothing_leads_to_is_named_and_one_that_gets_instructions_is_not() -> None:
    above = tuple(each.model_copy(update={"entry": "department"}) for each in GOOD.categories)
    assert check(whole(categories=above)) == []
    lonely = tuple(each.model_copy(update={"may_remand": False}) for each in GOOD.stages)
    [found] = check(whole(categories=above, stages=lonely))
    assert (found.place, found.message) == ("stages[0] (city)", "no issue can ever get there")


def without(*actions: str) -> Any:
    return lambda workflow: [move for move in transitions_of(workflow) if move[0] not in actions]


@pytest.mark.parametrize(
    ("actions", "status"),
    [(("suspend",), "suspended"), (("merge",), "merged"), (("withdraw",), "withdrawn"), (("close",), "closed")],
)
def test_a_status_that_no_action_leads_to_is_named(monkeypatch: pytest.MonkeyPatch, actions: tuple[str], status: str) -> None:
    monkeypatch.setattr(soundness, "transitions_of", without(*actions))
    assert Problem(f"stages[0] (city).{status}", f"no issue can ever be {status} there", "let an action lead there") in check(
        GOOD
    )


def test_a_state_that_only_time_leads_out_of_has_no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ("auto_acknowledge", "escalate_auto", "dispatch", "close", "resolve")
    monkeypatch.setattr(soundness, "transitions_of", lambda workflow: [m for m in transitions_of(workflow) if m[0] in kept])
    stuck = {each.place for each in check(GOOD) if "nobody could ever end" in each.message}
    names = [f"stages[{number}] ({stage.key})" for number, stage in enumerate(GOOD.stages)]
    assert stuck == {f"{name}.{status}" for name in names for status in ("pending_intake", "pending_ack", "suspended")}


def test_open_issues_that_would_be_stranded_are_counted() -> None:
    standing = {"county.processing": 3, "county.pending_ack": 1, "city.processing": 7, "city.closed": 0, "nonsense": 2}
    found = {each.place: each for each in check(GOOD, standing=standing)}
    assert set(found) == {"county.processing", "county.pending_ack", "nonsense"}
    assert found["county.processing"].message == "3 open issues stand there and provincial@1 has no such state"
    assert found["county.pending_ack"].message.startswith("1 open issue stands there")
    assert "keep the stage county" in found["county.processing"].mend


def test_nobody_is_stranded_when_a_stage_is_added() -> None:
    standing = {f"{each.key}.processing": 5 for each in GOOD.stages}
    assert check(load(FOLDER / "four_rungs.toml"), standing=standing) == []


def test_organs_that_the_directory_does_not_have_are_named() -> None:
    everyone = {name.replace("{city}", "哈尔滨市") for each in GOOD.categories for name in each.organs.values()}
    assert check(GOOD, organs=everyone) == []
    found = check(GOOD, organs=everyone - {"省电力公司", "哈尔滨市工信局"})
    assert [each.place for each in found] == [
        "categories[3] (power).organs.city",
        "categories[3] (power).organs.department",
        "categories[8] (policy_delivery).organs.city",
    ]
    assert found[1].message == "the directory has no organ 省电力公司"
    assert len(check(GOOD, organs=())) > len(GOOD.categories)


def test_the_order_and_the_answer_are_always_the_same() -> None:
    workflow = UNSOUND["nobody anywhere"][0]
    assert check(workflow) == check(workflow)
    assert [each.message for each in check(workflow)] == [
        f"nobody is competent at {key}" for key in ("city", "department", "province")
    ]


def test_an_acknowledgement_may_take_as_long_as_the_whole_stay() -> None:
    limits = {severity: wd(3) for severity in GOOD.stages[0].resolve}
    assert not [each for each in check(stage(0, resolve=limits, acknowledge=wd(3))) if each.place.endswith(".acknowledge")]
    assert [each for each in check(stage(0, resolve=limits, acknowledge=wd(4))) if each.place.endswith(".acknowledge")]
