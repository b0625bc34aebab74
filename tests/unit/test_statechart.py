"""The picture of the states: the present one is marked, every state can be, and nothing lies outside."""

from xml.etree import ElementTree

import pytest

from escalation.web.words import word
from workflows.definition import Workflow
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


def test_a_text_is_broken_when_it_is_too_wide_at_the_space_nearest_to_its_middle() -> None:
    fits = "中文四字 abcdefg"  # four signs of 13, eight of 7: 108
    assert (width(fits), broken(fits)) == (BOX - 8, [fits])
    assert broken("三个字 abcdefghi") == ["三个字", "abcdefghi"]
    assert broken("aaaa bbbb cccc dddd") == ["aaaa bbbb", "cccc dddd"]


def test_chinese_begins_where_the_signs_are_square() -> None:
    assert (width("\u2e7f"), width("\u2e80"), width("中a")) == (7, 13, 20)


def test_two_lines_stand_in_the_middle_of_their_box() -> None:
    names = {each.key: each.key for each in WORKFLOW.stages}
    root = ElementTree.fromstring(chart(WORKFLOW, names, lambda table, code: "waiting for acknowledgement", "city", "processing"))
    for box in (each for each in root.iter(f"{SVG}g") if each.get("class", "").startswith("state")):
        first, second = (int(line.get("y")) for line in box.iter(f"{SVG}text"))
        assert (second - first, (first + second) / 2 - int(box.find(f"{SVG}rect").get("y"))) == (14, 22)


def test_without_a_catalogue_issues_enter_at_the_first_stage() -> None:
    bare = WORKFLOW.model_copy(update={"categories": ()})
    assert "status:pending_intake" in row_of(bare, "city")
    assert "status:pending_intake" not in row_of(bare, "department")


def row_of(workflow: Workflow, stage: str) -> list[str]:
    """What is written in the boxes of a stage's row."""
    names = {each.key: each.key for each in workflow.stages}
    root = ElementTree.fromstring(chart(workflow, names, lambda table, code: f"{table}:{code}", "province", "processing"))
    top = 30 + 138 * (len(workflow.stages) - 1 - workflow.level[stage])
    boxes = [each for each in root.iter(f"{SVG}g") if each.get("class", "").startswith("state")]
    return [each.find(f"{SVG}text").text for each in boxes if top <= int(each.find(f"{SVG}rect").get("y")) < top + 138]
