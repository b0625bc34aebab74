"""Files of the ledger into the store: parties, then the catalogue, then projects, then issues; all or nothing a file.

Everything is checked against what the store would hold before anything is written, so a refused file leaves no trace and a
dry run writes nothing. Importing the same files again changes nothing.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session, select

from escalation import applying, queries
from escalation.applying import Birth
from escalation.commands import DESCRIBED, amend
from escalation.errors import Unusable
from escalation.ledger.draft import Draft, Told
from escalation.ledger.lines import BadCell, IssueLine, Sheet
from escalation.ledger.reading import read
from escalation.ledger.upserting import ImportReport, write_lines
from escalation.models import Counter
from escalation.queries import CHUNK, ISSUE, unpacked
from escalation.world import WorldReader

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
        draft = Draft(world, now, known=known)
        newly = _take(draft, files, refused)
        if not newly:
            break
        refused |= newly
    report.rejected = [cell for number in sorted(refused) for cell in refused[number]]
    write_lines(session, draft, report, now, dry_run=dry_run)
    _count_issues(draft, report)
    if not dry_run:
        _write_issues(session, draft, worlds)
    return report


def _known(session: Session, sheets: Iterable[Sheet]) -> dict[str, str]:
    """number -> import digest, of the issues in the sheets that live here already, or are in the archive."""
    numbers = [line.issue_code for sheet in sheets for line in sheet.lines if isinstance(line, IssueLine)]
    found: dict[str, str] = {}
    for start in range(0, len(numbers), CHUNK):
        wanted = ISSUE.c.number.in_(numbers[start : start + CHUNK])
        rows = session.connection().execute(select(ISSUE.c.number, ISSUE.c.import_digest).where(wanted))
        found |= {row.number: row.import_digest for row in rows}
        put_away = queries.archived_among(session.connection(), numbers[start : start + CHUNK])
        found |= {number: unpacked(content).issue.import_digest for number, content in put_away.items()}
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
    draft.written(world)
    first_id = applying.next_numbers(session, "issue", len(draft.told))
    for start in range(0, len(draft.told), BATCH):
        births = [_birth(draft, told, first_id + start + offset) for offset, told in enumerate(draft.told[start : start + BATCH])]
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


__all__ = ["ImportReport", "import_files"]
