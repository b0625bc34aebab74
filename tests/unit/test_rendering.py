"""What every kind of mail says and does not say; and what a broken or hostile template of the office may do: nothing."""

import re
import unicodedata
from pathlib import Path

import pytest

from escalation.summaries.rendering import SummaryRenderer
from notifications.rendering import FACTS, KINDS, LANGUAGES, BadTemplate, Line, Renderer, parsed, plainly
from notifications.samples import SAME, SAMPLE

BUILT_IN = Renderer()

REASON = {"zh_CN": "接入点未明确", "en": "Connection point not settled"}
FULL = {
    "severity": "urgent",
    "request_kind": "extension",
    "decision": "approved",
    "overdue_days": "1",
    "letter_number": "18",
    "card": "yellow",
}


def facts(language: str = "zh_CN", **changes: str) -> dict[str, str]:
    """Every fact that there is."""
    return {**SAMPLE[language], **SAME, **FULL, "reason": REASON[language], **changes}


EACH = [(kind, language) for language in LANGUAGES for kind in KINDS]
#: All but the mails about the installation speak of an issue.
ABOUT_AN_ISSUE = [each for each in EACH if each[0] not in ("calendar_missing", "template_broken")]


def test_the_sample_knows_every_fact():
    assert set(facts()) == set(facts("en")) == set(FACTS)


@pytest.mark.parametrize(("kind", "language"), ABOUT_AN_ISSUE)
def test_number_and_title_stand_in_the_subject(kind, language):
    rendered = BUILT_IN.render(kind, language, facts(language))
    assert "WT26-0007" in rendered.subject
    assert facts(language)["title"] in rendered.subject
    assert rendered.subject.startswith("【" if language == "zh_CN" else "[")


@pytest.mark.parametrize(("kind", "language"), ABOUT_AN_ISSUE)
def test_both_parts_say_the_same(kind, language):
    rendered = BUILT_IN.render(kind, language, facts(language))
    shown = re.sub(r"<(title|style).*?</\1>|<[^>]+>", " ", rendered.html, flags=re.DOTALL)
    for name, value in facts(language).items():
        if name in ("link", "recipient_name") or (value in rendered.text and len(value) > 3):
            where = rendered.html if name == "link" else shown
            assert (value in where) == (value in rendered.text), name


@pytest.mark.parametrize(("kind", "language"), EACH)
def test_nothing_is_fetched_from_elsewhere(kind, language):
    html = BUILT_IN.render(kind, language, facts(language)).html
    assert not re.search(r"(?i)<(img|script|link|iframe|object|video)|@import|url\(|src=", html)
    assert set(re.findall(r'(?:href|action)="([^"]*)"', html)) == {SAME["link"]}


@pytest.mark.parametrize(("kind", "language"), ABOUT_AN_ISSUE)
@pytest.mark.parametrize("role", ["responsible", "former", "coordinator", "superior", "reporter", "liaison", "administrator"])
def test_no_fact_is_needed(kind, language, role):
    rendered = BUILT_IN.render(kind, language, dict.fromkeys(FACTS, "") | {"recipient_role": role, "number": "WT26-0001"})
    assert "WT26-0001" in rendered.subject
    assert "{{" not in rendered.text
    assert not re.search(r"(?m)^[^\n]{1,6}[:：]$", rendered.text.split("\n\n", 1)[1].split("--")[0])


@pytest.mark.parametrize(("kind", "language"), EACH)
def test_the_footer_keeps_secrets_out(kind, language):
    text = BUILT_IN.render(kind, language, facts(language)).text
    assert ("非涉密" if language == "zh_CN" else "Nothing classified") in text
    assert facts(language)["cc"] in text


@pytest.mark.parametrize("kind", KINDS)
def test_chinese_punctuation_is_chinese(kind):
    rendered = BUILT_IN.render(kind, "zh_CN", facts())
    wrong = re.findall(r"[\u4e00-\u9fff][,;()?!]", rendered.subject + rendered.text)
    assert not wrong


def test_the_old_party_is_told_that_it_stays():
    assert "提级不卸责" in BUILT_IN.render("escalated_from", "zh_CN", facts()).text
    assert "stays on as a cooperating organ" in BUILT_IN.render("escalated_from", "en", facts("en")).text


