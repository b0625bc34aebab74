"""Who may come in, and how: users and the parties they act for, passwords, logins, sessions, tokens, and the audit of it all.

Nothing here says what somebody may see (`scope`) or do (`workflows.actions`).
"""

from escalation.users.accounts import User
from escalation.users.entering import Entered
from escalation.users.tokens import Bearer

__all__ = ["Bearer", "Entered", "User"]
