"""Templates become pages. One of the two homes of Jinja2: mails have their own, where an office may bring its templates."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from escalation.browsing import MANY
from escalation.web import words
from escalation.web.sentences import in_chinese

#: Stage -> its name in Chinese and in English.
Stages = Mapping[str, tuple[str, str]]
#: What a row of a list or a to-do shows of its issue. It is the same for everybody who reads a language, so it is drawn once.
IN_A_ROW = (
    "number", "version", "title", "project_name", "stage", "status", "lead_organ", "severity", "due_at", "light",
    "late_by", "overdue", "days_left",
)  # fmt: skip
#: So many drawn rows of a language are kept: about 1 KB each.
ROWS = 5_000
WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")


@lru_cache(maxsize=2)
def environment(language: str) -> Environment:
    """The templates for readers of a language."""
    made = Environment(
        loader=FunctionLoader(_shipped),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    english = language == "en"

    def both(chinese: str, in_english: str, **values: object) -> Markup:
        """The words for this reader; values are filled in as text."""
        text = Markup(in_english if english else chinese)  # noqa: S704  # our own words
        return text.format(**values) if values else text

    def word(code: str, table: str) -> str:
        return words.word(table, code, language)

    def said(text: str) -> Markup:
        """What the program says when it says no; English where Chinese has no words for it."""
        if english:
            return escape(text)
        return escape(known) if (known := in_chinese(text)) else Markup('<span lang="en">{}</span>').format(text)

    @lru_cache(maxsize=ROWS)
    def drawn(macro: str, shown: tuple[Any, ...], stage: str, zone: str, *more: object) -> Markup:
        found: Callable[..., Markup] = getattr(made.get_template("macros.html").module, macro)
        return found(dict(zip(IN_A_ROW, shown, strict=True)), stage, zone, *more)

    def told(macro: str, issue: Mapping[str, Any], stages: Stages, zone: str, *more: object) -> Markup:
        return drawn(macro, tuple([issue[name] for name in IN_A_ROW]), stage_name(issue["stage"], stages), zone, *more)

    def row(issue: Mapping[str, Any], stages: Stages, zone: str, *, project: bool = True, tick: bool = False) -> Markup:
        """A row of a list."""
        return told("issue_row", issue, stages, zone, project, tick)

    def task(issue: Mapping[str, Any], stages: Stages, zone: str, request: str) -> Markup:
        """What a to-do says of an issue, and of the kind of request that waits."""
        return told("task", issue, stages, zone, request)

    stage_name = _stage(english)
    made.globals |= {
        "_": both,
        "language": language,
        "english": english,
        "shape": shape,
        "tables": words.TABLES,
        "row": row,
        "task_row": task,
    }
    made.filters |= {
        "word": word,
        "pairs": lambda table: [(code, pair[english]) for code, pair in words.TABLES[table].items()],
        "stage_pairs": lambda names: [(key, pair[english]) for key, pair in names.items()],
        "same": lambda values: [(value, value) for value in values],
        "moment": _moment(english),
        "day": _day(english),
        "span": lambda text: words.span(text, language),
        "said": said,
        "stage": stage_name,
        "actor": lambda name: both("系统", "the system") if name == "system" else name,
        "lines": lines,
        "picture": Markup,
        "size": size,
        "many": many,
    }
    return made


def _shipped(name: str) -> str | None:
    found = files("escalation") / "web" / "templates" / name
    return found.read_text(encoding="utf-8") if found.is_file() else None


def render(name: str, language: str, values: Mapping[str, Any]) -> str:
    """A page or a part of one."""
    return environment(language).get_template(name).render(values)


def _parsed(at: Any, zone: ZoneInfo) -> datetime | None:
    if not at:
        return None
    return (datetime.fromisoformat(at) if isinstance(at, str) else at).astimezone(zone)


def _moment(english: bool) -> Callable[..., Markup]:
    def told(at: datetime | str | None, zone: str = "Asia/Shanghai", year: bool = False) -> Markup:
        """A moment as people write it, with the whole of it for programs."""
        local = _parsed(at, ZoneInfo(zone))
        if local is None:
            return Markup("—")
        if english:
            text = f"{local.day} {local:%b}" + (f" {local.year}" if year else "") + f" {local:%H:%M}"
        else:
            text = (f"{local.year}年" if year else "") + f"{local.month}月{local.day}日 {local:%H:%M}"
        # digits and our own words alone; taken apart and escaped, fifty of them would take longer than their query
        return Markup(  # noqa: S704
            f'<time datetime="{local.isoformat("T", "minutes")}" title="{local:%Y-%m-%d %H:%M}">{text}</time>'
        )

    return told


def _day(english: bool) -> Callable[..., str]:
    def told(at: date | datetime | str | None, zone: str = "Asia/Shanghai") -> str:
        """A day, with the day of the week."""
        if isinstance(at, date) and not isinstance(at, datetime):
            day = at
        else:
            local = _parsed(at, ZoneInfo(zone))
            if local is None:
                return "—"
            day = local.date()
        return f"{day:%a} {day.day} {day:%b}" if english else f"{day.month}月{day.day}日 {WEEKDAYS[day.weekday()]}"

    return told


def _stage(english: bool) -> Callable[[str, Stages], str]:
    def told(key: str, names: Stages) -> str:
        """A stage's name, from the names of the issue's own workflow."""
        return names[key][english] if key in names else words.word("level", key, "en" if english else "zh_CN")

    return told


def many(count: int) -> str:
    """A count as far as it was counted."""
    return f"{MANY}+" if count > MANY else str(count)


def lines(text: str) -> Markup:
    """A text of several lines as it was typed."""
    return Markup("<br>").join(escape(line) for line in text.splitlines())


def size(count: int) -> str:
    """So many bytes, as people say it."""
    return f"{count / 1024 / 1024:.1f} MB" if count >= 1024 * 1000 else f"{max(1, round(count / 1024))} KB"


def _drawn(path: str) -> Markup:
    return Markup('<svg class="shape" viewBox="0 0 16 16" width="12" height="12" aria-hidden="true"><path {}/></svg>').format(
        Markup(path)  # noqa: S704  # our own drawing
    )


TICK = 'd="M2.2 8.6 6.3 12.6 13.8 3.8" class="stroke"'
#: A light has a shape of its own, so that nobody needs to see its colour.
SHAPES = {
    "red": _drawn('d="M8 1 15.4 14.6H.6z"'),
    "yellow": _drawn('d="M8 .6 15.4 8 8 15.4.6 8z"'),
    "green": _drawn('d="M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z"'),
    "closed_on_time": _drawn(TICK),
    "closed_late": _drawn(TICK),
}
STILL = _drawn('d="M4 2.5h2.8v11H4zM9.2 2.5H12v11H9.2z"')


def shape(light: str) -> Markup:
    """The shape of a light: a triangle for red, a diamond for yellow, a disc for green, two bars where the clock stands."""
    return SHAPES.get(light, STILL)
