"""Mutation testing: every guard is taken out or turned round in turn, and some test must notice.

`python -m tests.faults.mutants` does all of `MODULES`; `--sample N` takes N of each module by a fixed seed; `--only escalation/sweep.py`
does one. What was found is kept in `--results FILE`, so that a run that was broken off goes on where it was; `--again` tries its survivors
once more, `--report` writes MUTANTS.md from it, with the reasons of survivors.json.

First every test runs once, while each statement of the modules says when it is reached, from whatever thread. Then each mutant
is put into a forked child of this process, which has imported everything already, and the child runs the tests that reach the
statement, the quickest first, up to the first that fails. What takes many times the CPU time that its test took, or waits
two minutes for something else than its turn, hangs, and is dead. What lives may have lived because it was at work before it came in (a table that is made while
a module is imported): `--fresh` tries survivors in a process that imports the changed text.
"""

import argparse
import ast
import gc
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.mutating import ROOT, Live, Mutant, mutants

STORE = (
    "escalation/applying.py",
    "escalation/sweep.py",
    "notifications/outbox.py",
    "notifications/claiming.py",
    "escalation/commands.py",
    "escalation/database.py",
)
RULES = tuple(sorted(f"workflows/{path.name}" for path in (ROOT / "workflows").glob("*.py") if path.name != "__init__.py"))
MODULES = (*STORE, *RULES)
TESTS = (
    "tests/unit", "tests/store", "tests/story", "tests/faults/test_clocks.py", "tests/faults/test_two_nodes.py",
    "tests/faults/test_outage.py", "tests/faults/test_databases.py",
)  # fmt: skip
#: Tests of those that take minutes, or whose work is done by other processes, into which no mutant comes.
SLOW = (
    "test_rendering",
    "year_of_clocks",
    "whole_worker",
    "every_due_issue_is_moved_once",
    "two_programs",
    "three_weeks",
    "restarted",
    "cut",
)
#: Tests tried on one mutant: the quickest that reach it, and no more than take so long (seconds of CPU time), on each database.
BUDGET = 3.0
#: The tests that are about a module are tried before all others that reach it.
HOME = {
    "escalation/applying.py": ("store/test_applying",),
    "escalation/sweep.py": ("store/test_sweep.py",),
    "notifications/outbox.py": ("store/test_outbox",),
    "notifications/claiming.py": ("store/test_outbox", "store/test_two_dispatchers"),
    "escalation/commands.py": ("store/test_commands",),
    "escalation/database.py": ("store/test_store", "store/test_database"),
    **{f"workflows/{name}.py": ("unit/test_decisions",) for name in ("moves", "endings", "requests", "decision", "rules")},
}
#: A test hangs when it takes so many times its CPU time, and so many seconds; or when it does nothing for so long.
TIMES, GRACE, IDLE = 10, 5.0, 120
#: So much memory one child may take (bytes).
MEMORY = 4 << 30
SEED = 20261124
HANGS = " (hangs)"
#: The exit code of a child into which its mutant does not go.
UNFIT = 77
OPTIONS = ["-o", "addopts=", "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:xdist"]
HERE = Path(__file__).parent


