"""Commands about definitions: workflow check, diagram, list."""

from pathlib import Path
from typing import Annotated

import typer

from escalation.cli.shared import AsJson, ConfigFile, opened, say, show_json, show_table
from workflows.diagram import mermaid, svg
from workflows.loading import BadDefinition, Problem, load
from workflows.soundness import check as sound

workflow = typer.Typer(help="流程定义 workflow definitions")


def register(app: typer.Typer) -> None:
    """Adds the commands of this subject."""
    workflow.command("check", help="检查定义 is a definition sound?\n\nExample: escalation workflow check my-ladder.toml")(check)
    workflow.command(
        "diagram",
        help="画图 draw a definition (.svg or .mmd).\n\nExample: escalation workflow diagram my-ladder.toml --out ladder.svg",
    )(diagram)
    workflow.command("list", help="在用版本 the versions in the store.\n\nExample: escalation workflow list")(list_)
    app.add_typer(workflow, name="workflow")


File = Annotated[Path, typer.Argument(metavar="FILE", help="a definition in TOML")]


def check(file: File, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Checks a definition; with --config also against the open issues that stand in the store."""
    problems: list[Problem] = []
    try:
        definition = load(file)
        standing: dict[str, int] = {}
        if config is not None:
            with opened(config) as app:
                standing = app.standing(definition.key)
        problems = sound(definition, standing=standing)
    except BadDefinition as error:
        problems = list(error.problems)
    if as_json:
        show_json({"ok": not problems, "problems": [problem._asdict() for problem in problems]})
    elif problems:
        show_table(
            f"{file.name}: {len(problems)}", ["位置 place", "问题 what", "改法 mend"], [list(problem) for problem in problems]
        )
    else:
        say(f"{file.name}: 定义可用 sound")
    if problems:
        raise typer.Exit(1)


def diagram(
    file: File,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="X.svg|.mmd", help="输出文件; without it mermaid is printed")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draws a definition."""
    try:
        definition = load(file)
    except BadDefinition as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(1) from error
    drawn = svg(definition) if out is not None and out.suffix == ".svg" else mermaid(definition)
    if out is not None:
        out.write_text(drawn, encoding="utf-8")
    if as_json:
        show_json({"out": str(out) if out else "", "text": "" if out else drawn})
    elif out is None:
        typer.echo(drawn)


def list_(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Lists the versions in the store."""
    with opened(config) as app:
        versions = app.workflows()
    if as_json:
        show_json({"versions": versions})
        return
    rows = [[each["id"], "●" if each["active"] else "", each["open_issues"]] for each in versions]
    show_table("流程版本 versions", ["版本 version", "新问题 for new issues", "在办 open issues"], rows)
