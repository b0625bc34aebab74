"""What is wrong with an office's own templates, before a mail depends on them: each file, its line, and what would be right."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from notifications.kinds import FACTS, KINDS, LANGUAGES, WORDS
from notifications.rendering import Line, Renderer
from notifications.samples import facts
from notifications.templating import SHARED, faults

#: What a template of an issue may name: the facts, and the codes among them as words.
NAMES = (*FACTS, *(f"{name}_word" for name in WORDS[LANGUAGES[0]]))
#: Lines of the digest's sample.
_LINES = (
    Line("WT26-0007", "冷库双回路供电方案未确定", "https://tiji.example.com/issues/WT26-0007", "11月30日17:00"),
    Line("WT26-0009", "Land use"),
)
#: Signs of a Chinese keyboard where a paragraph begins with a mark.
_WIDE = {"！": "!", "｜": "|", "＃": "#"}


class Problem(NamedTuple):
    """Something to mend: in which file (under the folder), in which line (0: the whole file), and what would be right."""

    file: str
    line: int
    what: str
    mend: str


class Kind(NamedTuple):
    """A kind of mail, as the check needs to know it: what its template may name and ask for, and a sample of its facts."""

    names: Collection[str]
    sample: Mapping[str, Mapping[str, Any]]
    grids: Collection[str] = ()


def usual() -> dict[str, Kind]:
    """Every kind of mail that tells of one issue."""
    return {kind: Kind(NAMES, {language: facts(kind, language) for language in LANGUAGES}) for kind in KINDS}


def expected(kinds: Mapping[str, Kind]) -> dict[str, Collection[str]]:
    """Every template that a mail may ask for, and what it may name."""
    names: dict[str, Collection[str]] = {kind: each.names for kind, each in kinds.items()}
    names |= {"digest": (*NAMES, "count", "more"), **{piece.removesuffix(".j2"): NAMES for piece in SHARED}}
    return {f"{language}/{kind}.j2": known for language in LANGUAGES for kind, known in names.items()}


def check(folder: Path | None, renderer: Renderer, kinds: Mapping[str, Kind]) -> list[Problem]:
    """Reads every file of an office's folder, and renders all kinds in all languages with sample facts."""
    found = list(_files(folder, kinds)) if folder is not None else []
    wrong = {problem.file for problem in found}
    return found + [problem for problem in _rendered(renderer, kinds) if problem.file not in wrong]


def _files(folder: Path, kinds: Mapping[str, Kind]) -> Iterator[Problem]:
    if not folder.is_dir():
        yield Problem(str(folder), 0, "there is no such folder", "make it, or leave mail.templates empty")
        return
    known = expected(kinds)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and (name in known or path.suffix == ".j2" or name.startswith(LANGUAGES)):
            yield from _file(path, name, known, kinds)


def _file(path: Path, name: str, known: Mapping[str, Collection[str]], kinds: Mapping[str, Kind]) -> Iterator[Problem]:
    if name not in known:
        near = get_close_matches(name, list(known), n=1, cutoff=0.5)
        yield Problem(name, 0, "no mail asks for this file", f"did you mean {near[0]}?" if near else "see `template list`")
        return
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        yield Problem(name, line, "it is not in UTF-8", "save it as UTF-8 (编码选 UTF-8)")
        return
    except OSError as error:
        yield Problem(name, 0, f"it cannot be read: {error.strerror}", "give this user the right to read it")
        return
    kind = kinds.get(path.stem)
    yield from (Problem(name, *fault) for fault in faults(name, text, known[name]))
    yield from (Problem(name, *said) for said in _marks(text, kind.grids if kind else ()))


def _marks(text: str, grids: Collection[str]) -> Iterator[tuple[int, str, str]]:
    """Paragraphs that will not look as they were meant."""
    before = ""
    for number, line in enumerate(text.splitlines()[1:], 2):
        stripped, begins = line.strip(), not before.strip()
        if begins and stripped[:1] in _WIDE:
            yield number, f"a paragraph begins with {stripped[0]}", f"write {_WIDE[stripped[0]]}, the narrow one"
        if stripped.startswith("|") and ":" not in stripped:
            yield number, "a row without a colon is left out", "write |label:value with a narrow colon"
        asked = re.fullmatch(r"#(\w+)", stripped)
        if begins and asked and grids and asked[1] not in grids:
            yield number, f"there is no list called {asked[1]}", f"there are {', '.join(sorted(grids))}"
        before = line


def _rendered(renderer: Renderer, kinds: Mapping[str, Kind]) -> Iterator[Problem]:
    """What only shows when it is rendered: an empty subject, a text without end."""
    for language in LANGUAGES:
        problems = {kind: renderer.render(kind, language, each.sample[language]).problem for kind, each in kinds.items()}
        problems["digest"] = renderer.digest(language, _LINES, len(_LINES)).problem
        for problem in dict.fromkeys(filter(None, problems.values())):
            name, _, why = problem.removeprefix("template ").partition(": ")
            yield Problem(name, 0, why, "look at what the first line becomes with the sample facts")
