"""A real Postfix on loopback, with a configuration, a queue and mailboxes of its own in one folder."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.programs import free_port, until

MAIN = """
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file_prefixes = {root}
maillog_file = {root}/log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.city.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
smtpd_relay_restrictions = permit_mynetworks, reject
virtual_mailbox_domains = example.com
virtual_mailbox_base = {root}/boxes
virtual_mailbox_maps = static:all/
virtual_minimum_uid = 100
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""
SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Takes mail for example.com; `boxes` has what was delivered. Root alone may start it."""

    def __init__(self, program: str) -> None:
        self.program = program
        # not pytest's own folder: nobody but root may look into that
        self.root = Path(tempfile.mkdtemp(prefix="postfix-"))
        self.boxes = self.root / "boxes" / "all" / "new"
        self.port = free_port()

    def __enter__(self) -> "Postfix":
        assert os.geteuid() == 0, "Postfix can be started by root alone: run these tests as root, as .ci/run does"
        owner = pwd.getpwnam("postfix")
        self.root.chmod(0o755)
        for name in ("conf", "spool", "data", "boxes"):
            (self.root / name).mkdir()
        for name in ("data", "boxes"):
            os.chown(self.root / name, owner.pw_uid, owner.pw_gid)
        (self.root / "conf" / "main.cf").write_text(MAIN.format(root=self.root, uid=owner.pw_uid, gid=owner.pw_gid))
        (self.root / "conf" / "master.cf").write_text(SERVICES.format(port=self.port))
        self._command("start")
        return self

    def __exit__(self, *_: object) -> None:
        self._command("stop")
        shutil.rmtree(self.root, ignore_errors=True)

    def _command(self, word: str) -> None:
        done = subprocess.run(
            [self.program, "-c", self.root / "conf", word], check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"postfix {word}: {done.stdout}{done.stderr}{self.log()}"

    def log(self) -> str:
        """What it says of itself."""
        path = self.root / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def delivered(self, count: int) -> list[bytes]:
        """The mails in the mailbox as soon as its log says that so many are there; fails when it does not.

        The log is asked and not the folder: the line comes after the file, sometimes by enough to be missed.
        """
        until(lambda: self.log().count("status=sent") >= count)
        return [path.read_bytes() for path in self.boxes.iterdir()]
