"""Daily, weekly, monthly: figures, each with the issues behind it, become messages and workbooks, once a period and recipient."""

from escalation.summaries.figures import Figures, as_of, figures
from escalation.summaries.periods import KINDS, Kind, Period, Times, due, latest
from escalation.summaries.scopes import PROVINCE, Scope

__all__ = ["KINDS", "PROVINCE", "Figures", "Kind", "Period", "Scope", "Times", "as_of", "due", "figures", "latest"]
