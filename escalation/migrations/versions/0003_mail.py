"""files that go with mails, what waits for approval, and the links that were used."""

import sqlalchemy as sa
from alembic import op

from notifications.moments import Moment

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table('attachment',
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('content_type', sa.String(), nullable=False),
    sa.Column('data', sa.LargeBinary(), nullable=False),
    sa.Column('kept_at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('digest')
    )
    op.create_table('secret',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('purpose', sa.String(), nullable=False),
    sa.Column('value', sa.String(), nullable=False),
    sa.Column('made_at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_secret_purpose', 'secret', ['purpose'], unique=False)
    op.create_table('used_link',
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('number', sa.String(), nullable=False),
    sa.Column('action', sa.String(), nullable=False),
    sa.Column('party', sa.String(), nullable=False),
    sa.Column('used_at', Moment(), nullable=False),
    sa.Column('expires_at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('digest')
    )
    for name in ('attached', 'approval', 'approved_by'):
        op.add_column('outbox', sa.Column(name, sa.String(), nullable=False, server_default=''))
    op.add_column('outbox', sa.Column('approved_at', Moment(), nullable=True))
    drafted, with_file = sa.text("state = 'draft'"), sa.text("attached <> ''")
    sent = sa.text('sent_at IS NOT NULL')
    op.create_index('ix_outbox_sent_at', 'outbox', ['sent_at'], unique=False, sqlite_where=sent, postgresql_where=sent)
    op.create_index('ix_outbox_drafted', 'outbox', ['approval'], unique=False, sqlite_where=drafted, postgresql_where=drafted)
    op.create_index('ix_outbox_attached', 'outbox', ['attached'], unique=False, sqlite_where=with_file, postgresql_where=with_file)
