"""Parties, the catalogue and projects into the store, by their codes: created, updated, or left as they are."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from escalation import addresses
from escalation.ledger.census import Census
from escalation.ledger.lines import AnyLine, AuthorityLine, BadCell, IssueLine, PartyLine, ProjectLine, Sheet
from escalation.models import Authority, PartyRow, ProjectRow
from escalation.world import touch

TABLES = ("party", "authority", "project", "issue")


@dataclass(slots=True)
class ImportReport:
    """What an import did (or, in a dry run, would do), by table; what was refused, and the sheets for `write_report`."""

    created: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    updated: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    unchanged: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    rejected: list[BadCell] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)

    def count(self, table: str, what: str) -> None:
        """One more that was `created`, `updated` or `unchanged`."""
        getattr(self, what)[table] += 1


def write_lines(session: Session, draft: Census, report: ImportReport, now: datetime, *, dry_run: bool) -> None:
    """Writes what is new or different and counts it; in a dry run it only counts."""
    stock: dict[str, dict[str, Any]] = {
        "party": {row.code: row for row in session.exec(select(PartyRow))},
        "authority": {row.category: row for row in session.exec(select(Authority))},
        "project": {row.code: row for row in session.exec(select(ProjectRow))},
    }
    had = {code: row.email for code, row in stock["party"].items()}
    changed = False
    for sheet, line in draft.accepted:
        what = _upsert(session, stock[sheet.kind], sheet, line, dry_run=dry_run)
        report.count(sheet.kind, what)
        changed = changed or what != "unchanged"
    if changed and not dry_run:
        session.flush()
        _set_deputies(stock["party"], draft)
        session.flush()
        # whoever gives a party another address says that mail arrives there
        addresses.clear(session, [row.email for code, row in stock["party"].items() if had.get(code) != row.email], now)
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


def _set_deputies(stock: dict[str, Any], draft: Census) -> None:
    """Deputies are parties too: they have ids only now."""
    for sheet, line in draft.accepted:
        if isinstance(line, PartyLine) and "deputy" in sheet.columns:
            deputy = draft.directory.find(line.deputy) if line.deputy else None
            stock[line.party_code].deputy_id = stock[deputy.code].id if deputy else None
