"""what came in by mail, and the addresses that bounced."""

import sqlalchemy as sa
from alembic import op

from notifications.moments import Moment

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table('received',
    sa.Column('message_id', sa.String(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.Column('sender', sa.String(), nullable=False),
    sa.Column('number', sa.String(), nullable=False),
    sa.Column('outcome', sa.String(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('told', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('message_id')
    )
    untold = sa.text('NOT told')
    op.create_index('ix_received_untold', 'received', ['at'], unique=False, sqlite_where=untold, postgresql_where=untold)
    op.create_table('bounced_address',
    sa.Column('address', sa.String(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('cleared_at', Moment(), nullable=True),
    sa.PrimaryKeyConstraint('address')
    )
