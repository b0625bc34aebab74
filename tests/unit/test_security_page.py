"""docs/security.md: every requirement of ASVS 5.0's levels 1 and 2 has a row, and every test that a row names exists."""

import ast
import re
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: How many requirements of levels 1 and 2 each section has; all of level 3 come after them.
SECTIONS = """
1.1 2|1.2 9|1.3 11|1.4 3|1.5 2|2.1 3|2.2 3|2.3 4|2.4 1|3.2 2|3.3 4|3.4 6|3.5 5|3.7 2|4.1 3|4.2 1|4.3 2|4.4 4|5.1 1|5.2 3|5.3 2|5.4 3
6.1 3|6.2 12|6.3 4|6.4 4|6.5 5|6.6 3|6.8 4|7.1 3|7.2 4|7.3 2|7.4 5|7.5 2|7.6 2|8.1 2|8.2 3|8.3 1|8.4 1|9.1 3|9.2 4|10.1 2|10.2 2|10.3 4
10.4 11|10.5 5|10.6 2|10.7 3|11.1 2|11.2 3|11.3 3|11.4 4|11.5 1|11.6 1|12.1 3|12.2 2|12.3 4|13.1 1|13.2 5|13.3 2|13.4 5|14.1 2|14.2 4|14.3 3
15.1 3|15.2 3|15.3 7|16.1 1|16.2 5|16.3 4|16.4 3|16.5 3|17.1 1|17.2 4|17.3 2
"""


def page() -> str:
    return (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


@lru_cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_requirement_has_one_row() -> None:
    wanted = []
    for section in SECTIONS.replace("\n", "|").strip("|").split("|"):
        name, count = section.split()
        wanted += [f"{name}.{number}" for number in range(1, int(count) + 1)]
    heads = re.findall(r"^\| ([\d., ]+) \|", page(), re.MULTILINE)
    found = [each for head in heads for each in head.split(", ")]

    assert len(wanted) == 253
    assert sorted(found) == sorted(wanted)


def test_every_test_that_a_row_names_exists() -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", page())

    assert len(named) > 100
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []
    assert [path for path in re.findall(r"`((?:escalation|deploy|tests)/[\w/.]+)`", page()) if not (ROOT / path).exists()] == []
