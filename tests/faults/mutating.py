"""Changes of one place in a function, and how they come into functions that are imported already."""

import ast
import gc
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper
from itertools import islice
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
OURS = ("escalation", "notifications", "workflows", "tests")
REACHED = "__reached__"

COMPARED = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
COUNTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult}
LEAVES = (ast.Raise, ast.Return, ast.Continue, ast.Break)
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


class Mutant(NamedTuple):
    """A change of one place: its module, its line, what is done, and the line of the statement that it is in."""

    module: str
    line: int
    #: Says the place without a line number, so that a reason that was given for it outlives changes elsewhere in the file.
    name: str
    statement: int
    number: int

    def tree(self) -> ast.Module:
        """The module with the change in it."""
        tree = ast.parse((ROOT / self.module).read_text(encoding="utf-8"))
        next(islice(_places(tree), self.number, None)).change()
        return ast.fix_missing_locations(tree)


class Place(NamedTuple):
    """A place that can be changed: the function and statement that it is in, what can be done, and what does it."""

    function: str
    statement: int
    line: int
    what: str
    change: Callable[[], None]


def mutants(module: str) -> list[Mutant]:
    """Every mutant of the functions of a module, in the order of its text; two of one name are told apart by a number."""
    source = (ROOT / module).read_text(encoding="utf-8")
    lines = source.splitlines()
    found: dict[str, Mutant] = {}
    for number, place in enumerate(_places(ast.parse(source))):
        said = f"{module} {place.function}: {place.what}: {lines[place.line - 1].strip()}"
        name, again = said, 1
        while name in found:
            again += 1
            name = f"{said} ({again})"
        found[name] = Mutant(module, place.line, name, place.statement, number)
    return list(found.values())


def _places(tree: ast.Module) -> Iterator[Place]:
    """Each place inside a function; the same places in the same order for the same text."""
    for name, function in _functions(tree, ""):
        for statement in function.body:
            yield from _inside(statement, name, statement.lineno)


def _functions(node: ast.AST, path: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        inner = path
        if isinstance(child, (*FUNCTION, ast.ClassDef)):
            inner = f"{path}.{child.name}".lstrip(".")
        if isinstance(child, FUNCTION):
            yield inner, child
        yield from _functions(child, inner)


def _inside(node: ast.AST, function: str, statement: int) -> Iterator[Place]:
    if isinstance(node, (*FUNCTION, ast.ClassDef)):
        return  # walked by itself
    if isinstance(node, ast.stmt):
        statement = node.lineno
    for line, what, change in _of(node):
        yield Place(function, statement, line, what, change)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _inside(child, function, statement)


def _of(node: ast.AST) -> Iterator[tuple[int, str, Callable[[], None]]]:
    def put(name: str, value: object) -> Callable[[], None]:
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


# Into what is imported already.


class Live:
    """The functions of our modules that are in memory now, whose code can be put out for other code."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        paths = {str(ROOT / module): module for module in modules}
        self._functions: dict[str, dict[tuple[str, int], list[FunctionType]]] = {module: {} for module in modules}
        self._caches: list[Any] = []
        for each in gc.get_objects():
            if isinstance(each, _lru_cache_wrapper) and str(getattr(each, "__module__", "")).partition(".")[0] in OURS:
                self._caches.append(each)
            if isinstance(each, FunctionType) and each.__code__.co_filename in paths:
                mine = self._functions[paths[each.__code__.co_filename]]
                mine.setdefault(_key(each.__code__), []).append(each)

    def put(self, module: str, tree: ast.Module) -> None:
        """From now on the module's functions are those of this tree. What was worked out while it was imported stays; what was cached goes."""
        code = compile(tree, str(ROOT / module), "exec")
        for each in _codes(code):
            for function in self._functions[module].get(_key(each), ()):
                if function.__code__ != each:
                    function.__code__ = each
        for cache in self._caches:
            cache.cache_clear()

    def trace(self, module: str, reached: Callable[[int], None]) -> None:
        """From now on every statement of the module's functions says its line when it is reached, from any thread."""
        tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
        for _, function in list(_functions(tree, "")):
            _saying(function)
        self.put(module, ast.fix_missing_locations(tree))
        for functions in self._functions[module].values():
            for function in functions:
                function.__globals__[REACHED] = reached


def _key(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


def _saying(node: ast.AST) -> None:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, FUNCTION):
            _saying(child)
    for name in ("body", "orelse", "finalbody"):
        statements = getattr(node, name, None)
        if isinstance(statements, list):
            setattr(node, name, [each for statement in statements for each in (_says(statement), statement)])


def _says(statement: ast.stmt) -> ast.stmt:
    call = ast.Call(ast.Name(REACHED, ast.Load()), [ast.Constant(statement.lineno)], [])
    return ast.copy_location(ast.Expr(call), statement)
