"""Programs that tests start: ours, and those of the system. Where one is missing, CI fails, and anybody else is told what was left out.

No wait here ends because a machine is slow: a test's own time is nothing that it is about.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

#: Our program as everybody starts it, and with time to end by itself on a machine that is busy.
ESCALATION = [sys.executable, "-m", "escalation"]
PATIENT = [sys.executable, "-P", str(Path(__file__).with_name("patient.py"))]
#: So long is waited for what another process does (seconds): it comes, or the test fails.
LONG = 180.0
#: Where Debian puts them, whatever the user's own path.
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/bin:/usr/bin:/bin"


def needed(program: str, *packages: str) -> str:
    """The path of a program; `packages` that bring it, where they have other names."""
    return shutil.which(program, path=PATH) or missing(program, *(packages or (program,)))


def until(true: Callable[[], object], seconds: float = LONG) -> None:
    """Waits until it is so; fails when that does not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited for {seconds:.0f} s"
        time.sleep(0.005)


def ended(process: subprocess.Popen[Any], number: int = signal.SIGTERM) -> tuple[int, float]:
    """Told to stop: its exit code, and after how many seconds it had ended."""
    began = time.monotonic()
    process.send_signal(number)
    return process.wait(timeout=LONG), time.monotonic() - began


def free_port() -> int:
    """One below those that the system gives to whoever asks for any: nobody is given it before it is used."""
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def missing(what: str, *packages: str) -> NoReturn:
    """Something is not there: a failure where `CI` is set, else a skip that says what to install."""
    why = f"{what} is not installed: apt-get install {' '.join(packages)}"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
