"""What the API takes and gives, as OpenAPI describes it."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


def _written(day: object) -> object:
    """A number is no day, though pydantic would count its seconds."""
    if isinstance(day, str) and len(day) == len("2026-11-30"):
        return day
    raise ValueError("a day is written as 2026-11-30")


def _counted(number: object) -> object:
    """JSON knows one kind of number, 7.0 is 7; a text is none."""
    if isinstance(number, str | bool):
        raise ValueError("a number is written without quotes")
    return number


#: What people write; PostgreSQL takes no NUL.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Number = Annotated[int, Field(strict=False, ge=1, le=1_000_000), BeforeValidator(_counted)]
Day = Annotated[date, Field(strict=False), BeforeValidator(_written)]


#: A file that was brought before, by its SHA-256.
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Files = Annotated[list[Digest], Field(max_length=20, description="files brought before with `POST /files`, by their digests")]


class Body(BaseModel):
    """A request; a key it does not know is a mistake, and so is a value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewIssue(Body):
    """A problem of a project."""

    project: Text = Field(description="the project's code", examples=["HLJ26-001"], max_length=100)
    category: Text = Field(description="a category by key or Chinese name", examples=["power"], max_length=100)
    severity: Literal["general", "major", "urgent"]
    title: Text = Field(min_length=1, max_length=200)
    text: Text = Field(default="", max_length=20_000)
    files: Files = []
    organ: Text = Field(default="", max_length=200, description="names the competent organ itself, instead of the catalogue")
    acting_as: Text = Field(
        default="", alias="as", max_length=100, description="which of your parties raises it; default: the first"
    )


class Doing(Body):
    """One action."""

    reason: Text = Field(default="", max_length=20_000)
    to: Text = Field(default="", max_length=200, description="a party's code or name")
    until: Day | None = None
    into: Text = Field(default="", max_length=100)
    request: Number | None = Field(default=None, description="which pending request")
    note: Text = Field(default="", max_length=20_000)
    files: Files = []
    acting_as: Text = Field(
        default="", alias="as", max_length=100, description="as which of your parties; default: the first that may"
    )


class Uploaded(BaseModel):
    """A file that waits to be named by an action."""

    digest: str = Field(description="SHA-256, in hexadecimal")
    name: str
    content_type: str
    size: int


class FileOut(Uploaded):
    """A file of an issue; `entry` is the journal entry that it came with."""

    no: int
    entry: int
    by: str
    at: datetime


class IssueOut(BaseModel):
    """An issue; moments carry the offset of the office's zone."""

    model_config = ConfigDict(extra="allow")

    number: str
    title: str
    project: str
    project_name: str
    city: str
    category: str
    severity: str
    stage: str
    status: str
    responsible: str
    lead: str
    lead_organ: str
    due_at: datetime | None
    light: str
    late_by: int
    overdue: bool
    version: int


class IssuePage(BaseModel):
    """Some issues; `next` is the cursor of the following ones."""

    items: list[IssueOut]
    next: str | None


class Possible(BaseModel):
    """An action that this user may take now, and what it needs."""

    action: str
    acting_as: str = Field(alias="as")
    needs: list[str]
    takes: list[str]


class WholeIssue(BaseModel):
    """An issue whole, as `escalation show` has it but with its newest entries and mails alone, and the actions possible now."""

    issue: IssueOut
    assignments: list[dict[str, Any]]
    journal: list[dict[str, Any]]
    mails: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    files: list[FileOut]
    actions: list[Possible] = []


class Raised(IssueOut):
    """A new issue, and why it stands where it does."""

    why: list[str]


class Entries(BaseModel):
    """A part of a journal, oldest entry first; `before` asks for the part in front of it, null when there is none."""

    items: list[dict[str, Any]]
    before: int | None


class ExplanationOut(BaseModel):
    """Why an issue is where it is, and what comes next if nobody acts."""

    because: list[str]
    next: list[dict[str, Any]]


class ProjectOut(BaseModel):
    """A project of the ledger and its open issues by light."""

    code: str
    name: str
    city: str
    department: str
    open: int
    red: int
    yellow: int
    green: int


class Projects(BaseModel):
    """The projects within sight."""

    items: list[ProjectOut]


class SummaryOut(BaseModel):
    """The figures of a period, of what this user sees."""

    kind: str
    scope: str
    period: str
    as_of: datetime
    figures: dict[str, int]
    issues: dict[str, list[str]]
