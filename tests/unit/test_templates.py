"""An office's own templates: what the check finds, what may be copied, and what no template can do."""

from itertools import islice
from pathlib import Path

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from escalation import templates
from escalation.errors import UsageError
from escalation.summaries.rendering import SummaryRenderer
from notifications.checking import check
from notifications.kinds import LANGUAGES
from notifications.rendering import Renderer
from notifications.templating import faults

#: 10,000 million turns: stock Jinja2, sandboxed, allows each of the loops (its limit is 100,000 a range) and runs for hours.
ENDLESS = "x {% for a in range(99999) %}{% for b in range(99999) %}.{% endfor %}{% endfor %}"


#: Few, so that a check takes milliseconds.
SOME = {kind: each for kind, each in templates.kinds().items() if kind in ("closed", "summary_weekly")}


def found(folder: Path) -> list[tuple[str, int, str, str]]:
    return [tuple(each) for each in check(folder, SummaryRenderer(folder), SOME)]


def write(folder: Path, name: str, text: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_what_is_copied_out_is_sound_and_is_not_written_over(tmp_path):
    names = {name.split("/")[1].removesuffix(".j2") for name, _ in templates.listed(None)}
    written = [path for name in names for path in templates.copy(tmp_path, name, LANGUAGES)]
    assert len(written) == len(templates.listed(tmp_path)) == 2 * len(names)
    assert all(own for _, own in templates.listed(tmp_path))
    assert templates.check(tmp_path, SummaryRenderer(tmp_path)) == []
    write(tmp_path, "en/closed.j2", "Mine {{ number }}")
    assert templates.copy(tmp_path, "closed", LANGUAGES) == []
    assert (tmp_path / "en" / "closed.j2").read_text() == "Mine {{ number }}"


@pytest.mark.parametrize(("folder", "kind"), [(None, "closed"), (Path("own"), "clsed"), (Path("own"), "../closed")])
def test_only_a_template_that_there_is_can_be_copied(tmp_path, folder, kind):
    with pytest.raises(UsageError):
        templates.copy(folder and tmp_path / folder, kind, LANGUAGES)
    assert list(tmp_path.iterdir()) == []


WRONG = {
    "syntax": (
        "en/closed.j2",
        "Closed\n\n{% if %}",
        3,
        "Expected an expression, got 'end of statement block'",
        "{% endif %} closes",
    ),
    "a name in a branch not taken": (
        "en/closed.j2",
        "{{ number }}\n{% if card %}{{ nmber }}{% endif %}",
        2,
        "called nmber",
        "number?",
    ),
    "a name that only a summary has": ("en/closed.j2", "{{ made_at }}", 1, "no fact called made_at", "there are ack_due"),
    "a loop": ("en/closed.j2", f"Closed\n\n{ENDLESS}", 3, "a loop is not allowed", "nothing repeats"),
    "an escape": ("en/closed.j2", "{{ number.__class__ }}", 1, "a part of a fact", "plain texts"),
    "arithmetic": ("en/closed.j2", "{{ 'a' * 1000000000 }}", 1, "arithmetic is not allowed", "~"),
    "no subject": ("en/closed.j2", "  \n\nText", 0, "the subject, is empty", "first line"),
    "no subject of a digest": ("zh_CN/digest.j2", " ", 0, "the subject, is empty", "first line"),
    "a shared piece": ("en/next.j2", "{% include 'en/issue.j2' %}", 1, "including this", "include nothing"),
    "another encoding": ("zh_CN/closed.j2", "【销号】\n问题".encode("gb18030"), 1, "not in UTF-8", "UTF-8"),
    "a name that no mail asks for": ("zh_CN/closd.j2", "x", 0, "no mail asks for this file", "zh_CN/closed.j2?"),
    "saved by Notepad": ("zh_CN/closed.j2.txt", "x", 0, "no mail asks for this file", "zh_CN/closed.j2?"),
    "a wide mark": ("zh_CN/closed.j2", "销号\n\n！注意", 3, "begins with ！", "write !"),
    "a wide colon": ("zh_CN/closed.j2", "销号\n\n|项目：{{ project }}", 3, "without a colon", "narrow colon"),
    "a list that is none": ("zh_CN/summary_weekly.j2", "周报\n\n#lat", 3, "no list called lat", "late"),
    "no folder": ("", b"", 0, "there is no such folder", "mail.templates"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_with_file_line_and_mend(tmp_path, case):
    name, text, line, what, mend = WRONG[case]
    if name:
        write(tmp_path, name, text)
        file, at, said, better = found(tmp_path)[0]
        assert (file, at) == (name, line)
    else:
        ((_, _, said, better),) = found(tmp_path / "none")
    assert what in said
    assert mend in better


def test_what_would_run_for_hours_elsewhere_is_never_begun_here(tmp_path):
    stock = ImmutableSandboxedEnvironment().from_string(ENDLESS).generate()
    assert len(list(islice(stock, 150_000))) == 150_000, "it goes on and on: the range limit bounds each loop, not both"
    assert {fault.what for fault in faults("en/closed.j2", ENDLESS)} == {
        f"a {what} is not allowed in a template" for what in ("loop", "call")
    }
    write(tmp_path, "en/closed.j2", ENDLESS)
    facts = templates.kinds()["closed"].sample["en"]
    rendered = Renderer(tmp_path).render("closed", "en", facts)
    assert rendered.problem == "template en/closed.j2: line 1: a loop is not allowed in a template"
    assert rendered.text == Renderer().render("closed", "en", facts).text


def test_the_most_that_a_template_can_make_is_bounded(tmp_path):
    write(tmp_path, "en/closed.j2", "{{ " + "~".join(["title"] * 3_000) + " }}")
    rendered = Renderer(tmp_path).render("closed", "en", {"title": "长" * 10_000})
    assert rendered.problem == "template en/closed.j2: it grows beyond 200000 characters"
