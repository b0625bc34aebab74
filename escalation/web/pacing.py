"""How fast one person or program may ask: a bucket for each that fills evenly, and what costs more takes more out of it.

One process counts for itself. Logins have a limit of their own that the store keeps (`users/entering.py`).
"""

from datetime import datetime, timedelta
from threading import Lock

from fastapi import Request

from escalation.errors import EscalationError
from workflows.sentence import say

#: What a search, a form or an action takes out of the bucket beside a page; and what reads or writes a lot at once.
DEAR, DEAREST = 5, 20
HEAVY = ("/issues/bulk", "/api/v1/files", "/summaries", "/charts")
#: So many callers are remembered; those that have been quiet for a minute are forgotten first.
CALLERS = 10_000
WINDOW = timedelta(minutes=1)


class TooFast(EscalationError):
    """Too many requests in a short time."""

    code = "too_fast"
    exit_code = 3
    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(say("too many requests in a short time"), say("wait {seconds} seconds, then go on", seconds=seconds))
        self.headers = {"Retry-After": str(seconds)}


class Pace:
    """What each caller may still ask for. `per_minute`: so many pages; 0: as many as they like."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._lock = Lock()
        self._left: dict[str, tuple[datetime, float]] = {}

    def take(self, who: str, cost: int, now: datetime) -> None:
        """Takes the cost of a request out of somebody's bucket. Raises TooFast when there is not enough in it."""
        if not self.per_minute:
            return
        cost = min(cost, self.per_minute)  # a full bucket is enough for anything
        with self._lock:
            since, left = self._left.get(who, (now, float(self.per_minute)))
            passed = max(now - since, timedelta(0)) / WINDOW
            left = min(float(self.per_minute), left + passed * self.per_minute)
            if left < cost:
                raise TooFast(1 + int((cost - left) * WINDOW.total_seconds() / self.per_minute))
            if len(self._left) >= CALLERS:
                self._left = {each: kept for each, kept in self._left.items() if now - kept[0] < WINDOW}
            self._left[who] = (max(now, since), left - cost)


def cost(request: Request) -> int:
    """What a request costs, in pages."""
    if request.url.path.startswith(HEAVY):
        return DEAREST
    return DEAR if request.method == "POST" or request.query_params.get("q") else 1
