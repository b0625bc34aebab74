"""The two drawings of a workflow, line for line as somebody looked at them last: tests/snapshots/*.svg open in any browser.

A change that is meant is taken over by `python -m tests.unit.test_drawings`, and looked at.
"""

from pathlib import Path

import pytest

from workflows.diagram import mermaid, svg
from workflows.loading import load
from workflows.statechart import chart

FOLDER = Path(__file__).parents[1]
BUILT_IN = FOLDER.parent / "workflows" / "definitions" / "provincial.toml"
LADDERS = {"provincial": BUILT_IN, **{name: FOLDER / "definitions" / f"{name}.toml" for name in ("four_rungs", "one_stage")}}


def drawings() -> dict[str, str]:
    """File name -> drawing."""
    found = {}
    for name, path in LADDERS.items():
        workflow = load(path)
        names = {each.key: each.name.zh for each in workflow.stages}
        found[f"{name}-ladder.svg"] = svg(workflow)
        found[f"{name}-states.svg"] = chart(workflow, names, lambda table, code: code, workflow.stages[0].key, "processing")
        found[f"{name}.mermaid"] = mermaid(workflow)
    return {name: text.replace("><", ">\n<").rstrip() + "\n" for name, text in found.items()}


@pytest.mark.parametrize("name", [f"{each}{kind}" for each in LADDERS for kind in ("-ladder.svg", "-states.svg", ".mermaid")])
def test_it_is_drawn_as_it_was(name: str) -> None:
    assert drawings()[name] == (FOLDER / "snapshots" / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    for name, text in drawings().items():
        (FOLDER / "snapshots" / name).write_text(text, encoding="utf-8")
