"""The tables: who can answer, the issue and its stays, the record, what keeps an installation going, users, the desk."""

from escalation.models.desk import DraftRow, FileRow, UploadRow, ViewRow
from escalation.models.issues import Assignment, CardRow, Issue, RequestRow, SetAside
from escalation.models.people import Authority, PartyRow, ProjectRow, WorkflowRow
from escalation.models.record import ArchivedIssue, ArchivedMail, JournalEntry
from escalation.models.running import BouncedAddress, CalendarDay, Counter, NodeRow, ReceivedRow, Secret, UsedLink
from escalation.models.users import ApiToken, AuditRow, IdempotencyRow, UserParty, UserRow, UserSubject, WebSession
from notifications.attaching import AttachmentRow
from notifications.outbox import OutboxRow

__all__ = [
    "ApiToken",
    "ArchivedIssue",
    "ArchivedMail",
    "Assignment",
    "AttachmentRow",
    "AuditRow",
    "Authority",
    "BouncedAddress",
    "CalendarDay",
    "CardRow",
    "Counter",
    "DraftRow",
    "FileRow",
    "IdempotencyRow",
    "Issue",
    "JournalEntry",
    "NodeRow",
    "OutboxRow",
    "PartyRow",
    "ProjectRow",
    "ReceivedRow",
    "RequestRow",
    "Secret",
    "SetAside",
    "UploadRow",
    "UsedLink",
    "UserParty",
    "UserRow",
    "UserSubject",
    "ViewRow",
    "WebSession",
    "WorkflowRow",
]
