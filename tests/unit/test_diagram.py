"""The pictures show the definition: every state, every transition, every limit; the SVG needs nothing from elsewhere."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from workflows.definition import SEVERITIES, Workflow
from workflows.diagram import mermaid, svg
from workflows.facts import STATUSES
from workflows.loading import built_in, load, loads, source_of
from workflows.machine import State, transitions_of

FOLDER = Path(__file__).parents[1] / "definitions"
ALL = [built_in(), load(FOLDER / "four_rungs.toml"), load(FOLDER / "one_stage.toml")]
ARROW = re.compile(r"^\s*(\w+) --> (\w+) : (⏰ )?(\w+)$")
each = pytest.mark.parametrize("workflow", ALL, ids=lambda workflow: workflow.key)


def arrows(workflow: Workflow) -> list[tuple[str, str, str, bool]]:
    found = [ARROW.match(line) for line in mermaid(workflow).splitlines()]
    return [(hit[4], hit[1], hit[2], bool(hit[3])) for hit in found if hit]


@each
def test_mermaid_has_every_transition_once_and_no_other(workflow: Workflow) -> None:
    wanted = [(action, source.replace(".", "_"), target.replace(".", "_")) for action, source, target in transitions_of(workflow)]
    assert sorted((action, source, target) for action, source, target, _ in arrows(workflow)) == sorted(wanted)


@each
def test_mermaid_has_every_state_inside_its_stage(workflow: Workflow) -> None:
    blocks = dict(re.findall(r" as (\w+) \{\n(.*?)\n    \}", mermaid(workflow), re.DOTALL))
    assert list(blocks) == [stage.key for stage in workflow.stages]
    for stage, block in blocks.items():
        for status in STATUSES:
            assert re.search(rf"^ +{stage}_{status} : ", block, re.MULTILINE)


@each
def test_what_time_does_is_marked_and_nothing_else(workflow: Workflow) -> None:
    for action, _, _, timed in arrows(workflow):
        assert timed == (action in ("auto_acknowledge", "escalate_auto") or action.startswith("return_to_"))


def test_mermaid_begins_where_categories_enter() -> None:
    assert re.findall(r"\[\*\] --> (\w+)", mermaid(built_in())) == ["city_pending_intake", "department_pending_intake"]


@each
def test_the_svg_says_names_and_limits(workflow: Workflow) -> None:
    root = ElementTree.fromstring(svg(workflow))
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    for stage in workflow.stages:
        assert {stage.name.zh, stage.name.en} <= set(texts)
        for severity in SEVERITIES:
            assert str(stage.resolve[severity]) in texts
        assert f"sign {stage.acknowledge}" in texts
    assert sum("up by itself" in text for text in texts) == len(workflow.stages) - 1
    assert f"still overdue: red card, a letter every {workflow.top_overdue.repeat}" in texts


@each
def test_the_svg_needs_nothing_from_elsewhere(workflow: Workflow) -> None:
    drawn = svg(workflow)
    assert not re.search(r"<script|<image|<foreignObject|href|@import|url\((?!#)", drawn)
    assert re.findall(r"https?://[^\"]+", drawn) == ["http://www.w3.org/2000/svg"]


@each
def test_everything_is_inside_the_picture(workflow: Workflow) -> None:
    root = ElementTree.fromstring(svg(workflow))
    _, _, width, height = map(int, root.attrib["viewBox"].split())
    for part in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert int(part.attrib.get("x", 0)) + int(part.attrib["width"]) <= width
        assert int(part.attrib.get("y", 0)) + int(part.attrib["height"]) <= height
    for part in root.iter("{http://www.w3.org/2000/svg}text"):
        assert 0 < int(part.attrib["x"]) < width
        assert 0 < int(part.attrib["y"]) < height - 8


def test_names_are_escaped() -> None:
    named = loads(source_of("provincial").replace('en = "City"', 'en = "City <&\\" {now}\\nor"'), "test")
    root = ElementTree.fromstring(svg(named))
    assert any((text.text or "").startswith('City <&" {now}') for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "City <&' {now} or\" as city {" in mermaid(named)


def test_the_same_definition_draws_the_same_picture() -> None:
    again = loads(source_of("provincial"), "test")
    assert (svg(again), mermaid(again)) == (svg(built_in()), mermaid(built_in()))
    assert State.parse("city.closed").status in mermaid(again)