def cpu() -> float:
    """CPU seconds of this process and the children that it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


class Tests:
    """All tests, collected once, and what they reach."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        #: test -> {"took": CPU seconds, "reached": {module: lines of statements}}; one that failed has no "took"
        self.known: dict[str, dict[str, Any]] = json.loads(cache.read_text()) if cache.exists() else {}
        self.failed = False
        self.items: dict[str, pytest.Item] = {}
        #: Those that pass in a child without any mutant.
        self.proven: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    def run(self, name: str, following: str | None) -> bool:
        """Does it pass? What is set up for a whole session stays; if nothing is said to follow, nothing else does."""
        self.failed = False
        item = self.items[name]
        # a module that stays set up lets only its own tests be set up next, and a child may begin with any
        between = SimpleNamespace(listchain=lambda: [item.session])
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=self.items[following] if following else between)
        return not self.failed

    def look(self, live: Live) -> None:
        """Runs every test that is not known yet, and takes down what it reaches."""
        todo = [name for name in self.items if name not in self.known]
        if not todo:
            return
        reached: dict[str, set[int]] = {module: set() for module in MODULES}
        for module in MODULES:
            live.trace(module, reached[module].add)
        for number, name in enumerate(todo):
            for lines in reached.values():
                lines.clear()
            began = cpu()
            passed = self.run(name, todo[number + 1] if number + 1 < len(todo) else None)
            self.known[name] = {"reached": {module: sorted(lines) for module, lines in reached.items() if lines}}
            if passed:
                self.known[name]["took"] = round(cpu() - began, 4)
            else:
                say(f"fails without any mutant, and is left out: {name}")
            if number % 50 == 49:
                say(f"{number + 1} of {len(todo)} tests looked at")
                self.cache.write_text(json.dumps(self.known))
        self.cache.write_text(json.dumps(self.known))

    def reaching(self, mutant: Mutant, killers: list[str], budget: float) -> list[str]:
        """The tests for a mutant in the order in which they are tried; those that killed its neighbours come first."""
        found = [
            name
            for name in self.items
            if mutant.statement in self.known[name]["reached"].get(mutant.module, ()) and "took" in self.known[name]
        ]
        found.sort(key=lambda name: (not any(home in name for home in HOME.get(mutant.module, ())), self.took(name)))
        first = [name for name in killers if name in found]
        chosen = list(first)
        for here in (False, True):
            spent = 0.0
            for name in found:
                if ("postgresql" in name) == here and name not in first and (not spent or spent + self.took(name) <= budget):
                    spent += self.took(name)
                    chosen.append(name)
        return chosen

    def took(self, name: str) -> float:
        found: float = self.known[name]["took"]
        return found


class Trying:
    """The plugin that takes the place of pytest's own loop over the tests."""

    def __init__(self, work: Callable[[Tests, Live], None], tests: Tests, without: list[str]) -> None:
        self.work, self.tests, self.without = work, tests, without

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.tests.items = {item.nodeid: item for item in session.items if not any(word in item.nodeid for word in self.without)}
        live = Live(MODULES)
        self.tests.look(live)
        self.work(self.tests, live)
        return True


def say(words: str) -> None:
    """Past pytest, which holds what its tests print."""
    os.write(SAYING, f"{words}\n".encode())


#: Standard error as it was before pytest took it.
SAYING = os.dup(2)


def died(mutant: Mutant | None, tests: Tests, live: Live, chosen: list[str]) -> str:
    """The test that killed the mutant; empty when it lives. Without a mutant: the test that fails all the same."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            if mutant is not None:
                live.put(mutant.module, mutant.tree())
        except ValueError:  # it closes over other names, which no function that is there can be given
            os._exit(UNFIT)
        for number, name in enumerate(chosen):
            os.write(writing, f"{number}\n".encode())
            signal.setitimer(signal.ITIMER_PROF, GRACE + TIMES * tests.took(name))
            try:
                passed = tests.run(name, chosen[number + 1] if number + 1 < len(chosen) else None)
            except BaseException:
                passed = False
            if not passed:
                os._exit(1)
        os._exit(0)
    os.close(writing)
    at = _watched(child, reading)
    os.close(reading)
    _end(child)
    _, status = os.waitpid(child, 0)
    if status == 0:
        return ""
    if mutant is not None and os.waitstatus_to_exitcode(status) == UNFIT:
        return killed_anew(mutant, tests, chosen)
    return chosen[at] + (HANGS if os.WIFSIGNALED(status) else "")


def killed(mutant: Mutant, tests: Tests, live: Live, chosen: list[str], server: Any) -> str:
    """As `died`; a test that fails in a child without any mutant too is left out of `chosen`, and from then on."""
    while chosen:
        apart(server)
        killer = died(mutant, tests, live, chosen)
        name = killer.removesuffix(HANGS)
        if not killer or name in tests.proven or name not in tests.known:
            return killer
        apart(server)
        if not died(None, tests, live, [name]):
            tests.proven.add(name)
            return killer
        say(f"fails in a child without any mutant, and is left out: {name}")
        tests.known[name].pop("took", None)
        chosen.remove(name)
    return ""


def _watched(child: int, reading: int) -> int:
    """Until the child has ended or does nothing any more: the number of the test that it was at."""
    said, spent, since = b"", -1, time.monotonic()
    while True:
        ready, _, _ = select.select([reading], [], [], 2)
        if ready:
            more = os.read(reading, 4096)
            if not more:
                break
            said += more
        used, waits = _used(child)
        if used != spent or not waits:
            spent, since = used, time.monotonic()
        elif time.monotonic() - since > IDLE:
            break
    numbers = said.split()
    return int(numbers[-1]) if numbers else 0


def _used(child: int) -> tuple[int, bool]:
    """The CPU time of a process, in the kernel's ticks, and whether it waits for something else than its turn."""
    words = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return int(words[11]) + int(words[12]), words[0] == "S"


