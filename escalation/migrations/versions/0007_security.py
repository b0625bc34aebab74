"""whom the identity provider means, and passwords that somebody else chose."""

import sqlalchemy as sa
from alembic import op

from notifications.moments import Moment

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table('user_subject',
    sa.Column('issuer', sa.String(), nullable=False),
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('bound_at', Moment(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], ),
    sa.PrimaryKeyConstraint('issuer', 'subject'),
    sa.UniqueConstraint('user_id')
    )
    op.add_column('user', sa.Column('password_given', sa.Boolean(), server_default=sa.text('false'), nullable=False))
