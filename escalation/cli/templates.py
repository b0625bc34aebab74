"""Commands about an office's own templates: template check, list, copy."""

from typing import Annotated

import typer

from escalation import templates
from escalation.cli.shared import AsJson, ConfigFile, opened, say, show_json, show_table
from notifications.kinds import LANGUAGES

template = typer.Typer(help="邮件模板 the words of mails, your own and the built-in ones")


def register(app: typer.Typer) -> None:
    """Adds the commands of this subject."""
    template.command(
        "check",
        help="检查自定义模板 render every mail with sample facts, and name what is wrong.\n\nExample: escalation template check",
    )(check)
    template.command("list", help="列出模板 every template, and which are your own.\n\nExample: escalation template list")(list_)
    template.command(
        "copy", help="复制内置模板 copy a built-in template out, to change it.\n\nExample: escalation template copy closed"
    )(copy)
    app.add_typer(template, name="template")


def check(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Checks the office's folder; exit code 1 when something is wrong."""
    with opened(config, any_schema=True) as app:
        folder, problems = app.settings.templates, templates.check(app.settings.templates, app.mailroom.renderer())
    own = sum(each.own for each in templates.listed(folder))
    if as_json:
        show_json({"ok": not problems, "own": own, "problems": [problem._asdict() for problem in problems]})
    elif problems:
        columns = ["文件 file", "行 line", "问题 what", "改法 mend"]
        show_table(f"{folder}: {len(problems)}", columns, [list(problem) for problem in problems])
    else:
        say(f"模板可用 all sound ({own} 个自定义 of your own)")
    if problems:
        raise typer.Exit(1)


def list_(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Lists all templates."""
    with opened(config, any_schema=True) as app:
        found = templates.listed(app.settings.templates)
    if as_json:
        show_json({"items": [each._asdict() for each in found]})
        return
    show_table("模板 templates", ["文件 file", "自定义 own"], [[each.name, "●" if each.own else ""] for each in found])


Language = Annotated[str, typer.Option("--language", help="zh_CN | en; 不填为两种 both when left out")]


def copy(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="如 closed,见 template list")],
    language: Language = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Copies a built-in template into the office's folder; a file that is there is left alone."""
    with opened(config, any_schema=True) as app:
        written = templates.copy(app.settings.templates, kind.removesuffix(".j2"), [language] if language else LANGUAGES)
    if as_json:
        show_json({"written": [str(path) for path in written]})
    else:
        say("\n".join(str(path) for path in written) or "已存在 there already")
