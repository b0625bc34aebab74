"""Workbooks that offices pass on: plain sheets, every text a text whatever it begins with, dates as dates."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from io import BytesIO
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from escalation.ledger.report import LONGEST_TITLE, _text
from escalation.ledger.sheets import Sheet, Value

HEAD_FONT, HEAD_FILL = Font(bold=True), PatternFill("solid", start_color="DCE6F1")
WRAPPED = Alignment(wrap_text=True, vertical="top")
#: Characters from which a column is as wide as it gets, and wraps.
WIDEST = 44
#: Rows by which a column's width is judged.
LOOKED_AT = 200


def as_bytes(sheets: Iterable[Sheet], at: datetime) -> bytes:
    """The workbook as it is attached to a mail. `at`: as of when its figures are, in its properties too."""
    kept = BytesIO()
    _book(sheets, at).save(kept)
    return kept.getvalue()


def write(path: Path, sheets: Sequence[Sheet], at: datetime) -> dict[str, int]:
    """Writes the workbook; how many rows each sheet has. A file that is there stays whole until the new one is."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(as_bytes(sheets, at))
    part.replace(path)
    return {sheet.title: len(sheet.rows) for sheet in sheets}


def _book(sheets: Iterable[Sheet], at: datetime) -> Workbook:
    book = Workbook(write_only=True)
    book.properties.created = book.properties.modified = at.replace(tzinfo=None)
    book.properties.creator = "escalation"
    for sheet in sheets:
        _write(book, sheet)
    return book


def _write(book: Workbook, sheet: Sheet) -> None:
    target = book.create_sheet(sheet.title[:LONGEST_TITLE])
    target.freeze_panes = "A2"
    for place in range(len(sheet.headers)):
        target.column_dimensions[get_column_letter(place + 1)].width = _width(sheet, place)
    target.append([_head(target, header) for header in sheet.headers])
    for row in sheet.rows:
        target.append([_cell(target, value) for value in row])
    if sheet.rows:
        target.auto_filter.ref = f"A1:{get_column_letter(len(sheet.headers))}{len(sheet.rows) + 1}"


def _head(target: object, header: str) -> WriteOnlyCell:
    cell = _text(target, header)
    cell.font, cell.fill, cell.alignment = HEAD_FONT, HEAD_FILL, WRAPPED
    return cell


def _cell(target: object, value: Value) -> object:
    if isinstance(value, str):
        cell = _text(target, value)
        cell.alignment = WRAPPED
        return cell
    if isinstance(value, datetime):
        # a workbook has no zones: what it shows is the time of the office that wrote it
        cell = WriteOnlyCell(target, value.replace(tzinfo=None))
        cell.number_format = "yyyy-mm-dd hh:mm"
        return cell
    if isinstance(value, date):
        cell = WriteOnlyCell(target, value)
        cell.number_format = "yyyy-mm-dd"
        return cell
    return value


def _width(sheet: Sheet, place: int) -> int:
    shown = [sheet.headers[place], *(_shown(row[place]) for row in sheet.rows[:LOOKED_AT])]
    return min(WIDEST, max(map(_wide, shown)) + 3)


def _shown(value: Value) -> str:
    return value.strftime("%Y-%m-%d %H:%M") if isinstance(value, datetime) else "" if value is None else str(value)


def _wide(text: str) -> int:
    """Chinese characters are twice as wide as Latin ones."""
    return sum(1 if each < "\u1100" else 2 for each in text)
