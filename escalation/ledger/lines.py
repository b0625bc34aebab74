"""What a sheet becomes: typed lines, the cells that are wrong, and the error for a file that cannot be read at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from escalation.errors import UsageError


class UnreadableFile(UsageError):
    """The file as a whole is no sheet of ours: not a workbook, encrypted, too big, empty, or with no header we know."""

    code = "unreadable_file"


@dataclass(frozen=True, slots=True)
class BadCell:
    """One wrong cell. `row` is the spreadsheet's own number (the header is row 1); `why` says the mend."""

    sheet: str
    row: int
    column: str
    value: str
    why: str
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a sheet. `digest` is the SHA-256 of what the row says, however it was written."""

    row: int
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyLine(Line):
    """A post that can be responsible."""

    party_code: str
    name: str
    level: str
    city: str = ""
    organ: str
    role: str
    email: str = ""
    mail_goes_to: str = ""
    language: str = "zh_CN"
    deputy: str = ""
    deputy_from: date | None = None
    deputy_until: date | None = None
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityLine(Line):
    """One category: where it enters and which organ is competent at each stage."""

    category_code: str
    category: str
    county_organ: str = ""
    city_organ: str = ""
    department_organ: str = ""
    province_party: str = ""
    entry_level: str
    note: str = ""

    @property
    def organs(self) -> Mapping[str, str]:
        """stage -> organ, for the stages that name one. `{sponsor}` names none: the project's own leader answers."""
        named = {
            "county": self.county_organ,
            "city": self.city_organ,
            "department": self.department_organ,
            "province": "" if self.province_party == "{sponsor}" else self.province_party,
        }
        return {stage: organ for stage, organ in named.items() if organ}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLine(Line):
    """One project of the ledger. Money in 10,000 yuan."""

    project_code: str
    project_name: str
    list_type: str = ""
    project_kind: str = ""
    lead_city: str
    cooperating_cities: str = ""
    county: str = ""
    industry_department: str = ""
    construction_content: str = ""
    total_investment_wan: float | None = None
    annual_plan_wan: float | None = None
    completed_ytd_wan: float | None = None
    planned_to_date_wan: float | None = None
    funds_planned_wan: float | None = None
    funds_arrived_wan: float | None = None
    financing_need_wan: float | None = None
    planned_start: date | None = None
    actual_start: date | None = None
    planned_completion: date | None = None
    planned_production: date | None = None
    stage: str = ""
    next_key_node: str = ""
    next_key_node_due: date | None = None
    owner_org: str
    owner_contact_role: str = ""
    owner_email: str = ""
    city_coordinator_role: str = ""
    city_coordinator_email: str = ""
    department_coordinator_role: str = ""
    department_coordinator_email: str = ""
    sponsor_leader_role: str = ""
    sponsor_liaison_email: str = ""
    data_as_of: date | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueLine(Line):
    """One issue, somewhere in its life. A moment without a zone is one of the configured zone."""

    #: A short digest of each column that says where the issue stands, so that a later row can be told apart.
    life: str = ""
    issue_code: str
    project_code: str = ""
    project_name: str = ""
    city: str = ""
    title: str = ""
    category: str = ""
    category_code: str = ""
    nature: str = "individual"
    authority_level: str = ""
    authority_org: str = ""
    severity: str
    complexity: str = "simple"
    description: str = ""
    requested_action: str = ""
    responsible_org: str = ""
    cooperating_orgs: str = ""
    handler_role: str = ""
    reporter_role: str = ""
    source: str = ""
    reported_on: date | None = None
    reported_at: datetime | None = None
    dispatched_on: date | None = None
    dispatched_at: datetime | None = None
    current_level: str
    state: str
    escalation_path: str = ""
    stage_started_on: date | None = None
    ack_due_on: date | None = None
    acknowledged_on: date | None = None
    limit_working_days: int | None = None
    due_on: date | None = None
    due_at: datetime | None = None
    resolved_submitted_on: date | None = None
    closed_on: date | None = None
    resume_on: date | None = None
    as_of: date | None = None
    confidentiality: str = "non_classified"
    progress_note: str = ""


AnyLine = PartyLine | AuthorityLine | ProjectLine | IssueLine


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet as it was read: its rows as text (for the report), its good lines, and its bad cells."""

    file: str
    name: str
    kind: str
    headers: tuple[str, ...]
    #: The identifier of each header, empty for one that is unknown.
    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    lines: tuple[AnyLine, ...]
    bad: tuple[BadCell, ...]

    def header(self, column: str) -> str:
        """How this sheet calls a column; its identifier where it has none."""
        return self.headers[self.columns.index(column)] if column in self.columns else column