def test_at_the_last_stage_it_says_what_comes_instead():
    text = BUILT_IN.render("escalation_notice", "zh_CN", facts(next_stage="", next_responsible="")).text
    assert "督办函" in text
    assert "自动提级至" not in text


def test_a_provisional_deadline_says_so():
    assert "（暂定）" in BUILT_IN.render("dispatch_notice", "zh_CN", facts(provisional="1")).text


def test_a_code_without_a_word_is_shown_or_called_something():
    assert "frozen" in BUILT_IN.render("receipt", "zh_CN", facts(status="frozen")).text
    assert "【事项批复】" in BUILT_IN.render("request_decided", "zh_CN", facts(request_kind="x")).subject


def test_an_unknown_language_reads_chinese():
    assert BUILT_IN.render("closed", "fr", facts()) == BUILT_IN.render("closed", "zh_CN", facts())


def test_there_is_no_other_kind():
    with pytest.raises(BadTemplate, match="no kind of mail called summons"):
        BUILT_IN.render("summons", "zh_CN", facts())


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "{{ 7*7 }}", "{% for x in y %}", "&amp;"]
)
def test_a_fact_is_text(evil):
    rendered = BUILT_IN.render("closed", "zh_CN", facts(title=evil, description=evil, reason=evil))
    assert evil in rendered.subject
    assert evil in rendered.text
    assert "<script" not in rendered.html
    assert "<img" not in rendered.html


def test_a_fact_is_never_a_paragraph_nor_unseen():
    evil = "a\n\n!b\n|c: d\x00\u202e\u200be"
    rendered = BUILT_IN.render("closed", "zh_CN", facts(title=evil, description=evil, reason=evil))
    assert rendered.subject.count("a !b |c: d e") == 1
    for part in (rendered.subject, rendered.text, rendered.html):
        assert not {c for c in part if unicodedata.category(c) in ("Cc", "Cf")} - {"\n"}


@pytest.mark.parametrize("mark", ["!", "|", "#", "| a: b"])
def test_a_fact_that_begins_with_a_mark_is_still_a_fact(mark):
    given = facts(project=f"{mark}x", title=f"{mark}x")
    rendered = BUILT_IN.render("intake_notice", "zh_CN", given)
    assert f"\n\n{mark}x上报以下问题。" in rendered.text
    assert f"WT26-0007 {mark}x（" in rendered.subject
    assert f"项目：{mark}x\n" in rendered.text


def test_a_title_without_end_ends_in_the_subject():
    rendered = BUILT_IN.render("closed", "zh_CN", facts(title="长" * 10_000))
    assert len(rendered.subject) == 300
    assert rendered.subject.endswith("…")
    assert "长" * 10_000 in rendered.text


def test_a_link_is_shown_as_it_is():
    html = BUILT_IN.render("closed", "en", facts("en")).html
    assert f'<a href="{SAME["link"]}"' in html


def test_a_template_in_short():
    blocks = parsed("one\ntwo\n\n|a: 1\n|b:\n\n!look\n\n|only: \n\n   \n")
    assert [block.kind for block in blocks] == ["text", "table", "notice"]
    assert blocks[0].text == "one\ntwo"
    assert blocks[1].rows == (("a", "1", ""),)
    assert blocks[2].text == "look"


# The office's own templates.


def own(folder: Path, text: str, name: str = "closed") -> Renderer:
    (folder / "en").mkdir(exist_ok=True)
    (folder / "en" / f"{name}.j2").write_text(text, encoding="utf-8")
    return Renderer(folder)


def test_an_office_has_its_own_words(tmp_path):
    renderer = own(
        tmp_path, "Done: {{ number }}\n\n{% if reason %}Because {{ reason|upper }}.{% endif %}\n\n{% include 'en/issue.j2' %}"
    )
    rendered = renderer.render("closed", "en", facts("en"))
    assert rendered.subject == "Done: WT26-0007"
    assert "Because CONNECTION POINT NOT SETTLED." in rendered.text
    assert "Lead organ: Power company" in rendered.text
    assert rendered.problem == ""
    assert renderer.render("rework", "en", facts("en")) == BUILT_IN.render("rework", "en", facts("en"))


