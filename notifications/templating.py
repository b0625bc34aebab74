"""Templates: where they come from, what they may be made of, and what runs them. The mails' only home of Jinja2.

An office's own template is text, facts and choices (`ALLOWED`), nothing else, so it needs no clock to bound it: without loops,
macros, calls and assignments it takes a time that grows with its length alone, and its length and the text it makes are limited.
It reaches nothing but the facts, and includes nothing but the two shared pieces, which include nothing.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, FunctionLoader, StrictUndefined, nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["Environment", "Fault", "Unusable", "faults", "layouts", "office", "shipped", "shipped_text"]

#: Characters of a template; none of ours comes near. With facts of any length it fills some ten megabytes at the very most.
LONGEST_TEMPLATE = 20_000
#: What several kinds of mail share; included by name.
SHARED = ("issue.j2", "next.j2")
#: All that a template may be made of: texts, facts, choices. No loop, no call, no attribute, no arithmetic.
ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.Filter,
    nodes.Include,
)
FILTERS = ("lower", "upper", "trim")
#: What is said of what is not allowed: what it is, and what to write in its place.
REFUSED: Mapping[type[nodes.Node], tuple[str, str]] = {
    nodes.For: ("a loop", "take it out: a template is text, facts and {% if %}; nothing repeats"),
    nodes.Call: ("a call", "write the fact alone: {{ number }}"),
    nodes.Getattr: ("a part of a fact (a.b)", "facts are plain texts; write the fact alone: {{ number }}"),
    nodes.Getitem: ("a part of a fact (a[b])", "facts are plain texts; write the fact alone: {{ number }}"),
    nodes.BinExpr: ("arithmetic", "join texts with ~: {{ number ~ title }}"),
    nodes.Assign: ("an assignment", "write the text where it belongs"),
    nodes.Macro: ("a macro", "write the text where it belongs"),
    nodes.Filter: ("this filter", f"there are {', '.join(FILTERS)}"),
    nodes.Include: ("including this", "only issue.j2 and next.j2 of a language may be included, and those include nothing"),
}


class Fault(NamedTuple):
    """What is wrong with a template: in which line (0: the whole file), and what would be right."""

    line: int
    what: str
    mend: str


class Unusable(SecurityError):
    """A template that is not run: which (a shared piece, it may be), and what is wrong with it."""

    def __init__(self, template: str, fault: Fault) -> None:
        super().__init__(f"line {fault.line}: {fault.what}" if fault.line else fault.what)
        self.template = template


def faults(name: str, text: str, known: Collection[str] | None = None) -> Iterator[Fault]:
    """What is wrong with a template's text, in the order of its lines; `known`: the facts that it may name."""
    if len(text) > LONGEST_TEMPLATE:
        yield Fault(0, f"it is longer than {LONGEST_TEMPLATE} characters", "say it shorter")
        return
    try:
        every = list(_PARSER.parse(text, name).find_all(nodes.Node))
    except TemplateSyntaxError as error:
        yield Fault(error.lineno, str(error.message), "what {% if %} opens, {% endif %} closes; a fact stands in {{ }}")
        return
    except RecursionError:
        yield Fault(0, "it is nested too deep", "say it simpler")
        return
    shared = name.rpartition("/")[2] in SHARED
    refused = [node for node in every if not _harmless(node, shared)]
    found = [_refusal(node) for node in refused]
    # what stands in a loop's own line is named by the loop
    lines = {node.lineno for node in refused}
    named = [node for node in every if isinstance(node, nodes.Name) and node.lineno not in lines]
    found += [_unknown(node, known) for node in named if known is not None and node.name not in known]
    yield from sorted(found, key=lambda fault: fault.line)


def _refusal(node: nodes.Node) -> Fault:
    what, mend = next(
        (said for kind, said in REFUSED.items() if isinstance(node, kind)),
        (type(node).__name__, "a template is text, facts and {% if %}"),
    )
    return Fault(node.lineno, f"{what} is not allowed in a template", mend)


def _unknown(node: nodes.Name, known: Collection[str]) -> Fault:
    near = get_close_matches(node.name, list(known), n=1)
    mend = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
    return Fault(node.lineno, f"there is no fact called {node.name}", mend)


def _harmless(node: nodes.Node, shared: bool) -> bool:
    if isinstance(node, nodes.Include):
        # only what is shared, and that includes nothing: no circle, no tower
        wanted = node.template
        return not shared and isinstance(wanted, nodes.Const) and str(wanted.value).rpartition("/")[2] in SHARED
    if isinstance(node, nodes.Filter):
        return node.name in FILTERS
    return isinstance(node, ALLOWED)


class _Checked(BaseLoader):
    """A loader that hands on only what has no fault; Jinja2's own sandbox lets a template run and grow without end."""

    def __init__(self, loader: BaseLoader) -> None:
        self._loader = loader

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Raises Unusable for a template that could do harm, or that is none."""
        found = self._loader.get_source(environment, template)
        for fault in faults(template, found[0]):
            raise Unusable(template, fault)
        return found


@lru_cache(maxsize=1)
def shipped() -> Environment:
    """The built-in templates; they never change, so they are made ready once."""
    return _environment(_Checked(_shipped()))


def office(folder: Path) -> Environment:
    """An office's own templates, and the built-in ones where it has none."""
    return _environment(_Checked(ChoiceLoader([FileSystemLoader(str(folder)), _shipped()])))


def shipped_text(name: str) -> str | None:
    """The text of a built-in template (`zh_CN/closed.j2`); None where there is none."""
    path = files("notifications") / "templates"
    for part in name.split("/"):
        path = path / part
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _shipped() -> BaseLoader:
    return FunctionLoader(shipped_text)


def _environment(loader: BaseLoader | None) -> Environment:
    return ImmutableSandboxedEnvironment(loader=loader, undefined=StrictUndefined, auto_reload=False)


_PARSER = _environment(None)


@lru_cache(maxsize=2)
def layouts(*, autoescape: bool = False) -> Environment:
    """`zh_CN/layout.html` and the like: the one layout with a language's words in it, which are filled in once.

    They are ours alone, so they need no sandbox, which would take most of the time of a mail.
    """
    options: dict[str, Any] = {"undefined": StrictUndefined, "auto_reload": False, "trim_blocks": True, "lstrip_blocks": True}
    words = Environment(  # noqa: S701 -- words of our own; facts come in the second step
        **options,
        loader=_shipped(),
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
        keep_trailing_newline=True,
    )

    def read(name: str) -> str:
        language, _, file = name.partition("/")
        form, _, kind = file.partition(".")
        return words.get_template(f"layout.{kind}").render(language=language, form=form)

    return Environment(**options, loader=FunctionLoader(read), autoescape=autoescape)  # noqa: S701 -- off for plain text
