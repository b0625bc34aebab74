"""A file of the ledger becomes sheets of typed lines; every bad cell is named, and no row is half taken."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from escalation.ledger import csvfile, workbook
from escalation.ledger.columns import KINDS, Column, Kind, by_header, did_you_mean, form, kind_of
from escalation.ledger.lines import AnyLine, BadCell, Sheet, UnreadableFile
from escalation.ledger.values import Wrong, half_width, printable, take, text_of

#: 10,000 issues are 7 MB as CSV and 3 MB as a workbook.
LARGEST_FILE = 64 << 20
#: Nobody mends more than this at one go, and the report has to open.
MOST_BAD_CELLS = 10_000
#: All text of one file that is held at once.
MOST_TEXT = 100 << 20
#: The listed digest of a column of an issue's life: enough to see that it is another.
SHORT = 8


def read(path: Path) -> list[Sheet]:
    """All sheets of known kinds in a `.csv` or `.xlsx` file, bad cells and all. Raises UnreadableFile."""
    found = list(_sheets(path))
    if not found:
        known = ", ".join(kind.column(kind.key).label for kind in KINDS)
        raise UnreadableFile(
            f"{path.name} has no header of ours in its first row",
            f"the first row names the columns; one of these must be among them: {known}",
        )
    return found


def _sheets(path: Path) -> Iterator[Sheet]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise UnreadableFile(f"{path.name} cannot be opened ({error.strerror})", "check the name and the rights") from error
    if size == 0:
        raise UnreadableFile(f"{path.name} is empty", "give a file with a header row")
    if size > LARGEST_FILE:
        raise UnreadableFile(
            f"{path.name} has {size >> 20:,} MB, at most {LARGEST_FILE >> 20} MB are read", "split it into smaller files"
        )
    if head.startswith(workbook.OLE):
        raise UnreadableFile(f"{path.name} is encrypted or an old .xls", "save it as .xlsx without a password")
    if head.startswith(workbook.ZIP):
        for title, rows in workbook.sheets(path):
            if (sheet := _sheet(path, title, rows)) is not None:
                yield sheet
    elif path.suffix.lower() in (".xlsx", ".xlsm", ".xls"):
        raise UnreadableFile(f"{path.name} is not an Excel workbook whatever its name says", "save it as .xlsx")
    elif (sheet := _sheet(path, path.name, csvfile.rows(path, _known))) is not None:
        yield sheet


def _known(headers: list[str]) -> int:
    forms = {form(header) for header in headers}
    return max(len(forms & set(by_header(kind.name))) for kind in KINDS)


def _sheet(path: Path, title: str, rows: Iterable[list[Any]]) -> Sheet | None:
    """A sheet; None for one that is empty or of no kind of ours (a cover, an instruction)."""
    records = iter(rows)
    headers = [_header(cell) for cell in next(records, [])]
    while headers and not headers[-1]:
        headers.pop()
    kind = kind_of(headers)
    return None if kind is None else _Reader(path, title, kind, headers).read(records)


def _header(cell: object) -> str:
    return printable(" ".join(text_of(cell).replace("\ufeff", "").split()), 100)


class _Reader:
    """Reads one sheet: collects its lines, its rows as text, and its bad cells up to the cap."""

    def __init__(self, path: Path, title: str, kind: Kind, headers: list[str]) -> None:
        self.file, self.title, self.kind, self.headers = path.name, title, kind, headers
        self.bad: list[BadCell] = []
        self.unlisted = 0
        self.text = 0
        self.seen: dict[str, int] = {}
        known = {field.name for field in fields(kind.line)}
        self.columns: list[Column | None] = [self._column(at, header) for at, header in enumerate(headers)]
        self.read_columns = [(at, column) for at, column in enumerate(self.columns) if column and column.name in known]
        self.present = {column.name for column in self.columns if column}
        self.complete = self._all_there()

    def read(self, records: Iterator[list[Any]]) -> Sheet:
        """The whole sheet."""
        lines: list[AnyLine] = []
        rows: list[tuple[int, tuple[str, ...]]] = []
        for number, cells in enumerate(records, 2):
            if number > workbook.MOST_ROWS:
                raise UnreadableFile(f"{self.file} has more than {workbook.MOST_ROWS:,} rows", "split it into smaller files")
            texts = tuple(text_of(cell) for cell in cells)
            if not any(text.strip() for text in texts):
                continue
            self.text += sum(map(len, texts))
            if self.text > MOST_TEXT:
                raise UnreadableFile(f"{self.file} holds more than {MOST_TEXT >> 20} MB of text", "split it")
            rows.append((number, texts))
            if (line := self._line(number, cells)) is not None:
                lines.append(line)
        if self.unlisted:
            self.bad.append(self._cell(1, "", "", f"{self.unlisted:,} more bad cells are not listed; mend these first"))
        names = tuple(column.name if column else "" for column in self.columns)
        told = (self.file, self.title, self.kind.name, tuple(self.headers), names)
        return Sheet(*told, tuple(rows), tuple(lines), tuple(self.bad))

    def _cell(self, row: int, column: str, value: str, why: str) -> BadCell:
        return BadCell(self.title, row, column, printable(value), why, self.file)

    def _wrong(self, row: int, column: str, value: str, why: str) -> None:
        if len(self.bad) >= MOST_BAD_CELLS:
            self.unlisted += 1
        else:
            self.bad.append(self._cell(row, column, value, why))

    def _column(self, at: int, header: str) -> Column | None:
        if not header:
            return None
        column = by_header(self.kind.name).get(form(header))
        if column is None:
            article = "a" if self.kind.name[0] not in "aeiou" else "an"
            why = f"is no column of {article} {self.kind.name} sheet{did_you_mean(self.kind, header) or '; rename or delete it'}"
            self._wrong(1, header, header, why)
            return None
        if any(by_header(self.kind.name).get(form(other)) is column for other in self.headers[:at]):
            self._wrong(1, header, header, f"is the second column for {column.label}; delete one of the two")
            return None
        return column

    def _all_there(self) -> bool:
        complete = True
        for column in self.kind.columns:
            if column.required and not self.present & {column.name, *column.instead}:
                complete = False
                instead = "".join(f" or {self.kind.column(name).label}" for name in column.instead)
                self._wrong(1, column.name, "", f"the column {column.label}{instead} is missing; add it")
        return complete

    def _line(self, row: int, cells: list[Any]) -> AnyLine | None:
        before = len(self.bad) + self.unlisted
        values: dict[str, Any] = {}
        for at, column in self.read_columns:
            cell = cells[at] if at < len(cells) else None
            try:
                value = take(column, cell)
            except Wrong as wrong:
                self._wrong(row, self.headers[at], text_of(cell), str(wrong))
                values[column.name] = ""  # not empty, only wrong
                continue
            if value is not None:
                values[column.name] = value
        self._stray(row, cells)
        self._empty(row, values)
        self._duplicate(row, values)
        if len(self.bad) + self.unlisted > before or not self.complete:
            return None
        return _build(self.kind, row, values)

    def _stray(self, row: int, cells: list[Any]) -> None:
        for at, cell in enumerate(cells):
            if (at >= len(self.headers) or not self.headers[at]) and text_of(cell).strip():
                letter = _letter(at + 1)
                self._wrong(row, letter, text_of(cell), f"stands in column {letter}, which has no header; name or clear it")

    def _empty(self, row: int, values: dict[str, Any]) -> None:
        for column in self.kind.columns:
            here = self.present & {column.name, *column.instead}
            if column.filled and here and not values.keys() & {column.name, *column.instead}:
                name = column.name if column.name in here else min(here)
                at = next(at for at, each in enumerate(self.columns) if each and each.name == name)
                self._wrong(row, self.headers[at], "", f"is empty; every row needs its {column.label}")

    def _duplicate(self, row: int, values: dict[str, Any]) -> None:
        code = values.get(self.kind.key)
        if not code:
            return
        first = self.seen.setdefault(code.casefold(), row)
        if first != row:
            at = next(at for at, each in enumerate(self.columns) if each and each.name == self.kind.key)
            self._wrong(row, self.headers[at], code, f"is in row {first} already; delete one of the two rows")


def _build(kind: Kind, row: int, values: dict[str, Any]) -> AnyLine:
    if "active" in values:
        values["active"] = values["active"] == "yes"
    # as_of moves with every export of the same ledger
    texts = {name: half_width(str(value)) for name, value in values.items() if name != "as_of"}
    body = "\x1e".join(f"{name}\x1f{text}" for name, text in sorted(texts.items()))
    extra: dict[str, Any] = {"digest": sha256(f"{kind.name}\x1e{body}".encode()).hexdigest()}
    if kind.name == "issue":
        extra["life"] = _life(kind, texts)
    line: AnyLine = kind.line(row=row, **extra, **values)
    return line


def _life(kind: Kind, texts: dict[str, str]) -> str:
    parts = [
        f"{column.name}={sha256(texts[column.name].encode()).hexdigest()[:SHORT]}"
        for column in kind.columns
        if column.life and column.name in texts
    ]
    return " ".join(parts)


def _letter(place: int) -> str:
    from openpyxl.utils import get_column_letter  # noqa: PLC0415  # its library takes a tenth of a command's start

    letter: str = get_column_letter(place)
    return letter
