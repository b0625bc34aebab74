"""A sample of what each summary says, with which an office's own templates are checked."""

from collections.abc import Mapping
from typing import Any

from escalation.charts import Bar, drawn
from notifications.checking import Kind
from notifications.kinds import LANGUAGES, SUMMARY_FACTS, SUMMARY_KINDS

#: The lists and bars that a template may ask for as `#late`.
GRIDS = ("late", "soon", "stages", "units", "cities", "departments", "today", "unsigned", "review", "reminders")
_LIST: Mapping[str, Any] = {
    "head": ["编号", "项目"],
    "rows": [["WT26-0007", "冷库"]],
    "links": ["https://tiji.example.com/"],
    "more": 2,
}
_BARS: Mapping[str, Any] = {"caption": "未销号问题", "bars": [each._asdict() for each in drawn([Bar("市级", 3, 1)])]}
_SAID = {
    "number": "2026-W47",
    "title": "全省",
    "scope": "全省",
    "period": "11月16日至11月22日",
    "as_of": "11月23日09:00",
    "day": "11月23日",
    "by_stage": "市级12件、厅局级6件",
    "overdue_by_stage": "市级2件",
    "common": "用电",
    "reply_by": "11月25日",
    "change": "较上期：未销号+2件。",
    "attached": "2026-W47.xlsx",
    "link": "https://tiji.example.com/summaries",
    "coordinator": "省专班办公室",
    "recipient_name": "省专班办公室",
}
_SAMPLE: Mapping[str, Any] = {
    **dict.fromkeys(SUMMARY_FACTS, "3"),
    **_SAID,
    "made_at": "",
    "cc": "",
    "grids": {name: _BARS if name in ("stages", "units") else _LIST for name in GRIDS},
}


def kinds() -> dict[str, Kind]:
    """Every summary, as the check of templates needs to know it."""
    return {kind: Kind(SUMMARY_FACTS, dict.fromkeys(LANGUAGES, _SAMPLE), GRIDS) for kind in SUMMARY_KINDS}
