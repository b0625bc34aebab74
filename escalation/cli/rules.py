"""Commands about definitions: workflow check, diagram, diff, activate, list."""

from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import Session

from escalation import versions
from escalation.cli.shared import AsJson, At, ConfigFile, moment, opened, say, show_json, show_table
from escalation.errors import UsageError
from escalation.world import World
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
    workflow.command(
        "diff",
        help="与在用版本比较 what a definition says otherwise than the version for new issues.\n\n"
        "Example: escalation workflow diff my-ladder.toml",
    )(diff)
    workflow.command(
        "activate",
        help="启用 a file, or a version that is in the store, becomes the one for new issues; running issues keep theirs.\n\n"
        "Example: escalation workflow activate my-ladder.toml",
    )(activate)
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


def diff(file: File, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Compares a definition with the running one."""
    source = _text(file)
    with opened(config) as app:
        found = app.look(lambda session, world: versions.check(world, source, file.name))
    if as_json:
        told = {"running": found.running, "changes": [each._asdict() for each in found.changes]}
        show_json({"ok": not found.problems, "problems": [each._asdict() for each in found.problems], **told})
    elif found.problems:
        rows = [list(each) for each in found.problems]
        show_table(f"{file.name}: {len(rows)}", ["位置 place", "问题 what", "改法 mend"], rows)
    else:
        rows = [list(each) for each in found.changes]
        show_table(f"{found.running or '—'} → {file.name}: {len(rows)}", ["位置 place", "现 running", "新 new"], rows)
    if found.problems:
        raise typer.Exit(1)


def activate(
    wanted: Annotated[str, typer.Argument(metavar="FILE|VERSION", help="a definition in TOML, or provincial@2")],
    at: At = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Makes a version the one for new issues."""
    with opened(config) as app:
        now = moment(at, app)

        def work(session: Session, world: World) -> str:
            if wanted in world.sources:
                versions.choose(session, world, wanted, now)
                return wanted
            return versions.take(session, world, _text(Path(wanted)), Path(wanted).name, now)

        active = app.change(work)
    if as_json:
        show_json({"active": active})
    else:
        say(f"新问题按此版本办理 for new issues: {active}")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", "name a definition in TOML, in UTF-8") from error


def list_(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Lists the versions in the store."""
    with opened(config) as app:
        versions = app.workflows()
    if as_json:
        show_json({"versions": versions})
        return
    rows = [[each["id"], "●" if each["active"] else "", each["open_issues"]] for each in versions]
    show_table("流程版本 versions", ["版本 version", "新问题 for new issues", "在办 open issues"], rows)
