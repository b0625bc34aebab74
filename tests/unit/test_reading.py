"""Sheets of any office's making become the same lines; hostile files are refused, and every bad cell is named."""

import csv
import zipfile
from datetime import date, datetime
from importlib.resources import as_file, files
from io import StringIO
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from escalation.ledger import reading, workbook
from escalation.ledger.columns import ISSUE, KINDS, PARTY, by_header, form
from escalation.ledger.lines import BadCell, IssueLine, PartyLine, ProjectLine, Sheet, UnreadableFile
from escalation.ledger.reading import read
from escalation.ledger.report import write_report

ISSUE_ROW = {
    "问题编号": "WT26-0901",
    "项目编号": "HLJ26-001",
    "问题标题": "冷库双回路供电方案未确定",
    "类别编码": "power",
    "严重程度": "重要",
    "牵头单位": "哈尔滨市工信局",
    "上报日期": "2026-11-09",
    "交办日期": "2026-11-09",
    "当前层级": "市级",
    "当前状态": "办理中",
    "办结时限": "2026-11-23",
}
PARTY_HEADER = ["party_code", "name", "level", "organ", "role"]


def table(*rows: dict[str, str], delimiter: str = ",") -> str:
    """Rows as the text of a CSV file."""
    out = StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.fixture
def put(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Writes a file and gives its path: text as UTF-8, bytes as they are."""

    def written(content: str | bytes, name: str = "sheet.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def book(path: Path, rows: list[list[object]], title: str = "问题清单", epoch: datetime | None = None) -> Path:
    made = Workbook()
    if epoch is not None:
        made.epoch = epoch
    sheet = made.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    made.save(path)
    return path


def issue(path: Path) -> IssueLine:
    """The only line of a file's only sheet, which has no bad cell."""
    (sheet,) = read(path)
    assert sheet.bad == ()
    (line,) = sheet.lines
    assert isinstance(line, IssueLine)
    return line


def named(sheet: Sheet) -> list[tuple[int, str, str]]:
    return [(bad.row, bad.column, bad.why) for bad in sheet.bad]


# Columns.


def test_no_header_means_two_columns_of_a_kind() -> None:
    for kind in KINDS:
        spelled = [form(header) for column in kind.columns for header in (column.name, *column.headers)]
        assert len(spelled) == len(set(spelled)), kind.name
        assert set(by_header(kind.name)) == set(spelled)


@pytest.mark.parametrize(("name", "count"), [("parties", 206), ("authority", 17), ("projects", 12), ("issues", 30)])
def test_the_sample_is_read_without_a_flaw(name: str, count: int) -> None:
    with as_file(files("escalation") / "sample" / f"{name}.csv") as path:
        (sheet,) = read(path)
    assert (len(sheet.lines), len(sheet.rows), sheet.bad) == (count, count, ())


def test_chinese_headers_and_words_mean_the_same_as_identifiers(put) -> None:  # type: ignore[no-untyped-def]
    chinese = issue(put(table(ISSUE_ROW)))
    names = [by_header("issue")[form(header)].name for header in ISSUE_ROW]
    cells = dict(zip(names, ISSUE_ROW.values(), strict=True))
    cells |= {"severity": "MAJOR", "current_level": "City", "state": "processing"}
    english = issue(put(table(cells), "other.csv"))
    assert english == chinese
    assert english.digest == chinese.digest
    assert (english.severity, english.current_level, english.state) == ("major", "city", "processing")


def test_columns_in_any_order_and_both_languages_mixed(put) -> None:  # type: ignore[no-untyped-def]
    row = {("severity" if header == "严重程度" else header): cell for header, cell in reversed(ISSUE_ROW.items())}
    assert issue(put(table(row))) == issue(put(table(ISSUE_ROW), "other.csv"))


def test_headers_are_forgiving_about_width_case_and_spaces(put) -> None:  # type: ignore[no-untyped-def]
    row = {f" {header} ": cell for header, cell in ISSUE_ROW.items()}
    row["Due_At"] = ""
    row["承办人（职务）"] = "某处长"
    assert issue(put(table(row))).handler_role == "某处长"


def test_an_unknown_column_is_named_with_what_was_meant(put) -> None:  # type: ignore[no-untyped-def]
    (sheet,) = read(put(table(ISSUE_ROW | {"due_onn": "", "心情": "好"})))
    assert named(sheet) == [
        (1, "due_onn", "is no column of an issue sheet; did you mean due_on (办结时限)?"),
        (1, "心情", "is no column of an issue sheet; rename or delete it"),
    ]


def test_missing_and_doubled_columns_are_named(put) -> None:  # type: ignore[no-untyped-def]
    row = {header: cell for header, cell in ISSUE_ROW.items() if header not in ("严重程度", "办结时限")}
    (sheet,) = read(put(table(row | {"编号": "x"})))
    assert [(bad.row, bad.column) for bad in sheet.bad] == [(1, "编号"), (1, "severity"), (1, "due_on")]
    assert "due_on (办结时限) or due_at (办结截止时间) is missing; add it" in sheet.bad[2].why
    assert sheet.lines == ()


def test_a_sheet_without_its_key_column_is_still_told(put) -> None:  # type: ignore[no-untyped-def]
    (sheet,) = read(put("项目名称,所在市(地),项目单位\n甲,哈尔滨,乙\n"))
    assert (sheet.kind, [bad.column for bad in sheet.bad]) == ("project", ["project_code"])


# Encodings and delimiters.


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters_of_offices(put, encoding: str, delimiter: str) -> None:  # type: ignore[no-untyped-def]
    bom = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    content = bom + table(ISSUE_ROW, delimiter=delimiter).encode(encoding)
    assert issue(put(content)) == issue(put(table(ISSUE_ROW), "plain.csv"))


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(put, ends: str) -> None:  # type: ignore[no-untyped-def]
    assert issue(put(table(ISSUE_ROW).replace("\n", ends))).issue_code == "WT26-0901"


def test_two_encodings_in_one_file_are_refused_rather_than_read_as_garbage(put) -> None:  # type: ignore[no-untyped-def]
    lines = table(ISSUE_ROW, ISSUE_ROW).split("\n")
    content = b"\n".join([lines[0].encode(), lines[1].encode(), lines[2].encode("gb18030")])
    with pytest.raises(UnreadableFile, match=r"neither UTF-8|mixes two encodings"):
        read(put(content))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00\x00" + "编号".encode("utf-32-le"), "UTF-32"),
        ("问题编号,a".encode("utf-16-le"), "NUL bytes"),
        (b"issue_code,\x00title\n", "NUL bytes"),
        (b"\xef\xbb\xbfissue_code,\xff\n", "neither UTF-8 nor GB18030"),
        (b"a,b,c\n1,2,3\n", "no header of ours"),
        (b"\n\n\n", "no header of ours"),
        (b"%PDF-1.7 whatever", "no header of ours"),
        (b'party_code,name,level,organ,role\nP1,"never closed\nP2,x', "a quote or a cell is broken after row 1"),
        (b'party_code,name,level,organ,role\nP1,"a"b,c\n', "a quote or a cell is broken after row 1"),
        (b"party_code,name,level,organ,role\nP1," + b"x" * 200_000, "a quote or a cell is broken after row 1"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "encrypted or an old .xls"),
        (b"PK\x03\x04 and then nothing", "not a readable workbook"),
    ],
)
def test_what_cannot_be_read_at_all_says_so_in_a_sentence(put, content: bytes, why: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnreadableFile, match=why) as raised:
        read(put(content))
    assert raised.value.hint


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="cannot be opened"):
        read(tmp_path / "none.csv")


