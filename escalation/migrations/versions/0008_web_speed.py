"""indexes for lists and to-dos of a million issues; the one by stage, status and deadline is a part of the first."""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

LISTED = 'due_at id stage status overdue_at category severity project_id lead_id responsible_id reporter_id delegate_id confirmed closed_at'


def upgrade() -> None:
    """To this version."""
    for name, table, columns, where in (
        ('ix_issue_open', 'issue', LISTED.split(), 'closed_at IS NULL'),
        ('ix_issue_delegate_id', 'issue', ['delegate_id'], 'delegate_id IS NOT NULL'),
        ('ix_request_target_id', 'request', ['target_id'], 'target_id IS NOT NULL'),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_index('ix_issue_reporter_id', 'issue', ['reporter_id'])
    op.drop_index('ix_issue_stage_status_due', table_name='issue')
