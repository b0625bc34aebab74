"""Rows out of a workbook, with caps in front of every way in which a small file can become a big one."""

import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

from escalation.ledger.lines import UnreadableFile
from escalation.ledger.values import Uncalculated

#: A workbook of some sheets has a few dozen parts; one with a picture in every row is not a ledger.
MOST_PARTS = 2_000
#: 100,000 issues of 35 columns are 150 MB of XML.
MOST_UNZIPPED = 300 << 20
#: Parts that openpyxl holds in memory whole (texts, styles) cost five times their size there.
MOST_IN_MEMORY = 40 << 20
#: XML of a real sheet shrinks to a tenth, of a very regular one to a fiftieth.
HIGHEST_RATIO = 200
#: Small parts may shrink as they like.
SMALL = 1 << 20
#: The widest of our sheets has 45 columns.
MOST_COLUMNS = 200
#: Ten times the largest ledger we know of; each row is held in memory until the file is done.
MOST_ROWS = 100_000
MOST_SHEETS = 50

OLE = b"\xd0\xcf\x11\xe0"
ZIP = b"PK\x03\x04"

Row = list[Any]


def check(path: Path) -> None:
    """Raises UnreadableFile for a file that is no workbook, or one that would not fit."""
    try:
        with ZipFile(path) as archive:
            parts = archive.infolist()
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _broken(path, error) from error
    names = {part.filename for part in parts}
    if "[Content_Types].xml" not in names or "xl/workbook.xml" not in names:
        raise UnreadableFile(f"{path.name} is a zip file but no Excel workbook", "save it as .xlsx and give that file")
    if any(name.endswith("vbaProject.bin") for name in names):
        raise UnreadableFile(f"{path.name} is a workbook with macros", "save it as .xlsx, without macros")
    if any(part.flag_bits & 1 for part in parts):
        raise UnreadableFile(f"{path.name} is encrypted", "save it without a password")
    if len(parts) > MOST_PARTS:
        raise _too_big(path, f"it has {len(parts):,} parts, at most {MOST_PARTS:,} are read")
    _check_sizes(path, parts)


def _check_sizes(path: Path, parts: list[ZipInfo]) -> None:
    total = sum(part.file_size for part in parts)
    if total > MOST_UNZIPPED:
        raise _too_big(path, f"unpacked it has {total >> 20:,} MB, at most {MOST_UNZIPPED >> 20} MB are read")
    for part in parts:
        if part.file_size > SMALL and part.file_size > HIGHEST_RATIO * max(part.compress_size, 1):
            raise _too_big(path, f"{part.filename} unpacks to over {HIGHEST_RATIO} times its size, as no ledger does")
        if part.file_size > MOST_IN_MEMORY and not part.filename.startswith("xl/worksheets/"):
            raise _too_big(path, f"{part.filename} has {part.file_size >> 20:,} MB, at most {MOST_IN_MEMORY >> 20} MB are read")


def _broken(path: Path, error: Exception) -> UnreadableFile:
    said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return UnreadableFile(f"{path.name} is not a readable workbook ({said})", "open it in Excel and save it again as .xlsx")


def _too_big(path: Path, why: str) -> UnreadableFile:
    return UnreadableFile(f"{path.name} is too big: {why}", "split it into smaller files")


def sheets(path: Path) -> Iterator[tuple[str, Iterator[Row]]]:
    """Each sheet's title and rows; read one sheet to its end before the next. Raises UnreadableFile."""
    from openpyxl import load_workbook  # noqa: PLC0415  # its library takes a tenth of a command's start

    check(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and validations that we do not read
            book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
            formulas = load_workbook(path, read_only=True, data_only=False, keep_links=False)
            with closing(book), closing(formulas):
                if len(book.worksheets) > MOST_SHEETS:
                    raise _too_big(path, f"it has {len(book.worksheets)} sheets, at most {MOST_SHEETS} are read")
                for sheet in book.worksheets:
                    has = _has_formulas(path, sheet)
                    yield sheet.title, _guarded(path, _rows(path, sheet, formulas[sheet.title] if has else None))
    except UnreadableFile:
        raise
    except Exception as error:  # openpyxl raises of every kind on a damaged or hostile file: KeyError, ValueError, ParseError …
        raise _broken(path, error) from error


def _guarded(path: Path, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows; damage that shows only while they are read is named as well."""
    try:
        yield from rows
    except UnreadableFile:
        raise
    except Exception as error:  # as in `sheets`
        raise _broken(path, error) from error


def _has_formulas(path: Path, sheet: Any) -> bool:
    """Is there a formula in the sheet's XML? Looked for in the bytes, so that sheets without pay nothing for it."""
    with ZipFile(path) as archive, archive.open(sheet._worksheet_path) as part:
        tail = b""
        while chunk := part.read(1 << 20):
            if b"<f>" in (found := tail + chunk) or b"<f " in found or b"<f/" in found:
                return True
            tail = chunk[-4:]
    return False


def _rows(path: Path, sheet: Any, formulas: Any | None) -> Iterator[Row]:
    from openpyxl.utils.escape import unescape  # noqa: PLC0415  # likewise

    sheet.reset_dimensions()
    values = sheet.iter_rows(values_only=True)
    if formulas is None:
        merged = (list(row) for row in values)
    else:
        formulas.reset_dimensions()
        pairs = zip(values, formulas.iter_rows(), strict=True)
        merged = ([_calculated(value, cell) for value, cell in zip(row, cells, strict=True)] for row, cells in pairs)
    for number, row in enumerate(merged, 1):
        if number > MOST_ROWS:
            raise _too_big(
                path, f"sheet {sheet.title} reaches below row {MOST_ROWS:,} (delete what is there, also empty formatted rows)"
            )
        if len(row) > MOST_COLUMNS:
            raise _too_big(path, f"sheet {sheet.title}, row {number} reaches beyond column {MOST_COLUMNS} (delete what is there)")
        yield [unescape(cell) if isinstance(cell, str) and "_x" in cell else cell for cell in row]


def _calculated(value: Any, cell: Any) -> Any:
    return Uncalculated() if value is None and cell.data_type == "f" else value
