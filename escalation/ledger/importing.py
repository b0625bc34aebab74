"""Files of the ledger into the store: parties, then the catalogue, then projects, then issues; all or nothing a file.

Everything is checked against what the store would hold before anything is written, so a refused file leaves no trace and a
dry run writes nothing. Importing the same files again changes nothing.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session, select

from escalation import applying
from escalation.applying import Birth
from escalation.commands import DESCRIBED, amend
from escalation.errors import Unusable
from escalation.ledger.draft import Draft, Told, with_ids
from escalation.ledger.lines import AnyLine, AuthorityLine, BadCell, IssueLine, PartyLine, ProjectLine, Sheet
from escalation.ledger.reading import read
from escalation.models import Authority, Counter, PartyRow, ProjectRow
from escalation.queries import CHUNK, ISSUE
from escalation.world import WorldReader, touch

#: What builds on what: a file is refused with a file of the same call that it builds on.
BUILDS_ON: dict[str, tuple[str, ...]] = {
    "party": (),
    "authority": (),
    "project": ("party",),
    "issue": ("party", "authority", "project"),
}
#: Numbers that new issues are given too (`WT26-0007`): the series goes on after the highest that was imported.
SERIES = re.compile(r"(WT\d\d)-(\d{1,9})")
#: Issues are written this many at a time.
BATCH = 2_000
#: Texts of an issue that come from a column of the same name.
TEXTS = (
    "title",
    "description",
    "requested_action",
    "progress_note",
    "complexity",
    "nature",
    "authority_level",
    "authority_org",
    "cooperating_orgs",
    "handler_role",
    "reporter_role",
    "source",
    "confidentiality",
)
LONGEST_TITLE_OF_A_TEXT = 60


@dataclass(slots=True)
class ImportReport:
    """What an import did (or, in a dry run, would do), by table; what was refused, and the sheets for `write_report`."""

    created: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BUILDS_ON, 0))
    updated: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BUILDS_ON, 0))
    unchanged: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BUILDS_ON, 0))
    rejected: list[BadCell] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)

    def count(self, table: str, what: str) -> None:
        """One more that was `created`, `updated` or `unchanged`."""
        getattr(self, what)[table] += 1


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    sheets: tuple[Sheet, ...]


def import_files(
    session: Session, paths: Sequence[Path], *, worlds: WorldReader, now: datetime, dry_run: bool = False
) -> ImportReport:
    """Imports files whatever the order they are given in. The caller commits.

    A file with a bad cell is refused whole, and so is one that builds on it. Raises UnreadableFile for a file that is
    no sheet of ours; then nothing is imported.
    """
    world = worlds.read(session)
    if not world.active:
        raise Unusable("the store has no workflow yet", "run `escalation init` first")
    files = [_File(path.name, tuple(read(path))) for path in paths]
    report = ImportReport(sheets=[sheet for file in files for sheet in file.sheets])
    known = _known(session, report.sheets)
    refused: dict[int, list[BadCell]] = {}
    while True:
        draft = Draft(world, now, known)
        newly = _take(draft, files, refused)
        if not newly:
            break
        refused |= newly
    report.rejected = [cell for number in sorted(refused) for cell in refused[number]]
    _write_lines(session, draft, report, dry_run=dry_run)
    _count_issues(draft, report)
    if not dry_run:
        _write_issues(session, draft, worlds)
    return report


def _known(session: Session, sheets: Iterable[Sheet]) -> dict[str, str]:
    """number -> import digest, of the issues in the sheets that live here already."""
    numbers = [line.issue_code for sheet in sheets for line in sheet.lines if isinstance(line, IssueLine)]
    found: dict[str, str] = {}
    for start in range(0, len(numbers), CHUNK):
        wanted = ISSUE.c.number.in_(numbers[start : start + CHUNK])
        rows = session.connection().execute(select(ISSUE.c.number, ISSUE.c.import_digest).where(wanted))
        found |= {row.number: row.import_digest for row in rows}
    return found


def _take(draft: Draft, files: Sequence[_File], refused: dict[int, list[BadCell]]) -> dict[int, list[BadCell]]:
    """One pass over all files that are not refused yet, kind by kind; the files to be refused and why."""
    newly: dict[int, list[BadCell]] = {}
    for kind in BUILDS_ON:
        for number, file in enumerate(files):
            if number in refused:
                continue
            for sheet in file.sheets:
                if sheet.kind != kind:
                    continue
                gone = {**refused, **newly}
                wrong = [*sheet.bad, *(_without(sheet, files, number, gone) or draft.take(sheet))]
                if wrong:
                    newly.setdefault(number, []).extend(wrong)
    return newly


def _without(sheet: Sheet, files: Sequence[_File], number: int, gone: Iterable[int]) -> list[BadCell]:
    """Why a sheet cannot be taken: a file that it builds on was refused."""
    for other in gone:
        if other != number and any(each.kind in BUILDS_ON[sheet.kind] for each in files[other].sheets):
            name = files[other].name
            why = f"this file builds on {name}, which was refused; mend that first"
            return [BadCell(sheet.name, 1, "", name, why, sheet.file)]
    return []


# Parties, catalogue and projects.


def _write_lines(session: Session, draft: Draft, report: ImportReport, *, dry_run: bool) -> None:
    stock: dict[str, dict[str, Any]] = {
        "party": {row.code: row for row in session.exec(select(PartyRow))},
        "authority": {row.category: row for row in session.exec(select(Authority))},
        "project": {row.code: row for row in session.exec(select(ProjectRow))},
    }
    changed = False
    for sheet, line in draft.accepted:
        what = _upsert(session, stock[sheet.kind], sheet, line, dry_run=dry_run)
        report.count(sheet.kind, what)
        changed = changed or what != "unchanged"
    if changed and not dry_run:
        session.flush()
        _set_deputies(stock["party"], draft)
        session.flush()
        touch(session)


def _upsert(session: Session, stock: dict[str, Any], sheet: Sheet, line: AnyLine, *, dry_run: bool) -> str:
    code, values = _row(line)
    row = stock.get(code)
    if row is None:
        if not dry_run:
            stock[code] = row = _TABLES[sheet.kind](**{name: value for name, (_, value) in values.items()})
            session.add(row)
        return "created"
    given = {name: value for name, (column, value) in values.items() if not column or column in sheet.columns}
    different = {name: value for name, value in given.items() if getattr(row, name) != value}
    if isinstance(line, PartyLine) and "deputy" in sheet.columns and _deputy_differs(stock, row, line):
        different["deputy_id"] = None
    if not dry_run:
        for name, value in different.items():
            setattr(row, name, value)
    return "updated" if different else "unchanged"


_TABLES: dict[str, Any] = {"party": PartyRow, "authority": Authority, "project": ProjectRow}
_NOT_COPIED = ("id", "code", "name", "deputy_id")


def _row(line: AnyLine) -> tuple[str, dict[str, tuple[str, Any]]]:
    """The code of a line, and its row: field -> (the column it comes from, value)."""
    match line:
        case PartyLine():
            table, code = PartyRow, "party_code"
            named = {"code": code, "name": "name"}
        case ProjectLine():
            table, code = ProjectRow, "project_code"  # type: ignore[assignment]
            named = {"code": code, "name": "project_name"}
        case AuthorityLine():
            values: dict[str, tuple[str, Any]] = {
                "category": ("category_code", line.category_code),
                "name": ("category", line.category),
                "entry": ("entry_level", line.entry_level),
                "organs": ("", dict(line.organs)),
                "note": ("note", line.note),
            }
            return line.category_code, values
        case IssueLine():
            raise TypeError("issues have no row of this kind")
    named |= {name: name for name in table.model_fields if name not in _NOT_COPIED}
    return getattr(line, code), {name: (column, getattr(line, column)) for name, column in named.items()}


def _deputy_differs(stock: dict[str, Any], row: PartyRow, line: PartyLine) -> bool:
    now = next((other for other in stock.values() if other.id == row.deputy_id), None) if row.deputy_id else None
    return line.deputy not in ((now.code, now.name) if now else ("",))


def _set_deputies(stock: dict[str, Any], draft: Draft) -> None:
    """Deputies are parties too: they have ids only now."""
    for sheet, line in draft.accepted:
        if isinstance(line, PartyLine) and "deputy" in sheet.columns:
            deputy = draft.directory.find(line.deputy) if line.deputy else None
            stock[line.party_code].deputy_id = stock[deputy.code].id if deputy else None


# Issues.


def _count_issues(draft: Draft, report: ImportReport) -> None:
    report.created["issue"] = len(draft.told)
    report.updated["issue"] = len(draft.amended)
    report.unchanged["issue"] = draft.unchanged


def _write_issues(session: Session, draft: Draft, worlds: WorldReader) -> None:
    for line in draft.amended:
        amend(session, line.issue_code, _described(line))
    if not draft.told:
        return
    # a reader of our own: what this transaction sees must not be kept by the caller's if it is rolled back
    world = WorldReader(worlds.zone, worlds.opens, worlds.closes).read(session)
    with_ids(draft, world)
    first_id = applying.next_numbers(session, "issue", len(draft.told))
    for start in range(0, len(draft.told), BATCH):
        births = [
            _birth(draft, told, first_id + start + offset)
            for offset, told in enumerate(draft.told[start : start + BATCH])
        ]
        applying.bring_in(session, world, births, None)
    _go_on_after(session, [told.line.issue_code for told in draft.told])


def _birth(draft: Draft, told: Told, issue_id: int) -> Birth:
    history = draft.again(told, issue_id)
    steps = [(step.at, step.decision) for step in history.steps]
    return Birth(history.first, DESCRIBED | _described(told.line), steps)


def _described(line: IssueLine) -> dict[str, Any]:
    """What people read of an issue, as its row has it."""
    found = {name: getattr(line, name) for name in TEXTS}
    found["title"] = line.title or line.description[:LONGEST_TITLE_OF_A_TEXT]
    return found | {"import_digest": f"{line.digest} {line.life}"}


def _go_on_after(session: Session, numbers: Iterable[str]) -> None:
    """No new issue is given a number that came with the ledger."""
    highest: dict[str, int] = {}
    for number in numbers:
        if match := SERIES.fullmatch(number):
            highest[match[1]] = max(highest.get(match[1], 0), int(match[2]))
    given = {row.prefix: row.last for row in session.exec(select(Counter))} if highest else {}
    for prefix, last in highest.items():
        if last > given.get(prefix, 0):
            applying.next_numbers(session, prefix, last - given.get(prefix, 0))
