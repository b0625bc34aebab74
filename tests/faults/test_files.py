"""Files that nobody should send: refused by name, in bounded time and memory, and all of a file or nothing is taken."""

import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

from openpyxl import load_workbook
from sqlalchemy import delete
from sqlmodel import SQLModel

from escalation.database import Store
from escalation.ledger.importing import import_files
from escalation.ledger.lines import UnreadableFile
from escalation.ledger.reading import read
from escalation.models import Issue, PartyRow
from tests.faults.nursery import ROOT, Nursery
from tests.store.test_import import NOW, Office
from tests.store.test_refusals import dump
from tests.unit import test_reading as sheets


def bomb(folder: Path) -> Path:
    return sheets._edited(sheets.shared(folder), "xl/sharedStrings.xml", lambda xml: xml + b" " * (60 << 20))


def entity(folder: Path) -> Path:
    declared = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    return sheets._edited(sheets.good(folder), "xl/worksheets/sheet1.xml", lambda xml: sheets._declare(xml, declared))


def macros(folder: Path) -> Path:
    with zipfile.ZipFile(path := sheets.good(folder), "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macro")
    return path


def merged(folder: Path) -> Path:
    made = load_workbook(sheets.good(folder))
    made.active.merge_cells("C1:D1")
    made.save(folder / "merged.xlsx")
    return folder / "merged.xlsx"


def formulas(folder: Path) -> Path:
    row = sheets.ISSUE_ROW | {"问题标题": '=HYPERLINK("http://x","y")'}
    return sheets.book(folder / "formulas.xlsx", [list(row), list(row.values())])


def half(name: str, share: float = 0.6) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        whole = sheets.good(folder).read_bytes() if name.endswith("xlsx") else (folder / name).read_bytes()
        (folder / f"half-{name}").write_bytes(whole[: int(len(whole) * share)])
        return folder / f"half-{name}"

    return made


def huge(folder: Path) -> Path:
    with (folder / "huge.csv").open("wb") as file:
        file.truncate(1 << 30)
    return folder / "huge.csv"


def encoded(encoding: str) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        (folder / "encoded.csv").write_bytes((folder / "issues.csv").read_text("utf-8-sig").encode(encoding))
        return folder / "encoded.csv"

    return made


def mixed(folder: Path) -> Path:
    lines = (folder / "issues.csv").read_text("utf-8-sig").splitlines()
    (folder / "mixed.csv").write_bytes(b"\n".join(line.encode("gb18030" if no % 2 else "utf-8") for no, line in enumerate(lines)))
    return folder / "mixed.csv"


def doubled(folder: Path) -> Path:
    lines = (folder / "issues.csv").read_text("utf-8-sig").splitlines()
    (folder / "doubled.csv").write_text("\n".join([*lines, lines[1]]), "utf-8")
    return folder / "doubled.csv"


def of_1904(folder: Path) -> Path:
    row: dict[str, object] = {**sheets.ISSUE_ROW, "办结时限": date(2026, 11, 23)}
    path = sheets.book(folder / "1904.xlsx", [list(row), list(row.values())], epoch=sheets.CALENDAR_MAC_1904)
    (line,) = read(path)[0].lines
    assert getattr(line, "due_on", None) == date(2026, 11, 23)
    return path


REFUSED: dict[str, Callable[[Path], Path]] = {
    "a zip bomb": bomb,
    "an outside entity": entity,
    "macros": macros,
    "merged headers": merged,
    "a formula never worked out": formulas,
    "half a workbook": half("half.xlsx"),
    "half a row": half("parties.csv", 0.9993),
    "a file of 1 GB": huge,
    "two encodings in one file": mixed,
    "the same number twice": doubled,
}
TAKEN: dict[str, Callable[[Path], Path]] = {
    "UTF-8 with a BOM": encoded("utf-8-sig"),
    "GBK": encoded("gb18030"),
    "UTF-16": encoded("utf-16"),
    "dates that count from 1904": of_1904,
}


