"""The schema's versions, oldest first; see `escalation.migrating`."""
