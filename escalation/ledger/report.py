"""The report of an import: the rows as they were, bad cells red with the reason beside them, ready to be mended."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter

from escalation.ledger.lines import BadCell, Sheet

RED = PatternFill("solid", start_color="FFC7CE")
BOLD = Font(bold=True)
WHY = "why / 原因"
#: Excel takes no longer names for sheets.
LONGEST_TITLE = 31
#: Excel opens a file with very many comments slowly; the column `why` says it for every row.
MOST_COMMENTS = 2_000
LONGEST_TEXT = 32_767


def write_report(path: Path, sheets: Sequence[Sheet], bad_cells: Iterable[BadCell]) -> None:
    """Writes the workbook: a summary of all bad cells first, then every sheet. Nothing in it is run as a formula."""
    bad = list(bad_cells)
    book = Workbook(write_only=True)
    titles = _titles(sheets)
    _summary(book, sheets, titles, bad)
    comments = 0
    for sheet, title in zip(sheets, titles, strict=True):
        mine = [each for each in bad if (each.sheet, each.file) == (sheet.name, sheet.file)]
        comments = _copy(book, sheet, title, mine, comments)
    book.save(path)


def _titles(sheets: Sequence[Sheet]) -> list[str]:
    """A title for each sheet that Excel takes, no two alike."""
    used = {"summary"}
    titles = []
    for sheet in sheets:
        name = "".join("_" if each in "[]:*?/\\'" else each for each in sheet.name)[:LONGEST_TITLE] or sheet.kind
        title, number = name, 1
        while title.casefold() in used:
            number += 1
            title = f"{name[: LONGEST_TITLE - len(str(number)) - 1]}_{number}"
        used.add(title.casefold())
        titles.append(title)
    return titles


def _text(target: object, value: str) -> WriteOnlyCell:
    """A cell that is text whatever it begins with: `=`, `+`, `-`, `@` and `#` too."""
    cell = WriteOnlyCell(target)
    cell._value = _storable(value)
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell


def _storable(value: str) -> str:
    """XML has no control characters."""
    kept = "".join(each if each in "\n\t" or (each >= " " and each not in "\ufffe\uffff") else "\ufffd" for each in value)
    return kept.encode("utf-8", "replace").decode()[:LONGEST_TEXT]


def _summary(book: Workbook, sheets: Sequence[Sheet], titles: list[str], bad: list[BadCell]) -> None:
    target = book.create_sheet("summary")
    target.freeze_panes = "A2"
    for letter, width in zip("ABCDEF", (20, 20, 8, 24, 30, 80), strict=True):
        target.column_dimensions[letter].width = width
    target.append([_bold(target, header) for header in ("file", "sheet", "row", "column", "value", WHY)])
    for each in bad:
        told = (each.file, each.sheet, each.column, each.value, each.why)
        texts = [_text(target, text) for text in told]
        target.append([*texts[:2], each.row, *texts[2:]])
    target.append([])
    target.append([_bold(target, header) for header in ("file", "sheet", "rows", "kind", "as sheet", "bad cells")])
    for sheet, title in zip(sheets, titles, strict=True):
        count = sum((each.sheet, each.file) == (sheet.name, sheet.file) for each in bad)
        names = [_text(target, text) for text in (sheet.file, sheet.name, sheet.kind, title)]
        target.append([*names[:2], len(sheet.rows), *names[2:], count])


def _bold(target: object, value: str) -> WriteOnlyCell:
    cell = _text(target, value)
    cell.font = BOLD
    return cell


def _copy(book: Workbook, sheet: Sheet, title: str, bad: list[BadCell], comments: int) -> int:
    """One sheet with its own row numbers; answers how many comments there are by now."""
    target = book.create_sheet(title)
    target.freeze_panes = "A2"
    by_row: dict[int, list[BadCell]] = {}
    for each in bad:
        by_row.setdefault(each.row, []).append(each)
    width = max([len(sheet.headers), *(len(cells) for _, cells in sheet.rows)], default=0)
    target.column_dimensions[get_column_letter(width + 1)].width = 80
    written = 0
    for number, cells in [(1, sheet.headers), *sheet.rows]:
        for _ in range(number - written - 1):
            target.append([])
        wrong = by_row.get(number, [])
        row = [_text(target, text) for text in cells]
        row += [_text(target, "") for _ in range(width - len(row))]
        for each in wrong:
            comments = _mark(row, _place(sheet, each), each, comments)
        reasons = "; ".join(f"{each.column} {each.why}".strip() for each in wrong)
        row.append(_bold(target, "; ".join(filter(None, (WHY, reasons)))) if number == 1 else _text(target, reasons))
        target.append(row)
        written = number
    return comments


def _place(sheet: Sheet, bad: BadCell) -> int | None:
    if bad.column in sheet.headers:
        return sheet.headers.index(bad.column)
    return next((at for at in range(200) if get_column_letter(at + 1) == bad.column), None)


def _mark(row: list[WriteOnlyCell], place: int | None, bad: BadCell, comments: int) -> int:
    if place is None or place >= len(row):
        return comments
    row[place].fill = RED
    if comments >= MOST_COMMENTS or row[place].comment is not None:
        return comments
    row[place].comment = Comment(_storable(bad.why), "escalation")
    return comments + 1
