"""Where mail comes in, as the reader sees it; and the first of the two sources, a drop folder of .eml files."""

import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol

from escalation.errors import MailboxTrouble

#: At most so many mails are taken in one look; the next look takes the rest.
AT_ONCE = 200
DONE, REJECTED = "done", "rejected"


class Letter(NamedTuple):
    """A mail where it lies: its name there, and its bytes, or the beginning of one that is too large."""

    name: str
    raw: bytes


class Source(Protocol):
    """A place that mail comes to; used as a context manager, which raises MailboxTrouble when it cannot be read."""

    def __enter__(self) -> "Source": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def letters(self) -> Iterator[Letter]:
        """What has not been dealt with, the oldest first."""
        ...

    def file(self, letter: Letter, done: bool) -> None:
        """Puts a mail away, once what became of it is on record. Doing it twice, or on two nodes, does no harm."""
        ...


class Folder:
    """Files `*.eml`. Whoever delivers writes under another name and renames, so that a file is there whole.

    What was dealt with is moved to `done` or `rejected` beside it, under its own name, and never over another file.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size

    def __enter__(self) -> "Folder":
        try:
            for name in (DONE, REJECTED):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MailboxTrouble(f"the inbox {self.path} cannot be used: {error.strerror}", "check [inbox] folder") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        return None

    def letters(self) -> Iterator[Letter]:
        """Files that are files; what a link points at is none of ours."""
        for name in self._names()[:AT_ONCE]:
            # another node may have put it away meanwhile
            with suppress(FileNotFoundError):
                yield Letter(name, self._beginning(name))

    def _names(self) -> list[str]:
        try:
            found = [each for each in os.scandir(self.path) if each.name.endswith(".eml") and each.is_file(follow_symlinks=False)]
            return [each.name for each in sorted(found, key=lambda each: (each.stat(follow_symlinks=False).st_mtime, each.name))]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise MailboxTrouble(f"the inbox {self.path} cannot be read: {error.strerror}", "check [inbox] folder") from error

    def _beginning(self, name: str) -> bytes:
        try:
            with open(os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                return file.read(self.size + 1)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise MailboxTrouble(f"{self.path / name} cannot be read: {error.strerror}", "give this user the right") from error

    def file(self, letter: Letter, done: bool) -> None:
        """Moves the file."""
        folder = self.path / (DONE if done else REJECTED)
        target = folder / letter.name
        if target.exists():
            target = folder / f"{letter.name.removesuffix('.eml')}-{sha256(letter.raw).hexdigest()[:12]}.eml"
        with suppress(FileNotFoundError):
            (self.path / letter.name).rename(target)
