"""What the program says when it says no is there in Chinese, with the same things filled in."""

import ast
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from string import Formatter

import pytest

import escalation
import escalation.web
from escalation.errors import EscalationError, Unusable
from escalation.ledger.workbook import UnreadableFile
from escalation.web.rendering import environment
from escalation.web.sentences import CHINESE, in_chinese
from escalation.web.words import TABLES
from workflows.facts import Refusal
from workflows.sentence import Several, say

ROOT = Path(escalation.__file__).parents[1]
#: No page comes to these: the command line, the API's own, what administrators do at a terminal; and the Chinese itself.
NO_PAGE = ("escalation/cli/", "escalation/web/api/", "escalation/demo/", "escalation/inbound/", "escalation/backing.py",
           "escalation/templates.py", "escalation/views.py", "escalation/users/once.py", "escalation/client.py",
           "escalation/web/sentences.py")  # fmt: skip
#: What a program with a token is told.
FOR_PROGRAMS = {
    "a bearer token is needed",
    "send `Authorization: Bearer …`; `escalation user token` makes one",
    "this token is not good, or not any more",
    "`escalation user token` makes a new one",
    "send it to /api/v1/files first",
}


def _kinds(of: type[EscalationError]) -> set[str]:
    return {of.__name__}.union(*(_kinds(each) for each in of.__subclasses__()))


#: Every way to say no to somebody at a page; what is wrong with the installation is told to its administrator in English.
NOES = {"Refusal", "ProviderTrouble"} | _kinds(EscalationError) - _kinds(Unusable) - _kinds(UnreadableFile)


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted([*(ROOT / "workflows").glob("*.py"), *(ROOT / "escalation").rglob("*.py")]):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(NO_PAGE):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def _noes(tree: ast.Module) -> Iterator[ast.expr]:
    """The sentences with which something is refused."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NOES:
            for argument in node.args:
                yield from (argument.body, argument.orelse) if isinstance(argument, ast.IfExp) else (argument,)


def _said() -> dict[str, tuple[set[str], str]]:
    """Template -> what is filled in, and where it is said."""
    found: dict[str, tuple[set[str], str]] = {}
    for name, tree in _modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say" and node.args:
                template = node.args[0]
                if isinstance(template, ast.Constant):
                    told = found.setdefault(template.value, (set(), name))
                    told[0].update(each.arg for each in node.keywords if each.arg)
        for each in _noes(tree):
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and " " in each.value:
                found.setdefault(each.value, (set(), name))
    return found


SAID = _said()


@pytest.mark.parametrize("template", sorted(SAID.keys() - FOR_PROGRAMS))
def test_every_no_that_a_page_may_say_is_there_in_chinese(template: str) -> None:
    assert template in CHINESE, f"{SAID[template][1]}: {template}"


def test_no_sentence_is_put_together_where_nobody_could_say_it_in_chinese() -> None:
    """An f-string among the reasons of a page would stay English."""
    joined = [
        f"{name}:{each.lineno}: {ast.unparse(each)}"
        for name, tree in _modules()
        for each in _noes(tree)
        if isinstance(each, ast.JoinedStr)
    ]
    assert joined == []


def test_no_chinese_is_left_over() -> None:
    words = {
        node.value
        for _, tree in _modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in CHINESE
    }
    assert set(CHINESE) - words == set()


@pytest.mark.parametrize("template", sorted(CHINESE.keys() & SAID.keys()))
def test_chinese_fills_in_what_there_is_and_nothing_else(template: str) -> None:
    given = SAID[template][0]
    for _, field, spec, conversion in Formatter().parse(CHINESE[template]):
        assert field is None or field in given, template
        assert conversion is None
        assert not spec or spec == "span" or spec in TABLES, (template, spec)


@pytest.mark.parametrize(
    ("said", "chinese"),
    [
        (say("{action} is not possible while an issue is {status}", action="close", status="processing"), "问题处于“办理中”状态，不能销号"),
        (say("the new deadline lies after the old one and by {last} at the latest", last=date(2026, 12, 1)), "新时限须晚于原时限，最迟到2026年12月1日"),
        (say("an objection is made within {within} of the dispatch", within="3wd"), "异议须在交办后 3 个工作日内提出"),
        (say("allowed now: {actions}", actions=Several(("urge", "close"))), "现在可以办理：催办、销号"),
        (say("{place}: {error}", place="notice", error=say("line {number}: {text!r} is no date", number=3, text="x")), "notice：第 3 行：“x”不是日期"),
        ("look at it again", "请重新查看"),
        ("there is no user {login!r}", "没有用户“{login}”"),
        (say("{name} is a new sentence", name="x"), ""),
    ],
)  # fmt: skip
def test_what_is_filled_in_is_said_as_people_do(said: str, chinese: str) -> None:
    assert in_chinese(said) == chinese


def test_what_stands_in_it_does_not_become_markup() -> None:
    said = say("there is no party {text!r}", text="<b>{x}</b>")
    shown = environment("zh_CN").from_string("{{ said | said }}").render(said=said)
    assert shown == "没有单位“&lt;b&gt;{x}&lt;/b&gt;”"
    unknown = environment("zh_CN").from_string("{{ said | said }}").render(said="a <library> says")
    assert unknown == '<span lang="en">a &lt;library&gt; says</span>'
    english = environment("en").from_string("{{ said | said }}").render(said=said)
    assert english == "there is no party &#39;&lt;b&gt;{x}&lt;/b&gt;&#39;"


def test_a_sentence_is_text_as_ever() -> None:
    said = say("{a} of {b}", a=1, b=Several(("x", "y")))
    assert said == "1 of x, y"
    assert Refusal("code", said).message == "1 of x, y"
    assert (said.template, said.values) == ("{a} of {b}", {"a": 1, "b": ("x", "y")})
