"""What alembic runs: the connection is handed in by `escalation.migrating`, inside its transaction."""

from alembic import context
from sqlmodel import SQLModel

from escalation import models

assert models.__all__
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    transactional_ddl=False,
    render_as_batch=True,
    # set only when a revision is written, to name our own column type
    render_item=context.config.attributes.get("render_item"),
)
context.run_migrations()
