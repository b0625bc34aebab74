"""Templates become mails: one short text a kind and language, laid out as HTML and as plain text.

A template's first line is the subject, then paragraphs separated by blank lines. A paragraph whose first character is `|`
is a table of `label: value` lines; one that begins with `!` is set apart. Rows and paragraphs whose value is empty are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    FunctionLoader,
    StrictUndefined,
    Template,
    TemplateError,
)
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

LANGUAGES = ("zh_CN", "en")
KINDS = (
    "dispatch_notice",
    "escalation_notice",
    "escalated_from",
    "due_warning",
    "ack_reminder",
    "report_reminder",
    "intake_notice",
    "intake_reminder",
    "review_request",
    "review_reminder",
    "urge_notice",
    "request_asked",
    "request_decided",
    "request_reminder",
    "reassigned",
    "rework",
    "suspended",
    "resumed",
    "closed",
    "reopened",
    "rejected",
    "withdrawn",
    "merged",
    "supervision_letter",
    "overdue_top",
    "card_proposed",
    "remanded",
    "co_handling",
    "deadline_moved",
    "vacancy",
    "receipt",
)
#: Every fact that a template may name; all are texts, "" where there is nothing to say.
FACTS = tuple(
    """
    number title project city category severity stage status responsible lead_organ coordinator cooperating description
    progress link due ack_due report_every next_stage next_responsible from_stage from_responsible reason actor actor_role
    until request_kind decision overdue_days letter_number card resume_on recipient_name recipient_role cc now provisional
    """.split()
)
#: No template of ours comes near: it bounds what a foreign one can make of a loop.
LONGEST = 200_000


class Row(NamedTuple):
    """A line of a table."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph (`text`), something set apart (`notice`), or a table."""

    kind: str
    text: str = ""
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's subject and its two bodies; `problem` says which template could not be used."""

    subject: str
    text: str
    html: str
    problem: str = ""


class BadTemplate(Exception):
    """A template that cannot be rendered: which, and why."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox in which a text cannot be multiplied into gigabytes, which Jinja2's own allows."""

    intercepted_binops = frozenset(["*", "**", "%"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuses what could grow without bound."""
        raise SecurityError(f"{operator} is not allowed in a template")


class Renderer:
    """Renders every kind of mail, an office's own templates first, the built-in ones where those fail."""

    def __init__(self, override: Path | None = None) -> None:
        self._own = _environment(ChoiceLoader([FileSystemLoader(str(override)), _shipped()])) if override else None
        self._built_in = _environment(_shipped())
        self._layout = _environment(_shipped(), trim=True)
        self._html = _environment(_shipped(), autoescape=True, trim=True)
        self._compiled: dict[tuple[int, str], Template] = {}

    def render(self, kind: str, language: str, facts: Mapping[str, str]) -> Rendered:
        """A mail of this kind. A broken template of the office never holds it up: the built-in text goes out instead.

        Raises BadTemplate when there is no such kind.
        """
        language = language if language in LANGUAGES else LANGUAGES[0]
        # on one line each: a fact is never a paragraph of its own
        values = {name: " ".join(str(facts.get(name, "")).split()) for name in FACTS}
        if self._own is not None:
            try:
                return self._laid_out(self._text(self._own, kind, language, values), language, values)
            except (TemplateError, BadTemplate, ArithmeticError, TypeError, ValueError, MemoryError, RecursionError) as error:
                built_in = self._render_built_in(kind, language, values)
                problem = f"template {language}/{kind}.j2: {error}"
                return Rendered(built_in.subject, built_in.text, built_in.html, problem)
        return self._render_built_in(kind, language, values)

    def _render_built_in(self, kind: str, language: str, values: Mapping[str, str]) -> Rendered:
        if kind not in KINDS:
            raise BadTemplate(f"there is no kind of mail called {kind}")
        return self._laid_out(self._text(self._built_in, kind, language, values), language, values)

    def _text(self, environment: Environment, kind: str, language: str, values: Mapping[str, str]) -> str:
        text = ""
        for piece in self._template(environment, f"{language}/{kind}.j2").generate(**values):
            text += piece
            if len(text) > LONGEST:
                raise BadTemplate(f"{kind} grows beyond {LONGEST} characters")
        return text

    def _template(self, environment: Environment, name: str) -> Template:
        key = (id(environment), name)
        if key not in self._compiled:
            self._compiled[key] = environment.get_template(name)
        return self._compiled[key]

    def _laid_out(self, text: str, language: str, values: Mapping[str, str]) -> Rendered:
        subject, _, body = text.strip().partition("\n")
        if not subject.strip():
            raise BadTemplate("the first line, the subject, is empty")
        shown = dict(values) | {"subject": subject, "blocks": parsed(body)}
        return Rendered(
            subject,
            self._template(self._layout, f"{language}/layout.txt").render(shown),
            self._template(self._html, f"{language}/layout.html").render(shown),
        )


def parsed(body: str) -> tuple[Block, ...]:
    """A template's paragraphs as blocks, the empty ones left out."""
    blocks = []
    for paragraph in body.split("\n\n"):
        lines = [line.strip() for line in paragraph.strip().splitlines() if line.strip()]
        if not lines:
            continue
        if lines[0].startswith("|"):
            rows = tuple(row for line in lines if (row := _row(line)).value)
            if rows:
                blocks.append(Block("table", rows=rows))
        elif lines[0].startswith("!"):
            blocks.append(Block("notice", "\n".join(lines).removeprefix("!").strip()))
        else:
            blocks.append(Block("text", "\n".join(lines)))
    return tuple(blocks)


def _row(line: str) -> Row:
    label, _, value = line.removeprefix("|").partition(":")
    return Row(label.strip(), value.strip())


def _shipped() -> BaseLoader:
    root = files("notifications") / "templates"

    def read(name: str) -> str | None:
        path = root
        for part in name.split("/"):
            path = path / part
        return path.read_text(encoding="utf-8") if path.is_file() else None

    return FunctionLoader(read)


def _environment(loader: BaseLoader, *, autoescape: bool = False, trim: bool = False) -> Environment:
    return _Sandbox(
        loader=loader,
        undefined=StrictUndefined,
        autoescape=autoescape,
        trim_blocks=trim,
        lstrip_blocks=trim,
        auto_reload=False,
        cache_size=0,
    )
