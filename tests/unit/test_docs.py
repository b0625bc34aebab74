"""The documents say what the program does."""

import re
import tomllib
from pathlib import Path

import typer

from escalation.cli import app
from escalation.config import Settings
from tests.faults.elsewhere import ELSEWHERE
from workflows.diagram import svg
from workflows.lifepage import page
from workflows.loading import built_in

ROOT = Path(__file__).parents[2]


def test_the_life_cycle_page_and_the_picture_are_those_of_the_definition() -> None:
    assert (ROOT / "docs" / "life-cycle.md").read_text(encoding="utf-8") == page(built_in())
    assert (ROOT / "docs" / "ladder.svg").read_text(encoding="utf-8") == svg(built_in())


def commands(group: typer.core.TyperGroup, prefix: str = "") -> dict[str, str]:
    found = {}
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            found |= commands(command, f"{prefix}{name} ")
        else:
            found[prefix + name] = command.help or ""
    return found


def test_every_command_has_an_example_and_a_section() -> None:
    told = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    found = commands(typer.main.get_command(app))  # type: ignore[arg-type]

    assert len(found) >= 18
    for name, text in found.items():
        assert f"Example: escalation {name}" in text, name
        assert f"escalation {name}" in told, name


def test_the_configuration_names_every_key_and_no_other() -> None:
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    expected = {}
    for name, field in Settings.model_fields.items():
        if name == "root":
            continue
        inner = getattr(field.annotation, "model_fields", None)
        expected[name] = {each.alias or key for key, each in inner.items()} if inner else None
    for section in ("smtp", "inbox"):
        expected[section].discard("password")  # a secret: from the environment only
    expected["oidc"].discard("client_secret")
    expected["audience"] = expected["channels"] = set()  # an office's own lines

    assert {name: set(value) if isinstance(value, dict) else None for name, value in values.items()} == expected
    assert (ROOT / "escalation" / "config.toml").read_text(encoding="utf-8") == text
    assert Settings.model_validate(values) == Settings()


def test_the_units_start_the_program_that_the_link_points_to() -> None:
    """An upgrade and the way back move the link; a unit that names a folder would go on starting the other program."""
    guide = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    started = {
        path: set(re.findall(r"(/\S*escalation) (?:worker|backup|restore)\b", path.read_text(encoding="utf-8")))
        for path in (ROOT / "deploy").glob("*.service")
    }

    assert len(started) == 2
    assert set().union(*started.values()) == {"/usr/local/bin/escalation"}, started
    assert all(started.values())
    assert len(re.findall(r"^ln -sfn .+ /usr/local/bin/escalation$", guide, re.MULTILINE)) == 3, "installed, upgraded, and back"


def test_every_test_that_the_report_of_the_faults_counts_exists() -> None:
    tests = Path(__file__).parents[1]
    for row in ELSEWHERE:
        for name in row.tests:
            file, _, function = name.partition("::")
            assert f"def {function}(" in (tests / file).read_text(encoding="utf-8"), name