BROKEN = {
    "syntax": "{% if %}",
    "a name that is none": "Closed {{ nmber }}",
    "no subject": "   \n\ntext",
    "endless": "x {% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "huge by *": "{{ 'a' * 1000000000 }}",
    "huge by **": "{{ 9 ** 999999999 }}",
    "huge by %": "{{ '%01000000000d' % 1 }}",
    "huge by a filter": "{{ 'a'|center(1000000000) }}",
    "huge by format": "{{ '%01000000000d'|format(1) }}",
    "huge by a method": "{{ 'a'.ljust(1000000000) }}",
    "doubling": "{% set a = number %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "escape": "{{ number.__class__.__mro__ }}",
    "escape by a subscript": "{{ number['__class__'] }}",
    "escape by attr": "{{ number|attr('__class__') }}",
    "macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "another file": "{% include '../../secret.txt' %}",
    "itself": "x {% include 'en/closed.j2' %}",
    "deep": "{{ " + "(" * 5000 + "number" + ")" * 5000 + " }}",
    "long": "x" * 20_001,
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_or_hostile_gives_way_to_the_built_in_text(tmp_path, what):
    (tmp_path / "secret.txt").write_text("secret")
    renderer = own(tmp_path, BROKEN[what])
    for _ in range(2):
        rendered = renderer.render("closed", "en", facts("en"))
        usual = BUILT_IN.render("closed", "en", facts("en"))
        assert (rendered.subject, rendered.text, rendered.html) == (usual.subject, usual.text, usual.html)
        assert rendered.problem.startswith("template en/closed.j2: ")
    assert renderer.render("closed", "zh_CN", facts()).problem == ""


def test_a_shared_piece_cannot_build_a_tower(tmp_path):
    own(tmp_path, "{% include 'en/next.j2' %}", "issue")
    rendered = own(tmp_path, "{% include 'en/issue.j2' %}", "next").render("closed", "en", facts("en"))
    assert rendered.problem == "template en/issue.j2: line 1: including this is not allowed in a template"


def test_without_any_template_the_facts_still_go_out():
    rendered = plainly("summons", "zh_CN", {"number": "WT26-0007", "title": "<b>x</b>", "due": ""}, "why")
    assert rendered.subject == "【通知】 WT26-0007 <b>x</b>"
    assert "number: WT26-0007" in rendered.text
    assert "&lt;b&gt;" in rendered.html
    assert rendered.problem == "why"


@pytest.mark.parametrize(
    ("language", "asks", "says"), [("zh_CN", "请勿回复", "记为办理进展"), ("en", "do not reply", "recorded as progress")]
)
def test_who_may_answer_by_reply_is_told_so_and_nobody_else(language, asks, says):
    reading = Renderer(replies=True)
    mine = reading.render("dispatch_notice", language, facts(language))
    others = reading.render("dispatch_notice", language, facts(language, recipient_role="coordinator"))
    for body in (mine.text, mine.html):
        assert says in body
        assert asks not in body
    assert asks in others.text
    assert asks in BUILT_IN.render("dispatch_notice", language, facts(language)).text


def test_a_line_of_a_digest_leads_to_its_issue_and_says_the_deadline_once():
    lines = [
        Line("WT26-0001", "【改派】冷库", "https://e.example/issues/WT26-0001", "11月26日17:00"),
        Line("WT26-0002", "【到期提醒】冷库（11月26日17:00到期）", "javascript:alert(1)", "11月26日17:00"),
    ]
    digest = BUILT_IN.digest("zh_CN", lines, 2)
    assert 'href="https://e.example/issues/WT26-0001"' in digest.html
    assert "WT26-0001：【改派】冷库，时限11月26日17:00\n  https://e.example/issues/WT26-0001\n" in digest.text
    assert digest.text.count("11月26日17:00") == 2
    assert "javascript" not in digest.html + digest.text


def test_an_offices_own_daily_cannot_leave_out_what_is_told_nowhere_else(tmp_path):
    (tmp_path / "zh_CN").mkdir()
    (tmp_path / "zh_CN" / "summary_daily.j2").write_text("日报 {{ day }}\n\n请办理。\n", encoding="utf-8")
    grid = {"head": ["编号"], "rows": [["WT26-0001"]], "links": [], "more": 0}
    rendered = SummaryRenderer(tmp_path).render(
        "summary_daily", "zh_CN", {"grids": {"reminders": grid, "late": grid | {"rows": [["X"]]}}}
    )
    assert not rendered.problem
    assert "WT26-0001" in rendered.text
    assert "X" not in rendered.text
