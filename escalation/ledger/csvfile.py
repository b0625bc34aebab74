"""Rows out of a CSV file: the encodings and delimiters that offices use, told from the bytes and never guessed into mojibake."""

import csv
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Callable, Iterator
from pathlib import Path

from escalation.ledger.lines import UnreadableFile

#: What Excel (`,` or `;` by region) and copying out of it (tab) write.
DELIMITERS = (",", ";", "\t")
CHUNK = 1 << 20
#: A line with this many bytes beyond ASCII that is valid UTF-8 was not written as GB18030: three characters by chance
#: in one line happen, and so much of it does not.
EVIDENCE = 9


def rows(path: Path, count_known: Callable[[list[str]], int]) -> Iterator[list[str]]:
    """The records of the file, the header first; `count_known` says how many headers of a list are known.

    Raises UnreadableFile, also while it is read.
    """
    encoding = encoding_of(path)
    delimiter = max(DELIMITERS, key=lambda each: count_known(_first(path, encoding, each)))
    number = 0
    with path.open(encoding=encoding, newline="") as file:
        try:
            for record in csv.reader(file, delimiter=delimiter, strict=True):
                number += 1
                yield record
        except csv.Error as error:
            after = f"after row {number}" if number else "in the header"
            raise UnreadableFile(
                f"{path.name}: a quote or a cell is broken {after} ({error})",
                'close every quote, and write a quote inside a cell twice: "" ; or save the file as .xlsx',
            ) from error


def _first(path: Path, encoding: str, delimiter: str) -> list[str]:
    with path.open(encoding=encoding, newline="") as file:
        try:
            return next(csv.reader(file, delimiter=delimiter), [])
        except csv.Error:
            return []


def encoding_of(path: Path) -> str:
    """The encoding of a text file. Raises UnreadableFile rather than guess."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):
        raise _unknown(path, "is written as UTF-32")
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        if not _decodes(path, "utf-16"):
            raise _unknown(path, "begins as UTF-16 and goes on as something else")
        return "utf-16"
    if b"\0" in head:
        raise _unknown(path, "holds NUL bytes, so it is no text")
    if _decodes(path, "utf-8-sig"):
        return "utf-8-sig"
    if head.startswith(BOM_UTF8) or not _decodes(path, "gb18030"):
        raise _unknown(path, "is neither UTF-8 nor GB18030")
    if (line := _line_in_utf8(path)) is not None:
        raise _unknown(path, f"mixes two encodings (line {line} is UTF-8, others are not)")
    return "gb18030"


def _unknown(path: Path, what: str) -> UnreadableFile:
    return UnreadableFile(f"{path.name} {what}", 'save it again as "CSV UTF-8" or as .xlsx')


def _decodes(path: Path, encoding: str) -> bool:
    with path.open(encoding=encoding, newline="") as file:
        try:
            while file.read(CHUNK):
                pass
        except UnicodeError:
            return False
    return True


def _line_in_utf8(path: Path) -> int | None:
    """The number of a line that can only have been written as UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if sum(byte > 0x7F for byte in line) < EVIDENCE:
                continue
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                continue
            return number
    return None
