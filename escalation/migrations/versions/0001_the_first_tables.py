"""the first tables."""

import sqlalchemy as sa
from alembic import op

from notifications.moments import Moment

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table('authority',
    sa.Column('category', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('entry', sa.String(), nullable=False),
    sa.Column('organs', sa.JSON(), nullable=False),
    sa.Column('note', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('category')
    )
    op.create_table('calendar_day',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('working', sa.Boolean(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('source', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('day')
    )
    op.create_table('counter',
    sa.Column('prefix', sa.String(), nullable=False),
    sa.Column('last', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('prefix')
    )
    op.create_table('outbox',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('message_id', sa.String(), nullable=False),
    sa.Column('channel', sa.String(), nullable=False),
    sa.Column('recipient', sa.String(), nullable=False),
    sa.Column('party', sa.String(), nullable=False),
    sa.Column('language', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('about', sa.String(), nullable=False),
    sa.Column('facts', sa.LargeBinary(), nullable=False),
    sa.Column('urgent', sa.Boolean(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('queued_at', Moment(), nullable=False),
    sa.Column('next_try_at', Moment(), nullable=False),
    sa.Column('lease_until', Moment(), nullable=True),
    sa.Column('lease_by', sa.String(), nullable=True),
    sa.Column('sent_at', Moment(), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('key')
    )
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_outbox_about'), ['about'], unique=False)
        batch_op.create_index('ix_outbox_waiting', ['next_try_at'], unique=False, sqlite_where=sa.text("state IN ('queued', 'sending')"), postgresql_where=sa.text("state IN ('queued', 'sending')"))

    op.create_table('party',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('level', sa.String(), nullable=False),
    sa.Column('city', sa.String(), nullable=False),
    sa.Column('organ', sa.String(), nullable=False),
    sa.Column('role', sa.String(), nullable=False),
    sa.Column('email', sa.String(), nullable=False),
    sa.Column('mail_goes_to', sa.String(), nullable=False),
    sa.Column('language', sa.String(), nullable=False),
    sa.Column('deputy_id', sa.Integer(), nullable=True),
    sa.Column('deputy_from', sa.Date(), nullable=True),
    sa.Column('deputy_until', sa.Date(), nullable=True),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['deputy_id'], ['party.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('code'),
    sa.UniqueConstraint('name')
    )
    with op.batch_alter_table('party', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_party_organ'), ['organ'], unique=False)

    op.create_table('project',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('list_type', sa.String(), nullable=False),
    sa.Column('project_kind', sa.String(), nullable=False),
    sa.Column('lead_city', sa.String(), nullable=False),
    sa.Column('cooperating_cities', sa.String(), nullable=False),
    sa.Column('county', sa.String(), nullable=False),
    sa.Column('industry_department', sa.String(), nullable=False),
    sa.Column('construction_content', sa.Text(), nullable=False),
    sa.Column('total_investment_wan', sa.Float(), nullable=True),
    sa.Column('annual_plan_wan', sa.Float(), nullable=True),
    sa.Column('completed_ytd_wan', sa.Float(), nullable=True),
    sa.Column('planned_to_date_wan', sa.Float(), nullable=True),
    sa.Column('funds_planned_wan', sa.Float(), nullable=True),
    sa.Column('funds_arrived_wan', sa.Float(), nullable=True),
    sa.Column('financing_need_wan', sa.Float(), nullable=True),
    sa.Column('planned_start', sa.Date(), nullable=True),
    sa.Column('actual_start', sa.Date(), nullable=True),
    sa.Column('planned_completion', sa.Date(), nullable=True),
    sa.Column('planned_production', sa.Date(), nullable=True),
    sa.Column('stage', sa.String(), nullable=False),
    sa.Column('next_key_node', sa.String(), nullable=False),
    sa.Column('next_key_node_due', sa.Date(), nullable=True),
    sa.Column('owner_org', sa.String(), nullable=False),
    sa.Column('owner_contact_role', sa.String(), nullable=False),
    sa.Column('owner_email', sa.String(), nullable=False),
    sa.Column('city_coordinator_role', sa.String(), nullable=False),
    sa.Column('city_coordinator_email', sa.String(), nullable=False),
    sa.Column('department_coordinator_role', sa.String(), nullable=False),
    sa.Column('department_coordinator_email', sa.String(), nullable=False),
    sa.Column('sponsor_leader_role', sa.String(), nullable=False),
    sa.Column('sponsor_liaison_email', sa.String(), nullable=False),
    sa.Column('data_as_of', sa.Date(), nullable=True),
    sa.Column('remark', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('code')
    )
    with op.batch_alter_table('project', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_project_lead_city'), ['lead_city'], unique=False)

    op.create_table('workflow',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.Column('added_at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('workflow', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_workflow_key'), ['key'], unique=False)

    op.create_table('issue',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('number', sa.String(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('head', sa.LargeBinary(), nullable=False),
    sa.Column('workflow', sa.String(), nullable=False),
    sa.Column('project_id', sa.Integer(), nullable=False),
    sa.Column('category', sa.String(), nullable=False),
    sa.Column('severity', sa.String(), nullable=False),
    sa.Column('organ', sa.String(), nullable=False),
    sa.Column('reporter_id', sa.Integer(), nullable=False),
    sa.Column('raised_at', Moment(), nullable=False),
    sa.Column('stage', sa.String(), nullable=False),
    sa.Column('status', sa.String(), nullable=False),
    sa.Column('responsible_id', sa.Integer(), nullable=False),
    sa.Column('lead_id', sa.Integer(), nullable=False),
    sa.Column('assignment_no', sa.Integer(), nullable=False),
    sa.Column('dispatched_at', Moment(), nullable=True),
    sa.Column('acknowledged_at', Moment(), nullable=True),
    sa.Column('auto_acknowledged', sa.Boolean(), nullable=False),
    sa.Column('clock_from', Moment(), nullable=True),
    sa.Column('clock_span', sa.String(), nullable=False),
    sa.Column('due_at', Moment(), nullable=True),
    sa.Column('due_provisional', sa.Boolean(), nullable=False),
    sa.Column('ack_due_at', Moment(), nullable=True),
    sa.Column('warn_at', Moment(), nullable=True),
    sa.Column('report_due_at', Moment(), nullable=True),
    sa.Column('review_due_at', Moment(), nullable=True),
    sa.Column('remind_at', Moment(), nullable=True),
    sa.Column('resume_at', Moment(), nullable=True),
    sa.Column('hold_until', Moment(), nullable=True),
    sa.Column('remaining', sa.String(), nullable=False),
    sa.Column('suspended_wd', sa.Integer(), nullable=False),
    sa.Column('overdue_at', Moment(), nullable=True),
    sa.Column('returns_to', sa.String(), nullable=False),
    sa.Column('reminders', sa.Integer(), nullable=False),
    sa.Column('extensions', sa.Integer(), nullable=False),
    sa.Column('reports_missed', sa.Integer(), nullable=False),
    sa.Column('letters', sa.Integer(), nullable=False),
    sa.Column('yellow_cards', sa.Integer(), nullable=False),
    sa.Column('escalations', sa.Integer(), nullable=False),
    sa.Column('reopened', sa.Integer(), nullable=False),
    sa.Column('confirmed', sa.Boolean(), nullable=False),
    sa.Column('delegate_id', sa.Integer(), nullable=True),
    sa.Column('delegate_until', sa.Date(), nullable=True),
    sa.Column('urged_at', Moment(), nullable=True),
    sa.Column('closed_at', Moment(), nullable=True),
    sa.Column('changed_at', Moment(), nullable=True),
    sa.Column('wake_at', Moment(), nullable=True),
    sa.Column('title', sa.String(), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('requested_action', sa.Text(), nullable=False),
    sa.Column('progress_note', sa.Text(), nullable=False),
    sa.Column('complexity', sa.String(), nullable=False),
    sa.Column('nature', sa.String(), nullable=False),
    sa.Column('authority_level', sa.String(), nullable=False),
    sa.Column('authority_org', sa.String(), nullable=False),
    sa.Column('cooperating_orgs', sa.String(), nullable=False),
    sa.Column('handler_role', sa.String(), nullable=False),
    sa.Column('reporter_role', sa.String(), nullable=False),
    sa.Column('source', sa.String(), nullable=False),
    sa.Column('confidentiality', sa.String(), nullable=False),
    sa.Column('merged_into', sa.String(), nullable=False),
    sa.Column('import_digest', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['delegate_id'], ['party.id'], ),
    sa.ForeignKeyConstraint(['lead_id'], ['party.id'], ),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], ),
    sa.ForeignKeyConstraint(['reporter_id'], ['party.id'], ),
    sa.ForeignKeyConstraint(['responsible_id'], ['party.id'], ),
    sa.ForeignKeyConstraint(['workflow'], ['workflow.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('number')
    )
    with op.batch_alter_table('issue', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_issue_lead_id'), ['lead_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_issue_project_id'), ['project_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_issue_responsible_id'), ['responsible_id'], unique=False)
        batch_op.create_index('ix_issue_stage_status_due', ['stage', 'status', 'due_at'], unique=False)
        batch_op.create_index('ix_issue_wake_at', ['wake_at'], unique=False, sqlite_where=sa.text('wake_at IS NOT NULL'), postgresql_where=sa.text('wake_at IS NOT NULL'))

    op.create_table('assignment',
    sa.Column('issue_id', sa.Integer(), nullable=False),
    sa.Column('no', sa.Integer(), nullable=False),
    sa.Column('stage', sa.String(), nullable=False),
    sa.Column('responsible_id', sa.Integer(), nullable=False),
    sa.Column('lead_id', sa.Integer(), nullable=False),
    sa.Column('entered_at', Moment(), nullable=False),
    sa.Column('acknowledged_at', Moment(), nullable=True),
    sa.Column('auto_acknowledged', sa.Boolean(), nullable=False),
    sa.Column('due_at', Moment(), nullable=True),
    sa.Column('left_at', Moment(), nullable=True),
    sa.Column('outcome', sa.String(), nullable=False),
    sa.Column('overdue_wd', sa.Integer(), nullable=False),
    sa.Column('suspended_wd', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['issue_id'], ['issue.id'], ),
    sa.PrimaryKeyConstraint('issue_id', 'no'),
    sqlite_with_rowid=False
    )
    op.create_table('card',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('issue_id', sa.Integer(), nullable=False),
    sa.Column('party_id', sa.Integer(), nullable=False),
    sa.Column('colour', sa.String(), nullable=False),
    sa.Column('ground', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('proposed_at', Moment(), nullable=False),
    sa.Column('decided_by_id', sa.Integer(), nullable=True),
    sa.Column('decided_at', Moment(), nullable=True),
    sa.ForeignKeyConstraint(['issue_id'], ['issue.id'], ),
    sa.ForeignKeyConstraint(['party_id'], ['party.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('key')
    )
    with op.batch_alter_table('card', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_card_issue_id'), ['issue_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_card_party_id'), ['party_id'], unique=False)

    op.create_table('journal',
    sa.Column('issue_id', sa.Integer(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.Column('actor', sa.String(), nullable=False),
    sa.Column('action', sa.String(), nullable=False),
    sa.Column('from_state', sa.String(), nullable=False),
    sa.Column('to_state', sa.String(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['issue_id'], ['issue.id'], ),
    sa.PrimaryKeyConstraint('issue_id', 'seq')
    )
    op.create_table('request',
    sa.Column('issue_id', sa.Integer(), nullable=False),
    sa.Column('no', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('asked_by_id', sa.Integer(), nullable=False),
    sa.Column('asked_at', Moment(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('decide_by', Moment(), nullable=False),
    sa.Column('decider', sa.String(), nullable=False),
    sa.Column('target_id', sa.Integer(), nullable=True),
    sa.Column('until', Moment(), nullable=True),
    sa.Column('agreed_at', Moment(), nullable=True),
    sa.Column('reminded', sa.Boolean(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('decided_by_id', sa.Integer(), nullable=True),
    sa.Column('decided_at', Moment(), nullable=True),
    sa.Column('answer', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['issue_id'], ['issue.id'], ),
    sa.PrimaryKeyConstraint('issue_id', 'no'),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('request', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_request_state'), ['state'], unique=False)

    op.create_table('set_aside',
    sa.Column('issue_id', sa.Integer(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['issue_id'], ['issue.id'], ),
    sa.PrimaryKeyConstraint('issue_id')
    )


def downgrade() -> None:
    """Back from it."""
    op.drop_table('set_aside')
    with op.batch_alter_table('request', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_request_state'))

    op.drop_table('request')
    op.drop_table('journal')
    with op.batch_alter_table('card', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_card_party_id'))
        batch_op.drop_index(batch_op.f('ix_card_issue_id'))

    op.drop_table('card')
    op.drop_table('assignment')
    with op.batch_alter_table('issue', schema=None) as batch_op:
        batch_op.drop_index('ix_issue_wake_at', sqlite_where=sa.text('wake_at IS NOT NULL'), postgresql_where=sa.text('wake_at IS NOT NULL'))
        batch_op.drop_index('ix_issue_stage_status_due')
        batch_op.drop_index(batch_op.f('ix_issue_responsible_id'))
        batch_op.drop_index(batch_op.f('ix_issue_project_id'))
        batch_op.drop_index(batch_op.f('ix_issue_lead_id'))

    op.drop_table('issue')
    with op.batch_alter_table('workflow', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_workflow_key'))

    op.drop_table('workflow')
    with op.batch_alter_table('project', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_project_lead_city'))

    op.drop_table('project')
    with op.batch_alter_table('party', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_party_organ'))

    op.drop_table('party')
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.drop_index('ix_outbox_waiting', sqlite_where=sa.text("state IN ('queued', 'sending')"), postgresql_where=sa.text("state IN ('queued', 'sending')"))
        batch_op.drop_index(batch_op.f('ix_outbox_about'))

    op.drop_table('outbox')
    op.drop_table('counter')
    op.drop_table('calendar_day')
    op.drop_table('authority')
