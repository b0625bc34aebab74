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
    if op.get_bind().dialect.name == 'sqlite':
        _search_on_sqlite()
    else:
        _search_on_postgresql()


TEXTS = ('number', 'title', 'description', 'requested_action', 'progress_note')


def _text(row: str) -> str:
    """What is searched in; two line ends between texts, so that no part of one reaches into the next."""
    return " || '\n\n' || ".join(f'{row}.{name}' for name in TEXTS) + " || '\n\n'"


def _search_on_sqlite() -> None:
    add = f'INSERT INTO issue_search(rowid, text) VALUES (new.id, {_text("new")})'
    take = f"INSERT INTO issue_search(issue_search, rowid, text) VALUES ('delete', old.id, {_text('old')})"
    changed = ' OR '.join(f'new.{name} <> old.{name}' for name in TEXTS)
    for statement in (
        "CREATE VIRTUAL TABLE issue_search USING fts5(text, content='', tokenize='trigram', detail=none)",
        "CREATE VIRTUAL TABLE issue_search_words USING fts5vocab('issue_search', 'instance')",
        f'INSERT INTO issue_search(rowid, text) SELECT id, {_text("issue")} FROM issue',
        f'CREATE TRIGGER issue_search_added AFTER INSERT ON issue BEGIN {add}; END',
        f'CREATE TRIGGER issue_search_taken AFTER DELETE ON issue BEGIN {take}; END',
        f'CREATE TRIGGER issue_search_changed AFTER UPDATE OF {", ".join(TEXTS)} ON issue WHEN {changed} BEGIN {take}; {add}; END',
    ):
        op.get_bind().exec_driver_sql(statement)


def _search_on_postgresql() -> None:
    for statement in (
        'CREATE TABLE issue_search (issue_id integer PRIMARY KEY, grams tsvector NOT NULL)',
        """CREATE FUNCTION issue_grams(text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT array_to_tsvector(coalesce(array_agg(DISTINCT one || following), '{}')) FROM (
            SELECT one, lead(one, 1, ' ') OVER (ORDER BY place) AS following
            FROM unnest(string_to_array(lower($1), NULL)) WITH ORDINALITY AS characters(one, place)) AS pairs $$""",
        f'INSERT INTO issue_search SELECT id, issue_grams({_text("issue")}) FROM issue',
        'CREATE INDEX ix_issue_search_grams ON issue_search USING gin (grams)',
        f"""CREATE FUNCTION issue_searched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' THEN
            DELETE FROM issue_search WHERE issue_id = OLD.id;
            RETURN OLD;
        END IF;
        INSERT INTO issue_search VALUES (NEW.id, issue_grams({_text("NEW")}))
        ON CONFLICT (issue_id) DO UPDATE SET grams = excluded.grams;
        RETURN NEW;
        END $$""",
        f'CREATE TRIGGER issue_searched AFTER INSERT OR DELETE OR UPDATE OF {", ".join(TEXTS)} ON issue '
        'FOR EACH ROW EXECUTE FUNCTION issue_searched()',
    ):
        op.get_bind().exec_driver_sql(statement)
