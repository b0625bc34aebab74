"""an index of the stays that were acknowledged by themselves: how many a party had this month is asked with every issue that may be next."""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_index(
        'ix_assignment_auto', 'assignment', ['lead_id', 'acknowledged_at'],
        sqlite_where=sa.text('auto_acknowledged = 1'), postgresql_where=sa.text('auto_acknowledged'),
    )  # fmt: skip
