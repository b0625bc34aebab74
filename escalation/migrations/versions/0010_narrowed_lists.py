"""indexes by lead, responsible party and project that also hold what lists are narrowed by: which issues fit is read from them."""

from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

NARROWED = ['closed_at', 'stage', 'status', 'category', 'severity']


def upgrade() -> None:
    """To this version."""
    for column, more in (('lead_id', ['project_id']), ('responsible_id', ['project_id']), ('project_id', [])):
        op.create_index(f'ix_issue_of_{column}', 'issue', [column, *NARROWED, *more], postgresql_include=['id'])
        op.drop_index(f'ix_issue_{column}', table_name='issue')
