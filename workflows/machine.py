"""The life cycle as a state machine: the only home of `transitions`. One machine a workflow version, shared by all issues.

A state is `stage.status`. The machine says where an action leads; who may do it and what they need is in `actions`.
"""

from functools import cache
from typing import NamedTuple

from transitions import Machine, MachineError

from workflows.definition import Workflow
from workflows.facts import STATUSES

#: action -> (statuses it starts from, status it ends in); the stage stays.
WITHIN_A_STAGE: dict[str, tuple[tuple[str, ...], str]] = {
    "dispatch": (("pending_intake",), "pending_ack"),
    "reject": (("pending_intake",), "rejected"),
    "merge": (("pending_intake", "processing"), "merged"),
    "withdraw": (("pending_intake", "pending_ack", "processing"), "withdrawn"),
    "acknowledge": (("pending_ack",), "processing"),
    "auto_acknowledge": (("pending_ack",), "processing"),
    "reassign": (("pending_ack", "processing", "pending_review", "suspended"), "pending_ack"),
    "transfer": (("processing",), "processing"),
    "resolve": (("processing",), "pending_review"),
    "close": (("pending_review",), "closed"),
    "return_for_rework": (("pending_review",), "processing"),
    "suspend": (("processing",), "suspended"),
    "resume": (("suspended",), "processing"),
    "reopen": (("closed",), "processing"),
}
#: Actions that go up; from where they may start.
UPWARDS = ("pending_ack", "processing")
SKIPPING = ("pending_intake", "pending_ack", "processing", "pending_review", "suspended")


class State(NamedTuple):
    """Where an issue stands."""

    stage: str
    status: str

    @classmethod
    def parse(cls, name: str) -> "State":
        """`city.processing` taken apart."""
        stage, status = name.split(".")
        return cls(stage, status)


class NoSuchMove(Exception):
    """The life cycle has no such action from this state."""


class _Holder:
    """A throw-away bearer of a state, so that no issue is ever registered with the machine."""

    def __init__(self, state: str) -> None:
        self.state = state


class LifeCycle:
    """Answers where an action leads from a state, for one workflow version."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self._machine = Machine(
            model=None,
            states=[f"{stage.key}.{status}" for stage in workflow.stages for status in STATUSES],
            transitions=[list(each) for each in transitions_of(workflow)],
            initial=None,
            auto_transitions=False,
        )
        self.after = cache(self._after)
        self.triggers = cache(self._triggers)

    def _after(self, stage: str, status: str, trigger: str) -> State:
        """The state that `trigger` leads to. Raises NoSuchMove."""
        holder = _Holder(f"{stage}.{status}")
        event = self._machine.events.get(trigger)
        if event is None:
            raise NoSuchMove(trigger)
        try:
            event.trigger(holder)
        except MachineError as error:
            raise NoSuchMove(f"{trigger} from {stage}.{status}") from error
        return State.parse(holder.state)

    def _triggers(self, stage: str, status: str) -> tuple[str, ...]:
        """The triggers that the life cycle has from a state."""
        return tuple(self._machine.get_triggers(f"{stage}.{status}"))


def transitions_of(workflow: Workflow) -> list[tuple[str, str, str]]:
    """Every (trigger, from, to) of a workflow: the one table that machine, diagram and soundness check read."""
    found = [
        (action, f"{stage.key}.{source}", f"{stage.key}.{target}")
        for stage in workflow.stages
        for action, (sources, target) in WITHIN_A_STAGE.items()
        for source in sources
    ]
    for stage in workflow.stages:
        following = workflow.next_stage[stage.key]
        if following is not None:
            found += [
                (action, f"{stage.key}.{source}", f"{following}.pending_ack")
                for action in ("escalate", "escalate_auto")
                for source in UPWARDS
            ]
        if stage.key != workflow.top.key:
            found += [("escalate_skip", f"{stage.key}.{source}", f"{workflow.top.key}.pending_ack") for source in SKIPPING]
        if stage.may_remand:
            below = workflow.stages[: workflow.level[stage.key]]
            found += [
                (f"remand_to_{lower.key}", f"{stage.key}.{source}", f"{lower.key}.pending_ack")
                for lower in below
                for source in ("pending_ack", "processing")
            ]
        for upper in workflow.stages[workflow.level[stage.key] + 1 :]:
            if upper.may_remand:
                found += [(f"return_to_{upper.key}", f"{stage.key}.{source}", f"{upper.key}.pending_ack") for source in UPWARDS]
    return found
