"""An office's own templates: listed, checked, and copied out of the built-in ones to begin with."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from escalation.errors import UsageError
from escalation.summaries import samples
from notifications import checking
from notifications.checking import Kind, Problem
from notifications.rendering import Renderer
from notifications.templating import shipped_text


class Template(NamedTuple):
    """A template that a mail may ask for, and whether it is the office's own."""

    name: str
    own: bool


def kinds() -> dict[str, Kind]:
    """Every kind of mail, with sample facts."""
    return checking.usual() | samples.kinds()


def check(folder: Path | None, renderer: Renderer) -> list[Problem]:
    """What is wrong with the office's own; every kind is rendered in every language."""
    return checking.check(folder, renderer, kinds())


def listed(folder: Path | None) -> list[Template]:
    """All of them, by language."""
    return [Template(name, folder is not None and (folder / name).is_file()) for name in checking.expected(kinds())]


def copy(folder: Path | None, kind: str, languages: Iterable[str]) -> list[Path]:
    """Writes the built-in templates of a kind into the office's folder; what is there already is left alone.

    Raises UsageError when there is no folder, or no such kind.
    """
    if folder is None:
        raise UsageError("no folder is named for your own templates", 'set templates = "templates" under [mail] in config.toml')
    written = []
    for name in (f"{language}/{kind}.j2" for language in languages):
        text = shipped_text(name) if name in checking.expected(kinds()) else None
        if text is None:
            raise UsageError(f"there is no template {name}", "`escalation template list` names them all")
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written
