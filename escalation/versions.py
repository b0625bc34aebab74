"""Workflow versions: checked, compared with the running one, and made the one for new issues; running issues keep theirs.

The caller commits.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, update
from sqlmodel import Session

from escalation.errors import BadConfig, NotFound, UsageError
from escalation.models import WorkflowRow
from escalation.users import audit
from escalation.world import WORKFLOW, World, touch
from workflows.comparing import Difference, differences
from workflows.definition import Workflow
from workflows.loading import BadDefinition, Problem, digest, loads
from workflows.sentence import Several, say
from workflows.soundness import check as sound


class Checked(NamedTuple):
    """A definition that somebody would like to run."""

    #: None when it cannot be read.
    workflow: Workflow | None
    problems: tuple[Problem, ...]
    #: What it says otherwise than the version for new issues.
    changes: tuple[Difference, ...]
    #: That version; empty where there is none.
    running: str


def check(world: World, source: str, place: str) -> Checked:
    """Can this text become the rules for new issues, and what would be otherwise? `place` names it in what is said.

    The organs that it names have to be in the directory. Where running issues stand does not matter: they keep their version.
    """
    try:
        workflow = loads(source, place)
    except BadDefinition as error:
        return Checked(None, error.problems, (), world.active)
    problems = sound(workflow, organs={each.organ for each in world.directory.parties if each.active})
    kept = world.sources.get(workflow.id)
    if kept is not None and digest(kept) != digest(source):
        problems.append(Problem("version", f"{workflow.id} is in the store with other rules", "give it a higher version"))
    changes = differences(world.rules().workflow, workflow) if world.active else ()
    return Checked(workflow, tuple(problems), tuple(changes), world.active)


def take(session: Session, world: World, source: str, place: str, now: datetime, *, by: str = "command line") -> str:
    """Keeps a definition and makes it the one for new issues; its id. Raises UsageError for one that is not sound."""
    found = check(world, source, place)
    if found.workflow is None or found.problems:
        raise UsageError(
            say("{place} cannot be used: {problem}", place=place, problem=found.problems[0]),
            "`escalation workflow check` names everything",
        )
    workflow = found.workflow
    if workflow.id not in world.sources:
        _add(session, workflow, source, now, active=False)
    _choose(session, workflow.id, world.active, now, by)
    return workflow.id


def choose(session: Session, world: World, version: str, now: datetime, *, by: str = "command line") -> None:
    """Makes a version that is in the store the one for new issues. Raises NotFound."""
    if version not in world.sources:
        raise NotFound(
            say("there is no workflow version {version!r}", version=version),
            say("there are {known}", known=Several(sorted(world.sources))) if world.sources else "there are none",
        )
    _choose(session, version, world.active, now, by)


def _choose(session: Session, version: str, before: str, now: datetime, by: str) -> None:
    if version == before:
        return
    session.connection().execute(update(WORKFLOW).values(active=WORKFLOW.c.id == version))
    session.flush()
    touch(session)
    audit.note(session, now, by, "workflow_activated", f"{before or '—'} → {version}")


def keep(session: Session, source: str, place: str, now: datetime, *, named: bool) -> None:
    """Keeps the configuration's definition as it is for ever, and lets it be the one for new issues.

    The built-in one (not `named`) steps back where somebody has chosen a version by hand. Raises BadConfig for the same version
    with other rules.
    """
    workflow = loads(source, place)
    known = session.get(WorkflowRow, workflow.id)
    if known is not None and known.digest == digest(source):
        return
    if known is not None:
        raise BadConfig(f"{workflow.id} is in the store with other rules", "give the changed definition a higher version")
    chosen = session.connection().execute(select(WORKFLOW.c.id).where(WORKFLOW.c.active.is_(False)).limit(1)).scalar()
    _add(session, workflow, source, now, active=named or chosen is None)
    touch(session)


def _add(session: Session, workflow: Workflow, source: str, now: datetime, *, active: bool) -> None:
    row = WorkflowRow(
        id=workflow.id, key=workflow.key, version=workflow.version, source=source, digest=digest(source), added_at=now
    )
    row.active = active
    session.add(row)
    session.flush()
