"""The one list of channels: SMTP, a folder of .eml files until a server is configured, and webhooks of group chats."""

import asyncio
import os
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Literal

from notifications.message import Channel, Down, Message, Outcome, Sent, to_bytes
from notifications.smtp import SmtpChannel, SmtpSettings

__all__ = ["FolderChannel", "SmtpChannel", "SmtpSettings", "webhook"]


def webhook(kind: Literal["wecom", "dingtalk", "feishu", "webhook"], url: str, secret: str, seconds: float) -> Channel:
    """A robot of a group chat, or any webhook. Raises ValueError for an address that is none."""
    from notifications.robots import Webhook, WebhookChannel  # noqa: PLC0415  # ten packages that most offices never need

    return WebhookChannel(Webhook(kind, url, secret, seconds))


class FolderChannel:
    """Writes each mail to a file; one that is sent again replaces itself, it does not double."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def __aenter__(self) -> "FolderChannel":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    async def send(self, message: Message) -> Outcome:
        """A whole file or none."""
        try:
            await asyncio.to_thread(self._write, message)
        except OSError as error:
            return Down(f"the mail folder cannot be written: {error}")
        return Sent(250, "written")

    def _write(self, message: Message) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # named by its id alone: the date is another one when it is sent again
        name = sha256(message.message_id.encode()).hexdigest()[:32]
        part, whole = self.folder / f"{name}.part", self.folder / f"{name}.eml"
        part.write_bytes(to_bytes(message))
        os.replace(part, whole)