def test_files_that_nobody_should_send(store: Store, tmp_path: Path, figure) -> None:  # type: ignore[no-untyped-def]
    office = Office(store, tmp_path)
    assert not office.load("parties", "authority", "projects").rejected
    before, slowest = dump(store), 0.0
    for name, made in REFUSED.items():
        path, began = made(tmp_path), time.perf_counter()
        try:
            wrong = load(office, path).rejected
        except UnreadableFile as error:
            wrong = [error.hint]
        assert wrong, name
        assert dump(store) == before, f"{name} left a trace"
        slowest = max(slowest, time.perf_counter() - began)
    for name, made in TAKEN.items():
        assert not load(office, made(tmp_path)).rejected, name
    assert office.count(Issue) == 31
    assert office.broken() == []
    figure(
        20, f"files that nobody should send ({', '.join(REFUSED)}), {store.engine.dialect.name}",
        f"each refused by name, nothing left in the store; the slowest took {slowest:.1f} s; taken: {', '.join(TAKEN)}",
    )  # fmt: skip


def load(office: Office, path: Path):  # type: ignore[no-untyped-def]
    with office.store.transaction() as session:
        return import_files(session, [path], worlds=office.worlds, now=NOW)


FUZZING = """
import resource, sys
from pathlib import Path
from escalation.ledger.importing import import_files
from escalation.ledger.lines import UnreadableFile
from escalation.ledger.reading import read
for name in sys.stdin.read().split("\\n"):
    try:
        read(Path(name))
    except UnreadableFile:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_files_with_bytes_changed_anywhere(tmp_path: Path, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    """Only our own refusal, in bounded memory; every file in one process, under a limit."""
    chance, count = random.Random(20), 3_000 if long else 60
    wholes = [(sheets.good(tmp_path), "x.xlsx")]
    (tmp_path / "a.csv").write_text(sheets.table(*[sheets.ISSUE_ROW] * 30), "utf-8")
    wholes.append((tmp_path / "a.csv", "x.csv"))
    paths = [bomb(tmp_path), entity(tmp_path), huge(tmp_path)]
    for number in range(count):
        whole, name = wholes[number % 2]
        data = bytearray(whole.read_bytes())
        for _ in range(chance.randint(1, 8)):
            where = chance.randrange(len(data))
            change = chance.randrange(4)
            if change == 0:
                data[where] = chance.randrange(256)
            elif change == 1:
                del data[where : where + chance.randint(1, 200)]
            elif change == 2:
                data[where:where] = data[where : where + chance.randint(1, 2000)]
            else:
                data[where:where] = chance.choice((b'"', b"\0", b"\xff\xfe", b"\r", b"<a>", b"&a;", b",,", b"9" * 400))
        paths.append(tmp_path / f"{number}-{name}")
        paths[-1].write_bytes(data)
    began = time.perf_counter()
    done = subprocess.run(
        ["prlimit", "--as=700000000", sys.executable, "-c", FUZZING],
        input="\n".join(map(str, paths)), capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    took = time.perf_counter() - began
    figure(20, "workbooks and CSV files with bytes changed anywhere, read under prlimit --as=700000000", f"{len(paths):,} files: read, or refused in a sentence; {done.stdout.strip()} MiB at most, {took:.1f} s in all")  # fmt: skip


def emptied(store: Store) -> None:
    """Everything that was imported is gone; the rules stay."""
    with store.transaction() as session:
        for table in reversed(SQLModel.metadata.sorted_tables):
            if table.name != "workflow":
                session.connection().execute(delete(table))


def test_an_import_that_is_killed(database: str, tmp_path: Path, new_store, request, figure, long: bool) -> None:  # type: ignore[no-untyped-def]
    kills = 200 if long else 8
    office = Office(new_store(database), tmp_path)
    nursery = Nursery(database)
    request.addfinalizer(nursery.close)
    chance, killed, tried, longest = random.Random(21), 0, 0, 0.3
    before = dump(office.store)
    while killed < kills:
        tried += 1
        done = nursery.killed("import", NOW, chance.uniform(0, longest), folder=str(tmp_path))
        killed += done
        longest *= 1.2 if done else 0.8
        # in one look: on PostgreSQL a commit may still come to its end after its program was killed
        if dump(office.store) != before:
            assert (office.count(Issue), office.count(PartyRow)) == (30, 206), "half of it is there"
            emptied(office.store)
            assert dump(office.store) == before
        assert tried < kills * 8
    assert not office.load().rejected
    whole = dump(office.store)
    assert not office.load().rejected
    assert dump(office.store) == whole, "again changes nothing"
    assert office.broken() == []
    figure(20, f"SIGKILL in the middle of an import of 206 parties and 30 issues, {office.store.engine.dialect.name}", f"{killed} kills: all of it or nothing each time; imported again it is whole, and once more changes nothing")  # fmt: skip