def _end(child: int) -> None:
    """The child and all that it started. One that has ended by itself is a zombie still, and is not touched by it."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return


def ready(tests: Tests, live: Live) -> Any:
    """What all children share is made before they are: a store's file with the schema, and the PostgreSQL server, which is answered.

    Twice a child without any mutant must pass: where tests fail by themselves everything is killed.
    """
    shared = []
    for word in ("[sqlite]", "[postgresql]"):
        mine = [name for name in tests.items if word in name and "took" in tests.known[name] and "tests/store" in name]
        shared += sorted(mine, key=tests.took)[:3]
    for name in shared:
        tests.run(name, None)
    server = next((each for each in gc.get_objects() if type(each).__name__ == "Postgres"), argparse.Namespace(made=0, left=[]))
    for _ in range(2):
        apart(server)
        if failed := died(None, tests, live, shared):
            sys.exit(f"this test fails in a child without any mutant: {failed}")
    return server


def apart(server: Any) -> None:
    """The next child shares no database with those before it: one that was killed has left its own as it was just then."""
    server.made += 1_000
    server.left.clear()


def fresh(mutant: Mutant | None, tests: list[str], seconds: float) -> str:
    """As `died`, in a process that has imported nothing of ours yet, in a copy of the tree; which of the tests is not known."""
    folder = Path(tempfile.mkdtemp(prefix="mutant-"))
    shutil.copytree(ROOT, folder / "t", ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".hypothesis", "*.db"))
    if mutant is not None:
        (folder / "t" / mutant.module).write_text(ast.unparse(mutant.tree()), encoding="utf-8")
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.chdir(folder / "t")
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (int(60 + TIMES * seconds),) * 2)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        words = ["-B", "-m", "pytest", *OPTIONS, "-x", *tests]
        os.execve(sys.executable, [sys.executable, *words], os.environ | {"PYTHONPATH": str(folder / "t")})
    _, status = os.waitpid(child, 0)
    shutil.rmtree(folder, ignore_errors=True)
    return "" if status == 0 else "a fresh process"


def killed_anew(mutant: Mutant, tests: Tests, chosen: list[str]) -> str:
    """As `fresh`; stops everything if those tests fail without the mutant too."""
    seconds = sum(map(tests.took, chosen))
    killer = fresh(mutant, chosen, seconds)
    if killer and fresh(None, chosen, seconds):
        sys.exit(f"of the tests of {mutant.name} some fail in a fresh process without it too")
    return killer


class Results:
    """What became of each mutant: the test that killed it, empty for a survivor; kept in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}

    def put(self, name: str, killer: str) -> None:
        self.known[name] = killer
        self.file.write_text(json.dumps(self.known, indent=0, ensure_ascii=False))


def sampled(module: str, sample: int) -> list[Mutant]:
    """A module's mutants, or so many of them, always the same."""
    found = mutants(module)
    return sorted(random.Random(SEED).sample(found, sample), key=lambda each: each.line) if 0 < sample < len(found) else found


