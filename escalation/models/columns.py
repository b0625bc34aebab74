"""Columns that many tables have."""

from typing import Any

from sqlalchemy import Column
from sqlmodel import Field

from notifications.moments import Moment


def moment(*, nullable: bool = True, index: bool = False) -> Any:
    """A column for an aware moment, kept in UTC."""
    return Field(default=None, sa_column=Column(Moment, nullable=nullable, index=index))
