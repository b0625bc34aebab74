"""Templates become mails: one short text a kind and language, laid out as HTML and as plain text.

A template's first line is the subject, then paragraphs separated by blank lines. A paragraph whose first character is `|`
is a table of `label: value` lines; one that begins with `!` is set apart. Rows and paragraphs whose value is empty are left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import NamedTuple

from notifications.kinds import FACTS, KINDS, LANGUAGES, OTHERWISE, WORDS
from notifications.message import clean
from notifications.templating import Environment, Unusable, layouts, office, shipped

__all__ = ["FACTS", "KINDS", "LANGUAGES", "BadTemplate", "Rendered", "Renderer", "plainly"]

#: Characters of what a template makes; none of ours comes near.
LONGEST = 200_000
EMPTY = "the first line, the subject, is empty"
#: Characters of a subject. A title may be of any length; it stands whole in the mail.
LONGEST_SUBJECT = 300


class Row(NamedTuple):
    """A line of a table; its label may lead somewhere."""

    label: str
    value: str
    link: str = ""


class Line(NamedTuple):
    """A message in a digest: its number, what it says, where it leads, and the deadline that it tells of."""

    number: str
    subject: str
    link: str = ""
    due: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph (`text`), something set apart (`notice`), a table, or what can be done at once (`actions`)."""

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


class Renderer:
    """Renders every kind of mail, an office's own templates first, the built-in ones where those fail."""

    def __init__(self, override: Path | None = None, *, replies: bool = False) -> None:
        #: Replies are read, so a mail does not ask to leave them.
        self._replies = replies
        self._own = office(override) if override else None
        self._built_in = shipped()
        self._layout = layouts()
        self._html = layouts(autoescape=True)
        self._broken: dict[str, str] = {}

    def render(self, kind: str, language: str, facts: Mapping[str, str], actions: Sequence[tuple[str, str]] = ()) -> Rendered:
        """A mail of this kind. A broken template of the office never holds it up: the built-in text goes out instead.

        `actions`: what its reader can do at once, as (words, link). Raises BadTemplate when there is no such kind.
        """
        if kind not in KINDS:
            raise BadTemplate(f"there is no kind of mail called {kind}")
        language = language if language in LANGUAGES else LANGUAGES[0]
        values = _values(facts, language)
        name = f"{language}/{kind}.j2"
        return self._first_good(name, lambda environment: self._laid_out(environment, name, language, values, actions))

    def _first_good(self, name: str, make: Callable[[Environment], Rendered]) -> Rendered:
        """What the office's own template makes; what the built-in one makes, and why, where that cannot be used."""
        if self._own is None:
            return make(self._built_in)
        if name not in self._broken:
            try:
                return make(self._own)
            except Exception as error:  # whatever a foreign template may do
                where = error.template if isinstance(error, Unusable) else name
                self._broken[name] = f"template {where}: {str(error) or type(error).__name__}"
        return replace(make(self._built_in), problem=self._broken[name])

    def subject(self, kind: str, language: str, facts: Mapping[str, str]) -> str:
        """A mail's first line alone, as a digest lists it. Raises what Jinja2 raises, and BadTemplate."""
        if kind not in KINDS:
            raise BadTemplate(f"there is no kind of mail called {kind}")
        language = language if language in LANGUAGES else LANGUAGES[0]
        text = self._built_in.get_template(f"{language}/{kind}.j2").render(_values(facts, language))
        return short(text.partition("\n")[0].strip())

    def digest(self, language: str, lines: Sequence[Line], count: int) -> Rendered:
        """One mail for many: its own template's words, then a line a message, with a deadline that its subject does not say."""
        language = language if language in LANGUAGES else LANGUAGES[0]
        values = {**_values({}, language), "count": str(count), "more": str(count - len(lines)) if count > len(lines) else ""}
        table = Block("table", rows=tuple(_digested(line, language) for line in lines))

        def made(environment: Environment) -> Rendered:
            subject, body = filled(environment, f"{language}/digest.j2", values)
            blocks = parsed(body)
            return self._both(subject, language, values, (*blocks[:1], table, *blocks[1:]))

        return self._first_good(f"{language}/digest.j2", made)

    def _both(self, subject: str, language: str, values: Mapping[str, str], blocks: tuple[Block, ...]) -> Rendered:
        subject = short(subject)
        shown = {**values, "subject": subject, "blocks": blocks, "replies": self._replies}
        return Rendered(
            subject,
            self._layout.get_template(f"{language}/layout.txt").render(shown),
            self._html.get_template(f"{language}/layout.html").render(shown),
        )

    def _laid_out(
        self, environment: Environment, name: str, language: str, values: Mapping[str, str], actions: Sequence[tuple[str, str]]
    ) -> Rendered:
        subject, body = filled(environment, name, _guarded(values))
        subject = subject.replace(GUARD, "").strip()
        if not subject:
            raise BadTemplate(EMPTY)
        done = (Block("actions", rows=tuple(Row(clean(words), link) for words, link in actions)),) if actions else ()
        return self._both(subject, language, values, (*parsed(body), *done))


