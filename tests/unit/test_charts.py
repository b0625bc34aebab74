"""Bars add up, show whatever is not nothing, and reach a mail as plain tables; periods fall on working days."""

import re
from datetime import date, datetime, time
from email import message_from_bytes, policy
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from escalation.charts import Bar, drawn
from escalation.ledger.sheets import Sheet
from escalation.ledger.writing import as_bytes
from escalation.summaries.periods import KINDS, Period, Times, before, due, latest
from escalation.summaries.rendering import SummaryRenderer
from notifications.kinds import LANGUAGES, SUMMARY_FACTS, SUMMARY_KINDS
from notifications.message import Attachment, Message, to_bytes
from workflows.calendar import WorkCalendar

ZONE = ZoneInfo("Asia/Shanghai")
CALENDAR = WorkCalendar.published()
USUAL = Times()
RENDERER = SummaryRenderer()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


# Bars.

bars = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)).map(lambda each: Bar("x", max(each), min(each))))


@given(bars)
def test_widths_fill_the_line_and_nothing_that_is_there_is_lost(given_bars):
    for bar, shown in zip(given_bars, drawn(given_bars), strict=True):
        assert shown.late_width + shown.rest_width + shown.empty_width == 100
        assert min(shown.late_width, shown.rest_width, shown.empty_width) >= 0
        assert (shown.late_width > 0) == (bar.late > 0)
        assert (shown.rest_width > 0) == (bar.value > bar.late)
        assert bool(shown.text) == (bar.value > 0)


def test_the_longest_bar_is_the_whole_line_and_the_others_are_in_proportion():
    shown = drawn([Bar("city", 10), Bar("department", 5), Bar("province", 4, 4), Bar("county", 0)])
    assert [(bar.late_width, bar.rest_width, bar.empty_width) for bar in shown] == [
        (0, 100, 0),
        (0, 50, 50),
        (40, 0, 60),
        (0, 0, 100),
    ]
    assert [len(bar.text) for bar in shown] == [20, 10, 8, 0]


# When.


def test_on_the_day_of_the_sample_the_daily_and_the_weekly_are_due():
    assert due(CALENDAR, USUAL, at("2026-11-23 09:00")) == [
        Period("daily", "2026-11-23", at("2026-11-23 08:30"), date(2026, 11, 20), date(2026, 11, 23)),
        Period("weekly", "2026-W47", at("2026-11-23 09:00"), date(2026, 11, 16), date(2026, 11, 23)),
        Period("monthly", "2026-10", at("2026-11-02 09:00"), date(2026, 10, 1), date(2026, 11, 1)),
    ]


def test_a_microsecond_before_its_moment_a_summary_is_not_due():
    names = [period.name for period in due(CALENDAR, USUAL, at("2026-11-23 08:29:59.999999"))]
    assert names == ["2026-11-20", "2026-W46", "2026-10"]
    assert latest("weekly", CALENDAR, USUAL, at("2026-11-23 08:59:59")).name == "2026-W46"


@pytest.mark.parametrize(
    ("now", "name", "moment", "since", "until"),
    [
        # the week of the Spring Festival has no working day: the next summary tells of its time and of the week before
        ("2026-02-24 12:00", "2026-W08", "2026-02-24 09:00", date(2026, 2, 9), date(2026, 2, 23)),
        ("2026-02-20 12:00", "2026-W06", "2026-02-09 09:00", date(2026, 2, 2), date(2026, 2, 9)),
        # Monday is a day off: the first working day
        ("2026-04-06 12:00", "2026-W13", "2026-03-30 09:00", date(2026, 3, 23), date(2026, 3, 30)),
        ("2026-04-07 12:00", "2026-W14", "2026-04-07 09:00", date(2026, 3, 30), date(2026, 4, 6)),
    ],
)
def test_a_weekly_is_made_on_the_first_working_day(now, name, moment, since, until):
    assert latest("weekly", CALENDAR, USUAL, at(now)) == Period("weekly", name, at(moment), since, until)


def test_every_day_of_a_year_is_told_of_once_by_each_kind():
    for kind in KINDS:
        period, told = latest(kind, CALENDAR, USUAL, at("2026-12-31 23:00")), []
        while period.since.year == 2026:
            told.append((period.since, period.until))
            assert CALENDAR.is_working_day(period.moment.date())
            period = before(period, CALENDAR, USUAL)
        assert all(newer[0] == older[1] for newer, older in zip(told, told[1:], strict=False))


def test_after_an_outage_of_three_weeks_only_the_newest_of_each_kind_is_due():
    assert [period.name for period in due(CALENDAR, USUAL, at("2026-12-04 10:00"))] == ["2026-12-04", "2026-W48", "2026-11"]


def test_a_kind_without_a_time_is_never_made():
    assert [period.kind for period in due(CALENDAR, Times(daily=None), at("2026-11-23 09:00"))] == ["weekly", "monthly"]
    assert latest("daily", CALENDAR, Times(daily=time(7)), at("2026-11-23 07:00")).moment == at("2026-11-23 07:00")


# How it looks.