def work(wanted: argparse.Namespace, results: Results) -> Callable[[Tests, Live], None]:
    """Tries what is not known yet."""

    def tries(tests: Tests, live: Live) -> None:
        server = ready(tests, live)
        gc.freeze()  # what children share is not looked through, and so not copied, by each of them
        for module in wanted.only:
            killers: list[str] = []
            todo = sampled(module, wanted.sample)
            for each in todo:
                known = results.known.get(each.name)
                if known or (known == "" and not wanted.again):
                    continue
                chosen = tests.reaching(each, killers, wanted.budget)
                if wanted.fresh:
                    killer = killed_anew(each, tests, chosen) if chosen else ""
                else:
                    killer = killed(each, tests, live, chosen, server) if chosen else ""
                results.put(each.name, killer)
                if killer in chosen:
                    killers = [killer, *[name for name in killers if name != killer]][:3]
                if not killer:
                    say(f"survived {len(chosen)} tests: line {each.line}: {each.name}")
            ends = [results.known[each.name] for each in todo]
            say(f"{module}: {len(ends) - ends.count('')} of {len(ends)} killed")

    return tries


def as_markdown(wanted: argparse.Namespace, results: Results, why: dict[str, str]) -> str:
    """The page MUTANTS.md."""
    sample = f" --sample {wanted.sample}" if wanted.sample else ""
    lines = [
        "# What mutation testing found",
        "",
        f"Generated by `uv run python -m tests.faults.mutants{sample} --report`. A mutant changes one place of a function (a guard is taken out, a comparison",
        "or a choice turned round, a number is one more, a call left out, an answer withheld); it is killed when a test that reaches the place fails",
        "or hangs, and survives when all of them pass. Reasons are kept in `survivors.json`.",
        "",
        "| module | mutants | tried | killed | rate |",
        "|---|---:|---:|---:|---:|",
    ]
    alive: list[str] = []
    total: list[tuple[int, list[str]]] = []
    by_hand = sum("by hand" in killer for killer in results.known.values())
    if by_hand:
        lines[6:6] = [
            f"{by_hand} were tried one by one, by the test that is about them: the run gives each mutant so many seconds and no more.",
            "",
        ]
    for title, group in (("the store", STORE), ("the rules", RULES)):
        rows = []
        for module in group:
            found = mutants(module)
            tried = [each for each in found if each.name in results.known]
            rows.append((len(found), [results.known[each.name] for each in tried]))
            lines += _row(module, *rows[-1])
            alive += [each.name for each in tried if not results.known[each.name]]
        lines += _row(f"**{title}**", sum(row[0] for row in rows), [end for row in rows for end in row[1]])
        total += rows
    lines += _row("**all**", sum(row[0] for row in total), [end for row in total for end in row[1]])
    lines += ["", f"## The {len(alive)} that survive", "", "| mutant | why |", "|---|---|"]
    lines += [f"| `{name.replace('|', chr(92) + '|')}` | {why.get(name, 'not looked at')} |" for name in alive]
    return "\n".join(lines) + "\n"


def _row(name: str, count: int, ends: list[str]) -> list[str]:
    killed = len(ends) - ends.count("")
    return [f"| {name} | {count} | {len(ends)} | {killed} | {killed / len(ends):.1%} |"] if ends else []


def main() -> None:
    """Tries what is not known yet; writes the page when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(MODULES), metavar="MODULE")
    parser.add_argument("--sample", type=int, default=0, help="so many of each module; 0: all")
    parser.add_argument("--results", type=Path, default=Path("mutants.json"))
    parser.add_argument("--again", action="store_true", help="try those that survived once more")
    parser.add_argument("--fresh", action="store_true", help="each in a process of its own that imports the changed text")
    parser.add_argument("--report", action="store_true", help="write MUTANTS.md from what is known, and try nothing")
    parser.add_argument("--budget", type=float, default=BUDGET, help="CPU seconds of tests for one mutant, on each database")
    parser.add_argument("--tests", nargs="*", default=list(TESTS), metavar="TEST")
    parser.add_argument(
        "--without", nargs="*", default=list(SLOW), metavar="WORD", help="tests that have it in their names are left out"
    )
    wanted = parser.parse_args()
    results = Results(wanted.results)
    if wanted.report:
        reasons = json.loads((HERE / "survivors.json").read_text(encoding="utf-8"))
        (HERE / "MUTANTS.md").write_text(as_markdown(wanted, results, reasons), encoding="utf-8")
        return
    tests = Tests(wanted.results.with_suffix(".reached.json"))
    trying = Trying(work(wanted, results), tests, wanted.without)
    sys.exit(pytest.main([*OPTIONS, *wanted.tests], plugins=[trying, tests]))


if __name__ == "__main__":
    main()
