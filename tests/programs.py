"""Programs of the system that some tests ask: where one is missing, CI fails, and anybody else is told what was left out."""

import os
import shutil
from typing import NoReturn

import pytest

#: Where Debian puts them, whatever the user's own path.
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/bin:/usr/bin:/bin"


def needed(program: str, *packages: str) -> str:
    """The path of a program; `packages` that bring it, where they have other names."""
    return shutil.which(program, path=PATH) or missing(program, *(packages or (program,)))


def missing(what: str, *packages: str) -> NoReturn:
    """Something is not there: a failure where `CI` is set, else a skip that says what to install."""
    why = f"{what} is not installed: apt-get install {' '.join(packages)}"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
