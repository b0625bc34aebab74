"""TOML becomes a Workflow; all mistakes at once, each with its place and what would be right."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from workflows.definition import SEVERITIES, Workflow


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
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(str(path), f"it cannot be read: {error}", "name a text file in UTF-8")
        raise BadDefinition([problem]) from error
    return loads(text, path.name)


def loads(text: str, place: str) -> Workflow:
    """The definition in a text; `place` names it in what is said. Raises BadDefinition with every mistake."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadDefinition([Problem(place, f"this is not TOML: {error}", "mend that line")]) from error
    problems = []
    try:
        workflow = Workflow.model_validate(values)
    except ValidationError as error:
        problems = [_problem(each, values, text, place) for each in error.errors(include_url=False)]
        problems += _missing_severities(values, text, place)
        raise BadDefinition(sorted(set(problems))) from error
    problems = [
        *_missing_severities(values, text, place),
        *_double(workflow, text, place),
        *_unknown_names(workflow, text, place),
    ]
    if problems:
        raise BadDefinition(problems)
    return workflow


@cache
def built_in(name: str = "provincial") -> Workflow:
    """A definition that is shipped. Raises FileNotFoundError for one that is not."""
    return loads(source_of(name), f"{name}.toml")


def source_of(name: str) -> str:
    """The TOML text of a definition that is shipped."""
    return (files("workflows") / "definitions" / f"{name}.toml").read_text(encoding="utf-8")


def digest(text: str) -> str:
    """What two texts of the same definition have in common, whatever their comments and spaces."""
    return sha256(loads(text, "definition").model_dump_json().encode()).hexdigest()


def _problem(error: Any, values: Mapping[str, Any], text: str, place: str) -> Problem:
    path = tuple(part for part in error["loc"] if part != "[key]")
    where = f"{place}{_line(text, path, values)}: {_dotted(path)}"
    match error["type"]:
        case "extra_forbidden":
            return Problem(where, "there is no such key", _did_you_mean(str(path[-1]), _known_keys(path[:-1])))
        case "missing":
            return Problem(where, "it is missing", "add it; provincial.toml shows every key")
        case "literal_error":
            return Problem(where, f"{error['input']!r} is unknown", _did_you_mean(str(error["input"]), _expected(error)))
        case "string_pattern_mismatch":
            return Problem(where, f"{error['input']!r} is not a name", "use small letters, digits and _, as in city")
        case "value_error":
            said = str(error["ctx"]["error"])
            message, _, mend = said.partition("; ")
            return Problem(where, message, mend or "see provincial.toml")
        case "is_instance_of":
            return Problem(where, f"{error['input']!r} is no limit", 'write text: a number with wd, wh or h, as in "10wd"')
        case _:
            return Problem(where, f"{error['input']!r} cannot stand here", _plain(error["msg"]))


def _plain(message: str) -> str:
    return message.replace("Input should be", "it should be").replace("Tuple should", "the list should").lower()


def _dotted(path: tuple[Any, ...]) -> str:
    said = ""
    for part in path:
        said += f"[{part}]" if isinstance(part, int) else f".{part}" if said else str(part)
    return said


def _line(text: str, path: tuple[Any, ...], values: Any) -> str:
    """` line 12` where the key can be found in the text, counted through the tables that come before it."""
    names = [str(part) for part in path if isinstance(part, str)]
    lines = text.splitlines()
    start = _table(lines, path)
    for name in reversed(names):
        for number, line in enumerate(lines[start:], start + 1):
            if re.match(rf"\s*(\[\[?)?\"?{re.escape(name)}\"?\s*(=|\]|\.)", line) or re.search(
                rf"[{{,]\s*\"?{re.escape(name)}\"?\s*=", line
            ):
                return f" line {number}"
            if number > start + 1 and line.startswith("[") and start:
                break
    return f" line {start + 1}" if start else ""


def _table(lines: list[str], path: tuple[Any, ...]) -> int:
    """The line (from 0) of the `[table]` or the n-th `[[table]]` that a path begins in."""
    if not path:
        return 0
    count = path[1] + 1 if len(path) > 1 and isinstance(path[1], int) else 1
    for number, line in enumerate(lines):
        if re.match(rf"\[\[?{re.escape(str(path[0]))}\]", line.strip()):
            count -= 1
            if count == 0:
                return number
    return 0


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}"


def _expected(error: Any) -> list[str]:
    return re.findall(r"'([^']+)'", str(error["ctx"]["expected"]))


def _known_keys(path: tuple[Any, ...]) -> list[str]:
    """The keys that the value at a path may have."""
    model: Any = Workflow
    for part in path:
        if isinstance(part, int):
            continue
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
            return list(SEVERITIES)
        model = _inner(model.model_fields[part].annotation)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return list(model.model_fields)
    return list(SEVERITIES)


def _inner(annotation: Any) -> Any:
    """What is inside a tuple or an optional value."""
    if get_origin(annotation) is None:
        return annotation
    for part in get_args(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return annotation


def _missing_severities(values: Mapping[str, Any], text: str, place: str) -> list[Problem]:
    tables: list[tuple[tuple[Any, ...], Any]] = [(("warning",), values.get("warning")), (("progress",), values.get("progress"))]
    stages = values.get("stages")
    if isinstance(stages, list):
        tables += [
            (("stages", number, "resolve"), each.get("resolve")) for number, each in enumerate(stages) if isinstance(each, dict)
        ]
    return [
        Problem(
            f"{place}{_line(text, path, values)}: {_dotted((*path, severity))}",
            "it is missing",
            f"every severity needs a limit: {', '.join(SEVERITIES)}",
        )
        for path, table in tables
        if isinstance(table, dict)
        for severity in SEVERITIES
        if severity not in table
    ]


def _double(workflow: Workflow, text: str, place: str) -> list[Problem]:
    found = []
    for what, keys in (
        ("stages", [stage.key for stage in workflow.stages]),
        ("categories", [category.key for category in workflow.categories]),
        ("suspension.reasons", [reason.key for reason in workflow.suspension.reasons]),
    ):
        found += [
            Problem(f"{place}: {what}", f"{key} is there {count} times", "give each its own key")
            for key, count in Counter(keys).items()
            if count > 1
        ]
    return found


def _unknown_names(workflow: Workflow, text: str, place: str) -> list[Problem]:
    known = list(workflow.stage_by_key)
    found = []
    for number, stage in enumerate(workflow.stages):
        if stage.next is not None and stage.next not in known:
            where = f"{place}{_line(text, ('stages', number, 'next'), None)}: stages[{number}].next"
            found.append(Problem(where, f"there is no stage {stage.next!r}", _did_you_mean(stage.next, known)))
    for number, category in enumerate(workflow.categories):
        where = f"{place}{_line(text, ('categories', number), None)}: categories[{number}]"
        if category.entry not in known:
            found.append(Problem(f"{where}.entry", f"there is no stage {category.entry!r}", _did_you_mean(category.entry, known)))
        found += [
            Problem(f"{where}.organs", f"there is no stage {key!r}", _did_you_mean(key, known))
            for key in category.organs
            if key not in known
        ]
    return found
