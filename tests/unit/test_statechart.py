"""The picture of the states: the present one is marked, every state can be, and nothing lies outside."""

from xml.etree import ElementTree

import pytest

from escalation.web.words import word
from workflows.facts import STATUSES
from workflows.loading import built_in
from workflows.statechart import BOX, broken, chart, width

SVG = "{http://www.w3.org/2000/svg}"
WORKFLOW = built_in()


def drawn(stage: str, status: str, name: str = "Stadt") -> ElementTree.Element:
    names = {each.key: name for each in WORKFLOW.stages}
    return ElementTree.fromstring(chart(WORKFLOW, names, lambda table, code: f"{table}:{code}", stage, status))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("stage", [each.key for each in WORKFLOW.stages])
def test_exactly_the_present_state_is_marked_and_inside(stage: str, status: str) -> None:
    root = drawn(stage, status)

    here = [each for each in root.iter(f"{SVG}g") if each.get("class") == "state here"]
    assert [each.find(f"{SVG}text").text for each in here] == [f"status:{status}"]
    width, height = int(root.get("width")), int(root.get("height"))
    for each in root.iter(f"{SVG}rect"):
        assert 0 <= int(each.get("x")) <= width - int(each.get("width"))
        assert 0 <= int(each.get("y")) <= height - int(each.get("height"))
    row = next(int(each.find(f"{SVG}rect").get("y")) for each in here) // 138
    assert row == len(WORKFLOW.stages) - 1 - WORKFLOW.level[stage]


def test_what_time_does_goes_up_one_step_at_a_time() -> None:
    moves = [each for each in drawn("city", "processing").iter(f"{SVG}path") if each.get("class") == "move by-time"]
    assert len(moves) == len(WORKFLOW.stages) - 1


def test_names_are_text() -> None:
    assert any(each.text == "<b>&" for each in drawn("city", "processing", "<b>&").iter(f"{SVG}text"))


@pytest.mark.parametrize("language", ["zh_CN", "en"])
def test_every_status_fits_into_its_box(language: str) -> None:
    for status in STATUSES:
        assert all(width(line) <= BOX for line in broken(word("status", status, language))), status
    assert broken("waiting for acknowledgement") == ["waiting for", "acknowledgement"]
