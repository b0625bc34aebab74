"""The secret that forms and links are signed with: a file that only this user reads, made when it is first needed."""

import os
import secrets
from pathlib import Path

from escalation.errors import BadConfig

LENGTH = 32


def kept(path: Path) -> bytes:
    """The secret in a file, made if there is none; two processes at once get the same one. Raises BadConfig."""
    try:
        if not path.exists():
            _make(path)
        found = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise BadConfig(f"web.secret_file: {path} cannot be used: {error.strerror}", "name a file this user may write") from error
    except ValueError as error:
        raise BadConfig(
            f"web.secret_file: {path} holds no secret", "delete it; a new one is made, old links stop working"
        ) from error
    if len(found) < LENGTH:
        raise BadConfig(f"web.secret_file: {path} is too short", "delete it; a new one is made, old links stop working")
    return found


def _make(path: Path) -> None:
    """Written beside it and linked into place: it is there whole or not at all, and the first of two wins."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with open(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_bytes(LENGTH).hex() + "\n")
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
