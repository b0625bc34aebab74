"""`escalation …` as its entry point runs it, in this process: the exit code, and both streams."""

import io
import json
import sys
from typing import Any, NamedTuple

import pytest

from escalation import cli


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Command:
    """Runs a command in the folder and the environment that this process is in; a process takes seconds to begin."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *words: str, typed: str = "") -> Said:
        self.monkeypatch.setattr(sys, "argv", ["escalation", *words])
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = self.capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)
