"""The tables of who can answer: parties, the catalogue of who is competent for what, projects, workflow versions."""

from datetime import date, datetime

from sqlalchemy import JSON, Column, Text
from sqlmodel import Field, SQLModel

from escalation.models.columns import moment


class PartyRow(SQLModel, table=True):
    """A post that can be responsible; `workflows.parties.Party` is its value."""

    __tablename__ = "party"

    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(unique=True)
    name: str = Field(unique=True)
    level: str
    city: str = ""
    organ: str = Field(default="", index=True)
    role: str
    email: str = ""
    mail_goes_to: str = ""
    language: str = "zh_CN"
    deputy_id: int | None = Field(default=None, foreign_key="party.id")
    deputy_from: date | None = None
    deputy_until: date | None = None
    active: bool = True


class Authority(SQLModel, table=True):
    """One row of the authority catalogue (事权目录): where a category enters, and which organ is competent where."""

    category: str = Field(primary_key=True)
    name: str
    entry: str
    #: stage key -> organ's name, with `{city}` for the city's proper name.
    organs: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    note: str = ""


class ProjectRow(SQLModel, table=True):
    """One line of the ledger (domain.md 3.1). Money in 10,000 yuan (万元)."""

    __tablename__ = "project"

    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(unique=True)
    name: str
    list_type: str = ""
    project_kind: str = ""
    lead_city: str = Field(default="", index=True)
    cooperating_cities: str = ""
    county: str = ""
    industry_department: str = ""
    construction_content: str = Field(default="", sa_column=Column(Text, nullable=False))
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
    owner_org: str = ""
    owner_contact_role: str = ""
    owner_email: str = ""
    city_coordinator_role: str = ""
    city_coordinator_email: str = ""
    department_coordinator_role: str = ""
    department_coordinator_email: str = ""
    sponsor_leader_role: str = ""
    sponsor_liaison_email: str = ""
    data_as_of: date | None = None
    remark: str = Field(default="", sa_column=Column(Text, nullable=False))


class WorkflowRow(SQLModel, table=True):
    """A workflow version that issues were pinned to; it is never changed."""

    __tablename__ = "workflow"

    id: str = Field(primary_key=True)
    key: str = Field(index=True)
    version: int
    source: str = Field(sa_column=Column(Text, nullable=False))
    digest: str
    active: bool = True
    added_at: datetime = moment(nullable=False)
