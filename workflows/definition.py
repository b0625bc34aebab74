"""The words of a workflow definition: frozen values that the rules read and that a TOML file spells out."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from workflows.deadlines import Duration

Severity = Literal["general", "major", "urgent"]
SEVERITIES: tuple[Severity, ...] = ("general", "major", "urgent")


def _duration(value: object) -> object:
    if isinstance(value, Duration):
        return value
    if not isinstance(value, str):
        raise ValueError('a limit is text; write a number with wd, wh or h in quotes, as in "10wd"')
    return Duration.parse(value)


Limit = Annotated[
    Duration,
    BeforeValidator(_duration),
    PlainSerializer(str, return_type=str),
]
BySeverity = Mapping[Severity, Limit]


class Value(BaseModel):
    """A frozen piece of a definition; a key it does not know is a mistake, not a comment."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Name(Value):
    """What people read: Chinese first, English second."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def in_language(self, language: str) -> str:
        """The name in `language` (`zh_CN`, `en`); Chinese for any other."""
        return self.en if language == "en" else self.zh


class Coordinator(Value):
    """Who accepts, chases, confirms and closes at a stage: the party with this role, within this scope."""

    role: str
    of: Literal["city", "department", "everywhere"] = "everywhere"


class Stage(Value):
    """One rung of the ladder, with its limits."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: Name
    coordinator: Coordinator
    #: `organ`: the competent organ of the catalogue. `sponsor`: the project's sponsoring leader, while the organ
    #: that led before goes on doing the work.
    responsible: Literal["organ", "sponsor"] = "organ"
    acknowledge: Limit
    resolve: BySeverity
    review: Limit
    on_overdue: Literal["escalate", "repeat"] = "escalate"
    #: Where it goes up to; the next stage of the list when left out.
    next: str | None = None
    #: Before the coordinator may close, this role must have confirmed (`sponsor_liaison` at the top).
    confirmed_by: str | None = None
    #: May an issue be sent down from here with an instruction (`remand`)?
    may_remand: bool = False


class Intake(Value):
    """The coordinator checks, sorts and dispatches within `limit`; then reminders, then the superior."""

    limit: Limit
    repeat: Limit
    auto_dispatch: bool = False


class Extension(Value):
    """How long a deadline may be put off, and by whom (domain.md 2.6)."""

    ask_before: Limit
    at_most: Limit
    at_most_share: float = Field(gt=0, le=5)
    times: int = Field(ge=0)
    decide: Limit
    #: A request made in time holds escalation this long past the deadline, then it goes up all the same.
    hold: Limit


class SuspensionReason(Value):
    """One reason of the closed list; `until` (MM-DD) bounds a seasonal one."""

    key: str
    name: Name
    until: str | None = Field(default=None, pattern=r"^\d\d-\d\d$")


class Suspension(Value):
    """A pause is granted one level up, for a reason of the list, with a date to resume."""

    at_most_days: int = Field(ge=1)
    decide: Limit
    reasons: tuple[SuspensionReason, ...]


class Objection(Value):
    """'Not our duty': one objection per organ and issue, within this time of the dispatch."""

    within: Limit
    decide: Limit


class Transfer(Value):
    """Responsibility moves inside one level when the target agrees and the coordinator approves."""

    decide: Limit


class CoHandling(Value):
    """Sub-tasks of cooperating organs end before the lead's own deadline."""

    margin: Limit


class Reopening(Value):
    """A closed issue that was not solved comes back, with a share of the original limit."""

    within_days: int = Field(ge=1)
    share: float = Field(gt=0, le=1)


class TopOverdue(Value):
    """At the last stage there is nowhere to go: letters are repeated until it is closed."""

    repeat: Limit


class Cards(Value):
    """When the system proposes a card for a person to confirm."""

    late_acknowledgements_a_month: int = Field(ge=1)
    missed_reports_in_a_row: int = Field(ge=1)


class Category(Value):
    """A kind of problem: who is competent at each stage, and at which stage it enters."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: Name
    entry: str
    organs: Mapping[str, str] = Field(default_factory=dict)
    note: str = ""


class Workflow(Value):
    """One version of the rules. Every issue keeps the version that it was raised under."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = Field(ge=1)
    name: Name
    stages: tuple[Stage, ...] = Field(min_length=1)
    intake: Intake
    warning: BySeverity
    progress: BySeverity
    yellow_light: Limit
    progress_text_at_least: int = Field(default=1, ge=1)
    extension: Extension
    suspension: Suspension
    objection: Objection
    transfer: Transfer
    co_handling: CoHandling
    reopening: Reopening
    top_overdue: TopOverdue
    cards: Cards
    #: Severities for which the province office may lift an issue over a stage.
    skip_severities: tuple[Severity, ...] = ("urgent",)
    #: A city's proper name where it is not its name and 市, for `{city}` in the catalogue.
    cities: Mapping[str, str] = Field(default_factory=dict)
    categories: tuple[Category, ...] = ()

    @property
    def id(self) -> str:
        """`key@version`, the name that issues are pinned to."""
        return f"{self.key}@{self.version}"

    @cached_property
    def stage_by_key(self) -> dict[str, Stage]:
        """Each stage under its key."""
        return {stage.key: stage for stage in self.stages}

    @cached_property
    def category_by_key(self) -> dict[str, Category]:
        """Each category under its key."""
        return {category.key: category for category in self.categories}

    @cached_property
    def level(self) -> dict[str, int]:
        """How high each stage is; the first is 0."""
        return {stage.key: height for height, stage in enumerate(self.stages)}

    @cached_property
    def next_stage(self) -> dict[str, str | None]:
        """Where an overdue issue goes from each stage; None where it stays and letters are repeated."""
        keys = [stage.key for stage in self.stages]
        after = dict(zip(keys, [*keys[1:], None], strict=True))
        return {stage.key: (stage.next or after[stage.key]) if stage.on_overdue == "escalate" else None for stage in self.stages}

    @property
    def top(self) -> Stage:
        """The last stage of the ladder."""
        return self.stages[-1]

    def stage(self, key: str) -> Stage:
        """The stage called `key`. Raises KeyError for one that this version does not have."""
        return self.stage_by_key[key]

    def name_of(self, level: str) -> str:
        """What the stage of a level is called in Chinese; the level itself where it is no stage."""
        return self.stage_by_key[level].name.zh if level in self.stage_by_key else level
