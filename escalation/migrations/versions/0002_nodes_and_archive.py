"""the nodes that work on the store, and the archive of what is over."""

import sqlalchemy as sa
from alembic import op

from notifications.moments import Moment

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table('node',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('program', sa.String(), nullable=False),
    sa.Column('started_at', Moment(), nullable=False),
    sa.Column('seen_at', Moment(), nullable=False),
    sa.Column('swept_at', Moment(), nullable=True),
    sa.Column('sweep_seconds', sa.Float(), nullable=False),
    sa.Column('dispatched_at', Moment(), nullable=True),
    sa.Column('held', sa.Boolean(), nullable=False),
    sa.Column('stopped_at', Moment(), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('archived_issue',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('number', sa.String(), nullable=False),
    sa.Column('project_id', sa.Integer(), nullable=False),
    sa.Column('category', sa.String(), nullable=False),
    sa.Column('severity', sa.String(), nullable=False),
    sa.Column('stage', sa.String(), nullable=False),
    sa.Column('lead_id', sa.Integer(), nullable=False),
    sa.Column('raised_at', Moment(), nullable=False),
    sa.Column('closed_at', Moment(), nullable=False),
    sa.Column('archived_at', Moment(), nullable=False),
    sa.Column('escalations', sa.Integer(), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('number')
    )
    op.create_index('ix_archived_issue_closed_at', 'archived_issue', ['closed_at'], unique=False)
    op.create_index('ix_archived_issue_project_id', 'archived_issue', ['project_id'], unique=False)
    op.create_table('archived_mail',
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('message_id', sa.String(), nullable=False),
    sa.Column('recipient', sa.String(), nullable=False),
    sa.Column('party', sa.String(), nullable=False),
    sa.Column('language', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('about', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('queued_at', Moment(), nullable=False),
    sa.Column('sent_at', Moment(), nullable=True),
    sa.PrimaryKeyConstraint('key')
    )
    op.create_index('ix_archived_mail_about', 'archived_mail', ['about'], unique=False)
    op.add_column('outbox', sa.Column('merged_into', sa.String(), nullable=False, server_default=''))
    closed = sa.text('closed_at IS NOT NULL')
    op.create_index('ix_issue_closed_at', 'issue', ['closed_at'], unique=False, sqlite_where=closed, postgresql_where=closed)
