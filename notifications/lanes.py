"""Lanes: each way out has its own claims, limits and troubles, and holds up no other."""

from typing import NamedTuple

from sqlalchemy import ColumnElement, true


class Lane(NamedTuple):
    """A way out and the messages that go by it.

    Mail takes what no other lane does, so that a message whose channel is no longer configured is not forgotten.
    """

    name: str = "mail"
    #: The lanes beside mail.
    others: tuple[str, ...] = ()

    def holds(self, channel: ColumnElement[str]) -> ColumnElement[bool]:
        """Which messages are its own, by their column `channel`; no condition at all where there is only mail."""
        if self.name != "mail":
            return channel == self.name
        return channel.not_in(self.others) if self.others else true()


MAIL = Lane()
