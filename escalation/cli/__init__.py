"""The command line: commands by subject; no rule lives here.

Exit codes: 0 done; 1 found something wrong; 2 the call is off; 3 refused by a rule; 4 somebody else changed it first;
5 configuration, database or a file cannot be used.
"""

import errno
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from escalation.cli import (
    approvals,
    directory,
    inbox,
    issues,
    keeping,
    ledger,
    operating,
    rules,
    serving,
    summaries,
    templates,
    users,
)
from escalation.cli.shared import complain
from escalation.errors import EscalationError, Unusable

INTERRUPTED = 130
#: What helps where a file or folder that somebody named, or the one he is in, cannot be used.
_RIGHTS = "type the command in a folder that this user may use, and look whether he may read and write there"
_OTHER = "make the folder first, or name another place"
_MENDS = dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _RIGHTS) | dict.fromkeys(
    (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG), _OTHER
)
app = typer.Typer(
    name="escalation",
    help="问题提级办理 Issue escalation: one issue, one responsible party, one deadline.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (operating, serving, keeping, inbox, ledger, directory, issues, users, rules, templates, summaries, approvals):
    module.register(app)


def _told(wanted: bool) -> None:
    if wanted:
        typer.echo(f"escalation {version('escalation')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_told, help="版本 which version this is")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs a command; every error is one line for a person, never a traceback."""
    as_json = "--json" in sys.argv
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        if code == INTERRUPTED:  # typer's word for a KeyboardInterrupt, and it says nothing
            raise KeyboardInterrupt
    except EscalationError as error:
        complain(error.code, error.message, error.hint, as_json=as_json, allowed=getattr(error, "allowed", None))
        code = error.exit_code
    except typer.TyperException as error:
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        context = getattr(error, "ctx", None)
        complain("usage", said, f"`{context.command_path if context else 'escalation'} --help` shows how", as_json=as_json)
        code = 2
    except (typer.Abort, KeyboardInterrupt):
        complain("interrupted", "interrupted; nothing was left half done", "", as_json=as_json)
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = _unforeseen(error, as_json)
    sys.exit(code if isinstance(code, int) else 0)


def _unforeseen(error: Exception, as_json: bool) -> int:
    """At the edge of the process a person gets a sentence, a developer the traceback when asked for."""
    if os.environ.get("ESCALATION_DEBUG"):
        raise error
    if isinstance(error, OSError) and error.filename is not None and (mend := _MENDS.get(error.errno or 0)):
        complain("no_access", f"{os.fsdecode(error.filename)}: {error.strerror}", mend, as_json=as_json)
        return Unusable.exit_code
    hint = "this is a mistake of the program; set ESCALATION_DEBUG=1 to see where"
    complain("internal", f"{type(error).__name__}: {error}", hint, as_json=as_json)
    return 1
