"""docs/life-cycle.md, written from the definition and the table of actions, so that it cannot say something else."""

from workflows.actions import TABLE
from workflows.definition import SEVERITIES, Workflow
from workflows.diagram import STATUS_ZH, mermaid
from workflows.machine import WITHIN_A_STAGE

HEAD = """# The life cycle

Written by `workflows/lifepage.py` from the built-in definition; a test compares them.

State = stage × status. **Overdue is a flag with a time, not a state.** The resolve clock runs from the dispatch, stands still in
`pending_review` and `suspended`, and never stops for a request that only waits.
"""


def page(workflow: Workflow) -> str:
    """The page as markdown."""
    return "\n".join([HEAD, _limits(workflow), _statuses(), _actions(), "## Drawn\n", f"```mermaid\n{mermaid(workflow)}```", ""])


def _limits(workflow: Workflow) -> str:
    rows = [f"## Limits of `{workflow.id}`\n", "| stage | acknowledge | " + " | ".join(SEVERITIES) + " | review | when overdue |"]
    rows.append("|---" * (len(SEVERITIES) + 4) + "|")
    for stage in workflow.stages:
        following = workflow.next_stage[stage.key]
        then = f"goes up to `{following}`" if following else "stays: red card, a letter every " + str(workflow.top_overdue.repeat)
        limits = " | ".join(str(stage.resolve[severity]) for severity in SEVERITIES)
        rows.append(f"| {stage.name.zh} `{stage.key}` | {stage.acknowledge} | {limits} | {stage.review} | {then} |")
    return "\n".join(rows) + "\n"


def _statuses() -> str:
    rows = ["## Statuses\n", "| status | 中文 |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{status}` | {name} |" for status, name in STATUS_ZH.items())]) + "\n"


def _actions() -> str:
    rows = ["## Actions: who, from where, what it needs\n", "| action | who | from | leads to | needs |", "|---|---|---|---|---|"]
    for action, allowed in TABLE.items():
        target = WITHIN_A_STAGE[action][1] if action in WITHIN_A_STAGE else ""
        for row in allowed:
            needs = ", ".join(f"`--{need}`" for need in row.needs)
            rows.append(f"| `{action}` | {', '.join(row.who)} | {', '.join(row.statuses)} | {target} | {needs} |")
    return "\n".join(rows) + "\n"
