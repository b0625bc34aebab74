"""Every way this program says no, with the exit code and HTTP status that go with it.

EscalationError
├── UsageError        2   the call is off
├── Refused           3   a rule says no, and what is allowed instead
├── Conflict          4   somebody else changed it first
└── Unusable          5   configuration, database or a file cannot be used
    ├── BadConfig
    ├── MailboxTrouble
    │   └── LoginRefused
    └── DatabaseTrouble
        └── Contention
"""

from workflows.sentence import Several, say


class EscalationError(Exception):
    """Something was asked that cannot be done. `message` is for a person, `hint` says the mend."""

    code = "error"
    exit_code = 1
    status = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(EscalationError):
    """The call names something that is not there or makes no sense."""

    code = "usage"
    exit_code = 2
    status = 400


class NotFound(UsageError):
    """There is no such issue, project or party."""

    code = "not_found"
    status = 404


class Refused(EscalationError):
    """A rule says no; `allowed` is what this party may do now."""

    exit_code = 3
    status = 409

    def __init__(self, code: str, message: str, allowed: tuple[str, ...] = ()) -> None:
        hint = (
            say("allowed now: {actions}", actions=Several(allowed)) if allowed else say("nothing is allowed for this party now")
        )
        super().__init__(message, hint)
        self.code = code
        self.allowed = allowed


class Conflict(EscalationError):
    """Somebody else changed it first; nothing was done."""

    code = "conflict"
    exit_code = 4
    status = 412


class Unusable(EscalationError):
    """The installation cannot be used as it is."""

    code = "unusable"
    exit_code = 5
    status = 503


class BadConfig(Unusable):
    """A key or a value of the configuration is wrong."""

    code = "bad_config"


class MailboxTrouble(Unusable):
    """The mailbox that replies come to cannot be read; what is in it waits."""

    code = "mailbox"


class LoginRefused(MailboxTrouble):
    """It refuses our name or password; asking again and again would lock the account."""


class DatabaseTrouble(Unusable):
    """The database is not reachable, full, read-only, locked for too long, damaged, or of another version."""

    code = "database"


class Contention(DatabaseTrouble):
    """The database took another transaction's side (a deadlock, a serialization failure): the same again may well succeed."""

    code = "contention"
