"""When a mail that did not go out is tried again, and when that ends."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again: a table of minutes, then its last step until the life is used up (Postfix keeps five days too).

    The life is time spent trying, counted in tries: a mail that waited over a long holiday, or through an outage, or while
    our own login was refused, still has all of it.
    """

    minutes: tuple[int, ...] = (1, 5, 15, 60)
    jitter: float = 0.2
    life: timedelta = timedelta(days=5)
    hold: timedelta = timedelta(minutes=5)
    #: How long nobody asks a server that is down.
    pause: timedelta = timedelta(minutes=1)

    @property
    def tries(self) -> int:
        """How many tries fill the life; the last one that fails is the end."""
        first = sum(self.minutes[:-1])
        rest = max(0, self.life // timedelta(minutes=1) - first)
        return len(self.minutes) - 1 + max(1, -(-rest // self.minutes[-1]))

    def wait(self, key: str, attempt: int) -> timedelta:
        """How long to wait after the given attempt (from 1); spread by a fifth, the same for the same message."""
        base = self.minutes[min(max(attempt, 1), len(self.minutes)) - 1]
        spread = int(sha256(f"{key}:{attempt}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF * 2 - 1
        return timedelta(minutes=base * (1 + self.jitter * spread))


USUAL = RetryPolicy()
