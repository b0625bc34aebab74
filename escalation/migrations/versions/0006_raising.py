"""files of issues, what is not sent yet, lists with a name, full text search."""

import sqlalchemy as sa
from alembic import op

from notifications.moments import Moment

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table('issue_file',
    sa.Column('issue_id', sa.Integer(), nullable=False),
    sa.Column('no', sa.Integer(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('content_type', sa.String(), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('party', sa.String(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('issue_id', 'no'),
    sqlite_with_rowid=False
    )
    op.create_index('ix_issue_file_digest', 'issue_file', ['digest'], unique=False)
    op.create_index('ix_issue_file_once', 'issue_file', ['issue_id', 'digest'], unique=True)
    op.create_table('upload',
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('place', sa.String(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('content_type', sa.String(), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], ),
    sa.PrimaryKeyConstraint('user_id', 'place', 'digest'),
    sqlite_with_rowid=False
    )
    op.create_index('ix_upload_at', 'upload', ['at'], unique=False)
    op.create_index('ix_upload_digest', 'upload', ['digest'], unique=False)
    op.create_table('draft',
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('place', sa.String(), nullable=False),
    sa.Column('content', sa.JSON(), nullable=False),
    sa.Column('saved_at', Moment(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], ),
    sa.PrimaryKeyConstraint('user_id', 'place'),
    sqlite_with_rowid=False
    )
    op.create_index('ix_draft_saved_at', 'draft', ['saved_at'], unique=False)
    op.create_table('saved_view',
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('query', sa.Text(), nullable=False),
    sa.Column('saved_at', Moment(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], ),
    sa.PrimaryKeyConstraint('user_id', 'name'),
    sqlite_with_rowid=False
    )
