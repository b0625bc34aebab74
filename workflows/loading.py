"""TOML becomes a Workflow; all mistakes at once, each with its place and what would be right."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from workflows.definition import SEVERITIES, Workflow

#: The way to a value: `("stages", 1, "resolve", "major")`.
Way = tuple[str | int, ...]
KEY = r"[a-z][a-z0-9_]*"
#: How people write the units, and what the definition calls them.
UNIT_WORDS = {
    **dict.fromkeys(("wd", "day", "days", "d", "workday", "workdays", "天", "工作日", "个工作日"), "wd"),
    **dict.fromkeys(("wh", "workhour", "workhours", "工时", "工作小时", "个工作小时"), "wh"),
    **dict.fromkeys(("h", "hour", "hours", "hrs", "小时", "个小时"), "h"),
}
#: What stands where, for values of the wrong kind: pydantic's name -> (what it must be, how that is written).
KINDS = {
    "string": ("text", 'write text in quotes, as in "city"'),
    "int": ("a whole number", "write a number without quotes or a point, as in 2"),
    "float": ("a number", "write a number without quotes, as in 0.5"),
    "finite": ("a number", "write a number that has an end, as in 2"),
    "bool": ("true or false", "write true or false, without quotes"),
    "tuple": ("a list", 'write a list, as in ["urgent"], or tables under [[two brackets]]'),
    "model": ("a table", 'write a table, as in { zh = "市级", en = "City" }, or [one bracket] above its keys'),
    "mapping": ("a table", 'write a table, as in { general = "10wd" }, or [one bracket] above its keys'),
    "dict": ("a table", 'write a table, as in { general = "10wd" }, or [one bracket] above its keys'),
}
LIMIT = 'write a number with wd (working days), wh (working hours) or h in quotes, as in "10wd"'


class Problem(NamedTuple):
    """One mistake: where, what, and the mend."""

    place: str
    message: str
    mend: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}; {self.mend}"


class BadDefinition(Exception):
    """A definition that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def load(path: Path) -> Workflow:
    """The definition in a file. Raises BadDefinition, also for a file that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = (error.strerror or "it is no file").lower()
        raise BadDefinition([Problem(str(path), f"it cannot be read: {reason}", "name a file that is there")]) from error
    except UnicodeDecodeError as error:
        problem = Problem(str(path), f"it is not UTF-8 at byte {error.start + 1}", "save it as UTF-8")
        raise BadDefinition([problem]) from error
    return loads(text, path.name)


def loads(text: str, place: str) -> Workflow:
    """The definition in a text; `place` names it in what is said. Raises BadDefinition with every mistake."""
    values = _parsed(text, place)
    found: list[tuple[Way, str, str]] = []
    workflow = None
    try:
        workflow = Workflow.model_validate(values)
    except ValidationError as error:
        found += [_in_words(each) for each in error.errors(include_url=False)]
    found += [*_missing_severities(values), *_doubles(values), *_unknown_stages(values)]
    if workflow is None or found:
        where = _Where(text, place)
        ordered = sorted(dict.fromkeys(found), key=lambda each: (where.line(each[0]) or 10**9, str(each)))
        raise BadDefinition(Problem(where.said(way), message, mend) for way, message, mend in ordered)
    return workflow


@cache
def built_in(name: str = "provincial") -> Workflow:
    """A definition that is shipped. Raises FileNotFoundError for one that is not."""
    return loads(source_of(name), f"{name}.toml")


def source_of(name: str) -> str:
    """The TOML text of a definition that is shipped. Raises FileNotFoundError for one that is not."""
    shipped = sorted(each.name.removesuffix(".toml") for each in (files("workflows") / "definitions").iterdir())
    if name not in shipped:
        raise FileNotFoundError(f"no definition {name!r} is shipped; {did_you_mean(name, shipped)}")
    return (files("workflows") / "definitions" / f"{name}.toml").read_text(encoding="utf-8")


def digest(text: str) -> str:
    """What two texts of the same definition have in common, whatever their comments, spaces and order of keys."""
    loads(text, "definition")
    workflow = Workflow.model_validate(_in_order(tomllib.loads(text)))
    return sha256(workflow.model_dump_json().encode()).hexdigest()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean city?`, or what may stand there when nothing is near."""
    known = sorted(known)
    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}"


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(each) for each in value] if isinstance(value, list) else value