def test_text_that_calls_itself_a_workbook_is_refused(put) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnreadableFile, match="whatever its name says"):
        read(put("issue_code\n", "ledger.xlsx"))


# Cells.


@pytest.mark.parametrize(
    "text", ["2026-11-09", "2026/11/9", "2026.11.9", "2026年11月9日", "２０２６-１１-０９", " 2026-11-09 ", "2026 年 11 月 9 日"]
)
def test_dates_as_offices_write_them(put, text: str) -> None:  # type: ignore[no-untyped-def]
    assert issue(put(table(ISSUE_ROW | {"交办日期": text}))).dispatched_on == date(2026, 11, 9)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T12:15", datetime(2026, 11, 23, 12, 15)),
        ("2026-11-23 12:15:30", datetime(2026, 11, 23, 12, 15, 30)),
        ("2026-11-23T12:15:00+08:00", datetime.fromisoformat("2026-11-23T12:15:00+08:00")),
        ("2026-11-23T04:15:00Z", datetime.fromisoformat("2026-11-23T04:15:00+00:00")),
    ],
)
def test_timestamps_keep_their_zone_or_have_none(put, text: str, moment: datetime) -> None:  # type: ignore[no-untyped-def]
    line = issue(put(table({key: cell for key, cell in ISSUE_ROW.items() if key != "办结时限"} | {"due_at": text})))
    assert (line.due_at, line.due_on) == (moment, None)
    assert line.due_at is not None
    assert line.due_at.tzinfo == moment.tzinfo


