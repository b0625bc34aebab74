"""For schemathesis alone: a key of every call's own, since the same key for another request is refused, and rightly."""

from itertools import count
from typing import Any

import schemathesis

NUMBERS = count()
LONGEST = 200


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and key and len(key) <= LONGEST:
        case.headers["Idempotency-Key"] = f"key-{next(NUMBERS)}"
