"""Reading a log as its makers wrote it: rows of text, whatever the order, the line ends and the encoding."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path

Row = dict[str, str]
ENCODINGS = ("utf-8-sig", "gb18030")


def _text(path: Path) -> str:
    raw = path.read_bytes()
    for encoding in ENCODINGS:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError(f"{path.name} is neither {' nor '.join(ENCODINGS)}")


def columns_of(path: Path) -> frozenset[str]:
    """The names in a log's first line."""
    return frozenset(next(csv.reader(_text(path).splitlines()), []))


def rows_of(path: Path) -> list[Row]:
    """A log's rows, every value stripped of blanks around it."""
    lines = csv.DictReader(_text(path).splitlines())
    return [{name: (value or "").strip() for name, value in row.items() if name} for row in lines]


def moment(text: str, zone: tzinfo = UTC) -> datetime:
    """A moment in UTC; `zone` is where the log was written, if it does not say."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def named_apart(rows: Iterable[Row], column: str) -> Iterator[tuple[str, Row]]:
    """Every row with a name of its own: an id that comes again, or is left out, is told apart by its turn (`7#2`)."""
    seen: Counter[str] = Counter()
    for row in rows:
        name = row[column] or "?"
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name}#{seen[name]}"), row


def counted(rows: Iterable[Row], key: Callable[[Row], str]) -> Counter[str]:
    """How many rows there are of each `key`."""
    return Counter(key(row) for row in rows)