def test_text_is_made_regular(put) -> None:  # type: ignore[no-untyped-def]
    row = ISSUE_ROW | {"问题编号": "ＷＴ２６－０９０１", "项目编号": "HLJ26-001\u00a0"}
    row["问题标题"] = "  cafe\u0301\u200b \u202eabc\ufeff "
    line = issue(put(table(row)))
    assert (line.issue_code, line.title, line.project_code) == ("WT26-0901", "café abc", "HLJ26-001")


def test_texts_that_look_like_code_stay_texts(put) -> None:  # type: ignore[no-untyped-def]
    hostile = '=HYPERLINK("http://x") {{7*7}} <script>alert(1)</script> \'; DROP TABLE issue;-- 🙂'
    assert issue(put(table(ISSUE_ROW | {"问题标题": hostile}))).title == hostile


def test_the_digest_is_of_what_a_row_says(put) -> None:  # type: ignore[no-untyped-def]
    plain = issue(put(table(ISSUE_ROW)))
    again = issue(put(table(ISSUE_ROW | {"交办日期": "2026/11/9", "as_of": "2026-11-24", "灯": "red", "备注": ""}), "b.csv"))
    other = issue(put(table(ISSUE_ROW | {"问题标题": "另一件"}), "c.csv"))
    assert plain.digest == again.digest != other.digest
    assert plain.life == other.life


TWENTY = (
    ("问题编号", "", "is empty"),
    ("问题编号", "WT 26", "is no code"),
    ("项目编号", "x" * 65, "is 65 characters long"),
    ("问题标题", "标" * 501, "is 501 characters long"),
    ("问题标题", "a\x07b", "control character U+0007"),
    ("严重程度", "十万火急", "write one of: general (一般), major (重要), urgent (紧急)"),
    ("复杂度", "复杂", "write one of: simple (简单)"),
    ("问题性质", "不明", "write one of: individual (个性)"),
    ("当前状态", "在路上", "write one of: pending_intake (待受理)"),
    ("密级", "机密", "write one of: non_classified (非涉密)"),
    ("交办日期", "昨天", "is no date; write it as 2026-11-09"),
    ("交办日期", "2026-02-30", "is a day that no calendar has"),
    ("交办日期", "0026-11-09", "is not between 1990-01-01"),
    ("交办日期", "46335", "is no date"),
    ("办结时限", "2026-11-23 12:00", "is no date"),
    ("办结截止时间", "2026-11-23", "has no time of day"),
    ("办结截止时间", "中午", "is no date with a time"),
    ("时限(工作日)", "十", "is no number"),
    ("时限(工作日)", "2.5", "is no number of working days"),
    ("时限(工作日)", "0", "is no number of working days"),
    ("办结时限", "#REF!", "is the spreadsheet error #REF!"),
    ("严重程度", "", "is empty; every row needs its severity"),
)