def _parsed(text: str, place: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise BadDefinition([Problem(place, "it is nested too deep", "a definition needs three levels")]) from error
    except ValueError as error:
        said = str(error)
        if not isinstance(error, tomllib.TOMLDecodeError):
            said = "a number has too many digits"
        at = re.search(r" \(at line (\d+), column (\d+)\)$", said)
        where = f"{place} line {at[1]} column {at[2]}" if at else place
        message = said[: at.start()] if at else said
        message = f"it is not TOML: {message[:1].lower()}{message[1:]}"
        raise BadDefinition([Problem(where, message, 'mend it; a key is written key = "city"')]) from error


# What pydantic found, in our words.


def _in_words(error: Any) -> tuple[Way, str, str]:
    way: Way = tuple(part for part in error["loc"] if part != "[key]")
    kind, value, name = str(error["type"]), error["input"], _dotted(way)
    match kind:
        case "extra_forbidden":
            return way, f"there is no key {way[-1]}", did_you_mean(str(way[-1]), _known_keys(way[:-1]))
        case "missing":
            return way, f"{name} is missing", _example(way)
        case "literal_error":
            return way, f"{_shown(value)} is unknown", did_you_mean(str(value), _expected(error))
        case "string_pattern_mismatch" if way[-1] == "until":
            return way, f"{_shown(value)} is no day of the year", 'write month and day, as in "04-15"'
        case "string_pattern_mismatch":
            return way, f"{_shown(value)} is no key", 'use small letters, digits and _, as in "city"'
        case "value_error":
            message, _, mend = str(error["ctx"]["error"]).partition("; ")
            return way, message, _unit_meant(value) or mend or LIMIT
        case "is_instance_of" | "dataclass_type" | "dataclass_exact_type":
            return way, f"{_shown(value)} is no limit", LIMIT
    return way, *_out_of_bounds(kind, value, error.get("ctx") or {})


def _out_of_bounds(kind: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    match kind:
        case "string_too_short":
            return "it is empty", "write what people should read"
        case "too_short":
            return "the list is empty", f"{context['min_length']} at least is needed"
        case "greater_than":
            return f"{_shown(value)} is too small", f"it must be more than {context['gt']}"
        case "greater_than_equal":
            return f"{_shown(value)} is too small", f"{context['ge']} is the least"
        case "less_than_equal":
            return f"{_shown(value)} is too large", f"{context['le']} is the most"
    what, how = KINDS.get(kind.split("_", maxsplit=1)[0], ("what belongs here", "provincial.toml shows what can stand there"))
    return f"{_shown(value)} is not {what}", how


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    said = json.dumps(value, ensure_ascii=False, default=str)
    return said if len(said) <= 40 else f"{said[:37]}..."


def _dotted(way: Way) -> str:
    said = ""
    for part in way:
        said += f"[{part}]" if isinstance(part, int) else f".{part}" if said else part
    return said


def _example(way: Way) -> str:
    """How the shipped definition writes the key that is missing."""
    value: Any = tomllib.loads(source_of("provincial"))
    for part in way:
        if isinstance(value, list) and value:
            value = value[0]
        elif isinstance(value, dict) and part in value:
            value = value[str(part)]
        else:
            return "add it"
    if isinstance(value, dict | list):
        return f"add {_dotted(way[-1:])}; provincial.toml shows what belongs to it"
    return f"add it, as in {way[-1]} = {_shown(value)}"


def _unit_meant(value: Any) -> str:
    """What `7days` or `5 工作日` was meant to be; empty if nobody can tell."""
    parts = re.fullmatch(r"\s*(\d{1,5})\s*([^\W\d_]+)\s*", str(value))
    near = get_close_matches(parts[2].lower(), UNIT_WORDS, n=1) if parts else []
    meant = f"{int(parts[1])}{UNIT_WORDS[near[0]]}" if parts and near else ""
    return f'did you mean "{meant}"?' if meant and meant != value and not meant.startswith("0") else ""


def _expected(error: Any) -> list[str]:
    return re.findall(r"'([^']+)'", str(error["ctx"]["expected"]))


def _known_keys(way: Way) -> list[str]:
    """The keys that the table at the end of a way may have."""
    model: type[BaseModel] = Workflow
    for part in way:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


# What pydantic does not look at. The values may be anything: all mistakes are told at once.


def _tables(values: Mapping[str, Any], *way: str) -> list[tuple[int, dict[str, Any]]]:
    inner: Any = values
    for part in way:
        inner = inner.get(part) if isinstance(inner, dict) else None
    return [(number, each) for number, each in enumerate(inner) if isinstance(each, dict)] if isinstance(inner, list) else []


def _missing_severities(values: Mapping[str, Any]) -> Iterator[tuple[Way, str, str]]:
    tables: list[tuple[Way, Any]] = [((key,), values.get(key)) for key in ("warning", "progress")]
    tables += [(("stages", number, "resolve"), stage.get("resolve")) for number, stage in _tables(values, "stages")]
    for way, table in tables:
        for severity in SEVERITIES:
            if isinstance(table, dict) and severity not in table:
                yield (
                    (*way, severity),
                    f"{_dotted((way[-1], severity))} is missing",
                    f"every severity needs a limit: {', '.join(SEVERITIES)}",
                )


def _doubles(values: Mapping[str, Any]) -> Iterator[tuple[Way, str, str]]:
    for way in (("stages",), ("categories",), ("suspension", "reasons")):
        rows = [(number, key) for number, row in _tables(values, *way) if isinstance(key := row.get("key"), str)]
        counts = Counter(key for _, key in rows)
        last = {key: number for number, key in rows}
        for key, number in last.items():
            if counts[key] > 1:
                yield (*way, number, "key"), f"{_shown(key)} is there {counts[key]} times", "give each its own key"


def _unknown_stages(values: Mapping[str, Any]) -> Iterator[tuple[Way, str, str]]:
    keys = [stage.get("key") for _, stage in _tables(values, "stages")]
    known = [key for key in keys if isinstance(key, str) and re.fullmatch(KEY, key)]
    if not known or len(known) < len(keys):
        return  # a stage without a good key is a mistake of its own, and not one of every category that names it
    named: list[tuple[Way, Any]] = [(("stages", number, "next"), row.get("next")) for number, row in _tables(values, "stages")]
    for number, row in _tables(values, "categories"):
        named.append((("categories", number, "entry"), row.get("entry")))
        organs = row.get("organs")
        named += [(("categories", number, "organs", key), key) for key in organs] if isinstance(organs, dict) else []
    for way, name in named:
        if isinstance(name, str) and name not in known:
            yield way, f"there is no stage {_shown(name)}", did_you_mean(name, known)


# Where a key stands in the text.

TOKEN = re.compile(
    r'#[^\n]*|"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|\n|[][{}=,.]|[^][{}=,.#"\'\s]+',
    re.DOTALL,
)


class _Where:
    """The line of every key of a text that is valid TOML."""

    def __init__(self, text: str, place: str) -> None:
        self.place = place
        self.lines: dict[Way, int] = {}
        self._tokens = [
            (match[0], text.count("\n", 0, match.start()) + 1) for match in TOKEN.finditer(text) if not match[0].startswith("#")
        ]
        self._tokens.append(("", 0))
        self._at = 0
        self._count: Counter[Way] = Counter()
        with suppress(RecursionError):
            self._read()

    def line(self, way: Way) -> int:
        """The line of a key; of the table it belongs in when it is not there; 0 for the whole text."""
        return next((self.lines[way[:size]] for size in range(len(way), 0, -1) if way[:size] in self.lines), 0)

    def said(self, way: Way) -> str:
        """`provincial.toml line 37: stages[1].resolve.major`."""
        line = self.line(way)
        return f"{self.place}{f' line {line}' if line else ''}: {_dotted(way)}".removesuffix(": ")

    def _take(self) -> str:
        token = self._tokens[self._at][0]
        self._at += 1
        return token

    def _next(self) -> str:
        return self._tokens[self._at][0]

    def _read(self) -> None:
        table: Way = ()
        while self._next():
            if self._next() == "\n":
                self._take()
            elif self._next() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Way:
        self._take()
        many = self._next() == "["
        line = self._tokens[self._at][1]
        if many:
            self._take()
        keys = self._keys("]")
        if many:
            self._take()
        way: Way = ()
        for number, key in enumerate(keys):
            way = (*way, key)
            self.lines.setdefault(way, line)
            if many and number == len(keys) - 1:
                self._count[way] += 1
            if self._count[way]:
                way = (*way, self._count[way] - 1)
        self.lines.setdefault(way, line)
        return way

    def _pair(self, table: Way) -> None:
        line = self._tokens[self._at][1]
        way = table
        for key in self._keys("="):
            way = (*way, key)
            self.lines.setdefault(way, line)
        self._value(way)

    def _keys(self, end: str) -> list[str]:
        keys = []
        while (part := self._take()) != end:
            if part != ".":
                keys.append(next(iter(tomllib.loads(f"{part}=0"))))
        return keys

    def _value(self, way: Way) -> None:
        if self._next() == "[":
            self._inside("]", way)
        elif self._next() == "{":
            self._inside("}", way)
        else:
            while self._next() not in ("", "\n", ",", "]", "}"):
                self._take()

    def _inside(self, end: str, way: Way) -> None:
        self._take()
        number = 0
        while self._next() != end:
            if self._next() in ("\n", ","):
                self._take()
            elif end == "}":
                self._pair(way)
            else:
                self.lines[(*way, number)] = self._tokens[self._at][1]
                self._value((*way, number))
                number += 1
        self._take()