GRIDS = {
    "late": {
        "head": ["No.", "Issue"],
        "rows": [["WT26-0001", "<b>x</b>"], ["WT26-0002", "=1+1"]],
        "links": ["https://e.example/i"],
        "more": 3,
    },
    "stages": {"caption": "bars", "bars": [bar._asdict() for bar in drawn([Bar("city", 10, 3), Bar("<i>", 5)])]},
}
FACTS = dict.fromkeys(SUMMARY_FACTS, "2") | {
    "grids": GRIDS,
    "made_at": "",
    "link": "https://e.example/summaries",
    "title": "全省情况",
}
EACH = [(kind, language) for kind in SUMMARY_KINDS for language in LANGUAGES]


@pytest.mark.parametrize(("kind", "language"), EACH)
def test_what_a_summary_lists_is_text_and_its_links_are_its_own(kind, language):
    rendered = RENDERER.render(kind, language, FACTS)
    assert set(re.findall(r'href="([^"]*)"', rendered.html)) == {"https://e.example/summaries", "https://e.example/i"}
    assert rendered.html.count("<table") == rendered.html.count("</table>")
    assert rendered.html.count("<td") == rendered.html.count("</td>")
    assert "&lt;b&gt;" in rendered.html
    assert "<b>x" in rendered.text
    assert rendered.problem == ""
    assert "{{" not in rendered.html + rendered.text


@pytest.mark.parametrize(("kind", "language"), EACH)
def test_a_summary_reads_without_any_fact(kind, language):
    rendered = RENDERER.render(kind, language, {})
    assert rendered.subject.startswith("【" if language == "zh_CN" else "[")
    assert "#" not in rendered.text


@pytest.mark.parametrize("kind", SUMMARY_KINDS)
def test_chinese_punctuation_is_chinese(kind):
    rendered = RENDERER.render(kind, "zh_CN", FACTS | {"grids": {}, "made_at": "11月24日10:00"})
    assert not re.findall(r"[\u4e00-\u9fff][,;()?!]", rendered.subject + rendered.text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_chart_is_a_table_in_html_and_blocks_in_text(language):
    rendered = RENDERER.render("summary_weekly", language, FACTS)
    assert '<td width="30%" height="14" bgcolor="#c0392b"' in rendered.html
    assert '<td width="70%" height="14" bgcolor="#3f7fc1"' in rendered.html
    assert "city ████████████████████ 10 (3)" in rendered.text


def test_a_link_that_is_none_is_not_made_one():
    evil = GRIDS | {"late": GRIDS["late"] | {"links": ["javascript:alert(1)", "https://e.example/b"]}}
    html = RENDERER.render("summary_weekly", "en", FACTS | {"grids": evil}).html
    assert "javascript" not in html
    assert "https://e.example/b" in html


def test_a_broken_template_of_the_office_gives_way(tmp_path):
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "summary_weekly.j2").write_text("{{ nonsense }}", encoding="utf-8")
    rendered = SummaryRenderer(tmp_path).render("summary_weekly", "en", FACTS)
    assert rendered.problem.startswith("template en/summary_weekly.j2: ")
    assert rendered.html == RENDERER.render("summary_weekly", "en", FACTS).html


def test_a_digest_can_name_a_summary():
    assert RENDERER.subject("summary_weekly", "zh_CN", FACTS) == "【周报】全省情况（2，截至2）"
    assert RENDERER.subject("closed", "en", {"number": "WT26-0001"}).startswith("[")


# What goes with it.


def test_a_workbook_runs_nothing():
    evil = ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "\x00\x07x", "plain"]
    sheet = Sheet("a sheet", [*"abc"], [[text, 7, date(2026, 11, 23)] for text in evil])
    book = load_workbook(BytesIO(as_bytes([sheet], at("2026-11-23 09:00"))))
    cells = [row[0] for row in book["a sheet"].iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.value for cell in cells[:5]] == evil[:5]
    assert book["a sheet"]["B2"].value == 7
    assert book["a sheet"]["C2"].value == datetime(2026, 11, 23)


def test_a_message_carries_its_attachments_and_is_the_same_without():
    data = bytes(range(256)) * 300
    files = (Attachment("周报 2026-W47.xlsx", "application/vnd.ms-excel", data), Attachment('a"\r\nB: c/d', "x\r\ny", b""))
    bare = Message("a@example.com", "", "b@example.com", "s", "text", "<p>html</p>", "<1@x>", "<1@x>", at("2026-11-23 09:00"))
    mail = message_from_bytes(to_bytes(bare._replace(attachments=files)), policy=policy.default)
    assert not mail.defects
    assert mail.get_content_type() == "multipart/mixed"
    assert mail.get_body(("plain",)).get_content().strip() == "text"
    assert mail.get_body(("html",)).get_content().strip() == "<p>html</p>"
    found = list(mail.iter_attachments())
    assert [each.get_filename() for each in found] == ["周报 2026-W47.xlsx", "a' B: c_d"]
    assert [each.get_content_type() for each in found] == ["application/vnd.ms-excel", "application/octet-stream"]
    assert found[0].get_payload(decode=True) == data
    assert "B" not in mail
    assert max(map(len, to_bytes(bare._replace(attachments=files)).split(b"\r\n"))) < 998
    assert message_from_bytes(to_bytes(bare), policy=policy.default).get_content_type() == "multipart/alternative"