def test_every_kind_of_bad_cell_is_named_with_row_column_and_reason(put) -> None:  # type: ignore[no-untyped-def]
    """One bad cell a row, all found in one go; the good rows between them are read."""
    empty = dict.fromkeys(("复杂度", "问题性质", "密级", "办结截止时间", "时限(工作日)"), "")
    rows = []
    for number, (column, value, _) in enumerate(TWENTY):
        rows.append(ISSUE_ROW | empty | {"问题编号": f"BAD-{number}"} | {column: value})
        rows.append(ISSUE_ROW | empty | {"问题编号": f"GOOD-{number}"})
    (sheet,) = read(put(table(*rows)))

    expected = [(2 + 2 * number, column) for number, (column, _, _) in enumerate(TWENTY)]
    assert [(bad.row, bad.column) for bad in sheet.bad] == expected
    for bad, (_, _, why) in zip(sheet.bad, TWENTY, strict=True):
        assert why in bad.why, bad
    assert len(sheet.lines) == len(TWENTY)
    assert all(bad.value.isprintable() and len(bad.value) <= 80 and bad.sheet == "sheet.csv" for bad in sheet.bad)


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [("本年完成", "-1", "is below zero"), ("本年完成", "nan", "is no number"), ("项目单位邮箱", "a@b@c", "is no mail address")],
)
def test_bad_cells_of_the_ledger(put, column: str, value: str, why: str) -> None:  # type: ignore[no-untyped-def]
    row = {"项目编号": "P-1", "项目名称": "甲", "所在市(地)": "哈尔滨市", "项目单位": "乙", column: value}
    (sheet,) = read(put(table(row)))
    assert [(bad.row, bad.column, bad.value) for bad in sheet.bad] == [(2, column, value)]
    assert why in sheet.bad[0].why


def test_money_and_cities(put) -> None:  # type: ignore[no-untyped-def]
    row = {"项目编号": "P-1", "项目名称": "甲", "所在市(地)": "大兴安岭地区", "项目单位": "乙"}
    row["总投资(万元)"] = "１８６，０００ 万元"
    (sheet,) = read(put(table(row)))
    (line,) = sheet.lines
    assert isinstance(line, ProjectLine)
    assert (line.lead_city, line.total_investment_wan) == ("大兴安岭", 186000)


def test_the_same_code_twice_names_the_first_row(put) -> None:  # type: ignore[no-untyped-def]
    (sheet,) = read(put(table(ISSUE_ROW, ISSUE_ROW | {"问题编号": "wt26-０９０１"})))
    assert named(sheet) == [(3, "问题编号", "is in row 2 already; delete one of the two rows")]


def test_rows_are_counted_as_the_spreadsheet_counts_them(put) -> None:  # type: ignore[no-untyped-def]
    """Blank rows count, and a line break inside a quoted cell does not."""
    text = table(ISSUE_ROW | {"问题标题": "两\n行"}) + "\n,,,\n" + table(ISSUE_ROW | {"问题编号": "x y"}).split("\n")[1] + "\n"
    (sheet,) = read(put(text))
    assert [(bad.row, bad.value) for bad in sheet.bad] == [(5, "x y")]
    assert [line.row for line in sheet.lines] == [2]


def test_cells_beyond_the_header_are_named_and_short_rows_are_empty_at_the_end(put) -> None:  # type: ignore[no-untyped-def]
    (sheet,) = read(put("party_code,name,level,organ,role\nP1,甲,city,乙,responsible_party,多,\nP2,丙,city\n"))
    assert [(bad.row, bad.column) for bad in sheet.bad] == [(2, "F"), (3, "organ"), (3, "role")]