def filled(environment: Environment, name: str, values: Mapping[str, str]) -> tuple[str, str]:
    """A template's first line, the subject, and the rest. Raises BadTemplate, and what Jinja2 raises."""
    text = environment.get_template(name).render(values)
    if len(text) > LONGEST:
        raise BadTemplate(f"it grows beyond {LONGEST} characters")
    subject, _, body = text.rstrip().partition("\n")
    if not (subject := subject.strip()):
        raise BadTemplate(EMPTY)
    return subject, body


#: How a deadline is added to a line of a digest.
DUE = {"zh_CN": "{}，时限{}", "en": "{}, due {}"}


def _digested(line: Line, language: str) -> Row:
    said, due, link = clean(line.subject), clean(line.due), clean(line.link)
    shown = DUE[language].format(said, due) if due and due not in said else said
    return Row(clean(line.number) or "-", shown, link if link.startswith(("https://", "http://")) else "")


def short(subject: str) -> str:
    """A subject as servers take it: they cut or refuse headers without end."""
    return subject if len(subject) <= LONGEST_SUBJECT else f"{subject[: LONGEST_SUBJECT - 1]}…"


def _values(facts: Mapping[str, str], language: str) -> dict[str, str]:
    """Every fact on one line, so that none is a paragraph of its own, and the codes among them as words."""
    values = {name: clean(str(facts.get(name, ""))) for name in FACTS}
    for name, words in WORDS[language].items():
        code = values[name]
        values[f"{name}_word"] = words.get(code, OTHERWISE[language].get(name, code))
    return values


#: What a paragraph may begin with to be more than a paragraph, and what keeps a fact from beginning one so.
MARKS = ("!", "|", "#")
GUARD = "\x02"


def _guarded(values: Mapping[str, str]) -> dict[str, str]:
    """Facts as a template gets them: a title that begins with a mark, at the beginning of a paragraph, is still a title."""
    return {name: GUARD + value if value.startswith(MARKS) else value for name, value in values.items()}


def plainly(kind: str, language: str, facts: Mapping[str, str], problem: str = "") -> Rendered:
    """The last resort, without any template: a mail that only lists its facts is better than none."""
    known = {name: clean(str(value)) for name, value in facts.items() if value}
    word = "[Notice]" if language == "en" else "【通知】"
    subject = " ".join(filter(None, (word, known.get("number", ""), known.get("title", "") or kind)))
    text = "\n".join((subject, "", *(f"{name}: {value}" for name, value in known.items()), ""))
    return Rendered(short(subject), text, f'<!doctype html><html><meta charset="utf-8"><pre>{escape(text)}</pre></html>', problem)


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
            blocks.append(Block("notice", "\n".join(lines).removeprefix("!").replace(GUARD, "").strip()))
        else:
            blocks.append(Block("text", "\n".join(lines).replace(GUARD, "")))
    return tuple(blocks)


def _row(line: str) -> Row:
    label, _, value = line.removeprefix("|").partition(":")
    return Row(label.strip(), value.replace(GUARD, "").strip())
