"""How a summary looks: an office's words around lists and bars, which a paragraph `#late` of a template asks for by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notifications.kinds import LANGUAGES, SUMMARY_FACTS, SUMMARY_KINDS
from notifications.message import clean
from notifications.rendering import Block, Rendered, Renderer, filled, parsed

#: What these lists tell is told nowhere else, so a template that does not ask for them cannot leave them out.
ALWAYS = "reminders"
_ASKED = re.compile(r"#([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a list; its first cell may be a link."""

    cells: tuple[str, ...]
    link: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A list (`grid`) or a chart (`bars`) between the paragraphs."""

    kind: str
    head: tuple[str, ...] = ()
    rows: tuple[Line, ...] = ()
    more: int = 0
    caption: str = ""
    bars: tuple[Mapping[str, Any], ...] = ()


class SummaryRenderer(Renderer):
    """A renderer that knows summaries too; every other kind is the renderer's own."""

    def render(self, kind: str, language: str, facts: Mapping[str, Any], actions: Sequence[tuple[str, str]] = ()) -> Rendered:
        """A mail of this kind; a broken template of the office gives way to the built-in text. Raises BadTemplate."""
        if kind not in SUMMARY_KINDS:
            return super().render(kind, language, facts, actions)
        language = language if language in LANGUAGES else LANGUAGES[0]
        name = f"{language}/{kind}.j2"
        return self._first_good(name, lambda environment: self._summary(environment, name, language, facts))

    def subject(self, kind: str, language: str, facts: Mapping[str, Any]) -> str:
        """A mail's first line alone. Raises BadTemplate, and what a template may raise."""
        return self.render(kind, language, facts).subject if kind in SUMMARY_KINDS else super().subject(kind, language, facts)

    def _summary(self, environment: Any, name: str, language: str, facts: Mapping[str, Any]) -> Rendered:
        values = {fact: clean(str(facts.get(fact, ""))) for fact in SUMMARY_FACTS}
        subject, body = filled(environment, name, values)
        shown = {**values, "subject": subject, "blocks": _blocks(body, facts.get("grids") or {})}
        return Rendered(
            subject,
            self._layout.get_template(f"{language}/summary.txt").render(shown),
            self._html.get_template(f"{language}/summary.html").render(shown),
        )


def _blocks(body: str, grids: Mapping[str, Any]) -> list[Block | Grid]:
    """The paragraphs of a template with what they ask for in its place; nothing for a list that is empty."""
    found: list[Block | Grid] = []
    for block in parsed(body):
        asked = _ASKED.fullmatch(block.text) if block.kind == "text" else None
        if asked is None:
            found.append(block)
        elif grid := grids.get(asked[1]):
            found.append(_grid(grid))
    if (left := grids.get(ALWAYS)) and f"#{ALWAYS}" not in body:
        found.append(_grid(left))
    return found


def _grid(given: Mapping[str, Any]) -> Grid:
    """Facts are texts of people: each on one line, numbers as numbers, links to the web only."""
    if "bars" in given:
        bars = tuple(
            {name: clean(each) if isinstance(each, str) else int(each) for name, each in bar.items()} for bar in given["bars"]
        )
        return Grid("bars", caption=clean(str(given.get("caption", ""))), bars=bars)
    links = [str(link) if str(link).startswith(("https://", "http://")) else "" for link in given.get("links", ())]
    links += [""] * (len(given["rows"]) - len(links))
    rows = tuple(Line(tuple(map(_cell, row)), clean(link)) for row, link in zip(given["rows"], links, strict=False))
    return Grid("grid", tuple(map(_cell, given["head"])), rows, int(given.get("more", 0)))


def _cell(value: object) -> str:
    return clean(str(value))