def test_the_listing_of_bad_cells_is_capped_and_says_so(put) -> None:  # type: ignore[no-untyped-def]
    lines = "".join(f"P{number},,,,\n" for number in range(2_600))
    (sheet,) = read(put(",".join(PARTY_HEADER) + "\n" + lines))
    assert len(sheet.bad) == reading.MOST_BAD_CELLS + 1
    assert sheet.bad[-1].why == "400 more bad cells are not listed; mend these first"


# Workbooks.


def test_a_workbook_reads_as_its_csv_does(put, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    cells: list[object] = list(ISSUE_ROW.values())
    cells[6], cells[7], cells[10] = date(2026, 11, 9), datetime(2026, 11, 9), "2026/11/23"
    path = book(tmp_path / "a.xlsx", [list(ISSUE_ROW), cells])
    assert issue(path) == issue(put(table(ISSUE_ROW)))
    assert read(path)[0].name == "问题清单"


def test_dates_of_workbooks_that_count_from_1904(tmp_path: Path) -> None:
    cells: list[object] = list(ISSUE_ROW.values())
    cells[7] = date(2026, 11, 9)
    assert issue(book(tmp_path / "a.xlsx", [list(ISSUE_ROW), cells], epoch=CALENDAR_MAC_1904)).dispatched_on == date(2026, 11, 9)


def test_several_sheets_of_known_kinds_and_a_cover(tmp_path: Path) -> None:
    made = Workbook()
    made.active.append(["填表说明"])
    parties = made.create_sheet("主体")
    parties.append(["主体编号", "名称", "层级", "单位", "角色"])
    parties.append(["P1", "甲局", "市级", "甲局", "责任单位"])
    issues = made.create_sheet("清单")
    issues.append(list(ISSUE_ROW))
    issues.append(list(ISSUE_ROW.values()))
    made.save(tmp_path / "a.xlsx")
    sheets = read(tmp_path / "a.xlsx")
    assert [(sheet.name, sheet.kind, len(sheet.lines), sheet.bad) for sheet in sheets] == [
        ("主体", "party", 1, ()),
        ("清单", "issue", 1, ()),
    ]
    (line,) = sheets[0].lines
    assert isinstance(line, PartyLine)
    assert (line.level, line.role) == ("city", "responsible_party")


def test_numbers_texts_and_times_of_spreadsheets(tmp_path: Path) -> None:
    header = [*ISSUE_ROW, "limit_working_days", "due_at", "progress_note"]
    cells: list[object] = [*ISSUE_ROW.values(), 10.0, datetime(2026, 11, 23, 12, 15), 12.5]
    line = issue(book(tmp_path / "a.xlsx", [header, cells]))
    assert (line.limit_working_days, line.due_at, line.progress_note) == (10, datetime(2026, 11, 23, 12, 15), "12.5")


def test_a_time_of_day_in_a_date_column_points_at_the_other_column(tmp_path: Path) -> None:
    cells: list[object] = list(ISSUE_ROW.values())
    cells[10] = datetime(2026, 11, 23, 12, 15)
    (sheet,) = read(book(tmp_path / "a.xlsx", [list(ISSUE_ROW), cells]))
    assert named(sheet) == [(2, "办结时限", "has a time of day; leave only the date, or use the column due_at")]


def test_formulas_give_their_value_and_never_run(tmp_path: Path) -> None:
    """One that was never worked out has none: it is named, not read as empty."""
    cells: list[object] = list(ISSUE_ROW.values())
    cells[2], cells[10] = '=HYPERLINK("http://x","y")', "=DATE(2026,11,23)"
    (sheet,) = read(book(tmp_path / "a.xlsx", [list(ISSUE_ROW), cells]))
    assert [(bad.row, bad.column, bad.value) for bad in sheet.bad] == [(2, "问题标题", "(formula)"), (2, "办结时限", "(formula)")]
    assert "open the file in Excel and save it" in sheet.bad[0].why

    worked_out = _edited(
        tmp_path / "a.xlsx",
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace(b'"http://x","y")</f><v />', b'"http://x","y")</f><v>6</v>').replace(
            b"11,23)</f><v />", b"11,23)</f><v>2</v>"
        ),
    )
    (sheet,) = read(worked_out)
    assert [(bad.column, bad.value) for bad in sheet.bad] == [("办结时限", "2")]


def _edited(path: Path, part: str, edit, name: str = "edited.xlsx") -> Path:  # type: ignore[no-untyped-def]
    """A copy of a workbook with one part changed."""
    target = path.with_name(name)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            content = old.read(item.filename)
            new.writestr(item.filename, edit(content) if item.filename == part else content)
    return target


def good(tmp_path: Path) -> Path:
    return book(tmp_path / "good.xlsx", [list(ISSUE_ROW), list(ISSUE_ROW.values())])


def shared(tmp_path: Path) -> Path:
    """The good workbook with one text kept in a table beside the sheet, as Excel does."""
    path = _edited(
        good(tmp_path),
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace('t="inlineStr"><is><t>冷库双回路供电方案未确定</t></is>'.encode(), b't="s"><v>0</v>'),
    )
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    declared = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + kind + b'"/></Types>'
    path = _edited(path, "[Content_Types].xml", lambda xml: xml.replace(b"</Types>", declared), "shared.xlsx")
    texts = '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>共享文本</t></si></sst>'
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", texts)
    return path


def test_texts_kept_beside_the_sheet_are_read(tmp_path: Path) -> None:
    assert issue(shared(tmp_path)).title == "共享文本"


@pytest.mark.parametrize("cell", ["XFD1048576", "A1048576", "XFD2"])
def test_a_far_cell_is_refused_before_anything_is_built_for_it(tmp_path: Path, cell: str) -> None:
    made = load_workbook(good(tmp_path))
    made.active[cell] = "far"
    made.save(tmp_path / "far.xlsx")
    with pytest.raises(UnreadableFile, match="too big: sheet 问题清单"):
        read(tmp_path / "far.xlsx")


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"])
def test_billions_of_laughs_and_outside_entities_are_refused(tmp_path: Path, part: str) -> None:
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha">' + b"".join(
        f'<!ENTITY a{number} "{f"&a{number - 1 or str()};" * 10}">'.encode() for number in range(1, 10)
    )
    for declared in (laughs + b"]>", b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'):
        path = _edited(shared(tmp_path), part, lambda xml, declared=declared: _declare(xml, declared))
        with pytest.raises(UnreadableFile, match="not a readable workbook"):
            read(path)


def _declare(xml: bytes, declared: bytes) -> bytes:
    head, _, rest = xml.partition(b"?>") if xml.startswith(b"<?xml") else (b"", b"", xml)
    return (head + b"?>" if head else b"") + declared + rest


def test_a_zip_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    path = _edited(shared(tmp_path), "xl/sharedStrings.xml", lambda xml: xml + b" " * (30 << 20))
    assert path.stat().st_size < 100_000
    with pytest.raises(UnreadableFile, match="times its size"):
        read(path)


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = good(tmp_path)
    monkeypatch.setattr(workbook, "MOST_UNZIPPED", 1 << 10)
    with pytest.raises(UnreadableFile, match="unpacked it has"):
        read(path)


def test_a_hundred_thousand_parts_are_refused(tmp_path: Path) -> None:
    path = good(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(workbook.MOST_PARTS + 1):
            archive.writestr(f"x/{number}", b"")
    with pytest.raises(UnreadableFile, match="parts, at most"):
        read(path)


def test_macros_other_zips_and_damage_are_refused(tmp_path: Path) -> None:
    path = good(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macro")
    with pytest.raises(UnreadableFile, match="with macros"):
        read(path)
    with zipfile.ZipFile(tmp_path / "other.xlsx", "w") as archive:
        archive.writestr("nested.zip", b"PK\x03\x04")
    with pytest.raises(UnreadableFile, match="no Excel workbook"):
        read(tmp_path / "other.xlsx")
    for damage in (lambda xml: xml.replace(b"</row>", b"</raw>"), lambda xml: xml[:-200]):
        with pytest.raises(UnreadableFile, match="not a readable workbook"):
            read(_edited(good(tmp_path), "xl/worksheets/sheet1.xml", damage))
    half = tmp_path / "half.xlsx"
    half.write_bytes(good(tmp_path).read_bytes()[:2000])
    with pytest.raises(UnreadableFile, match="not a readable workbook"):
        read(half)


def test_a_file_over_the_cap_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(UnreadableFile, match="1,024 MB, at most 64 MB"):
        read(path)


def test_too_many_rows_are_refused(put, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(workbook, "MOST_ROWS", 5)
    with pytest.raises(UnreadableFile, match="more than 5 rows"):
        read(put(",".join(PARTY_HEADER) + "\n" + "a,b,c,d,e\n" * 10))


def test_merged_headers_leave_columns_without_a_name(tmp_path: Path) -> None:
    made = load_workbook(good(tmp_path))
    made.active.merge_cells("C1:D1")
    made.save(tmp_path / "merged.xlsx")
    (sheet,) = read(tmp_path / "merged.xlsx")
    assert (2, "D") in [(bad.row, bad.column) for bad in sheet.bad]
    assert "category_code" in [bad.column for bad in sheet.bad]


# The report.


def test_the_report_marks_bad_cells_and_runs_nothing(put, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    rows = [ISSUE_ROW | {"问题标题": text, "问题编号": f"W-{number}"} for number, text in enumerate(["=1+1", "+1", "-1", "@x"])]
    rows[2]["严重程度"] = "=cmd|' /C calc'!A0"
    sheets = read(put(table(*rows)))
    write_report(tmp_path / "report.xlsx", sheets, sheets[0].bad)

    made = load_workbook(tmp_path / "report.xlsx")
    assert made.sheetnames == ["summary", "sheet.csv"]
    assert [cell.data_type for row in made["sheet.csv"] for cell in row if cell.data_type == "f"] == []
    assert [made["sheet.csv"].cell(row, 3).value for row in range(2, 6)] == ["=1+1", "+1", "-1", "@x"]
    marked = made["sheet.csv"].cell(4, 5)
    assert marked.fill.start_color.rgb == "00FFC7CE"
    assert "write one of" in marked.comment.text
    assert "严重程度 is not one of" in made["sheet.csv"].cell(4, 12).value
    assert [cell.value for cell in made["summary"][2]][:4] == ["sheet.csv", "sheet.csv", 4, "严重程度"]
    assert "=cmd" in made["summary"].cell(2, 5).value


def test_the_report_keeps_the_rows_of_every_sheet_at_their_numbers(tmp_path: Path) -> None:
    told = ("P1", "a\x00b", "/[]:*?" * 9)
    sheet = Sheet("a.csv", "x:y" * 20, PARTY.name, ("party_code", "name"), ("party_code", "name"), ((2, told), (7, told)), (), ())
    bad = [BadCell(sheet.name, 7, "C", "v", "why", "a.csv"), BadCell(sheet.name, 1, "", "", "whole", "a.csv")]
    write_report(tmp_path / "report.xlsx", [sheet, sheet], bad)
    made = load_workbook(tmp_path / "report.xlsx")
    assert len({name.casefold() for name in made.sheetnames}) == 3
    copied = made.worksheets[1]
    assert [row for row in range(1, 9) if copied.cell(row, 1).value] == [1, 2, 7]
    assert copied.cell(7, 3).fill.start_color.rgb == "00FFC7CE"
    assert "whole" in copied.cell(1, 4).value


def test_every_column_of_an_issue_line_has_a_column(put) -> None:  # type: ignore[no-untyped-def]
    """And the other way round: what is neither read nor passed over would be lost without a word."""
    fields = set(IssueLine.__dataclass_fields__) - {"row", "digest", "life"}
    assert fields == {column.name for column in ISSUE.columns if not column.passed_over}
