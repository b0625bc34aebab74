"""What others make of the mails: SpamAssassin finds nothing in them, and a real Postfix takes and delivers them unchanged."""

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest

from notifications.message import Message, Sent, to_bytes
from notifications.smtp import SmtpChannel, SmtpSettings
from tests.mail.letters import Letter
from tests.mail.postfix import Postfix
from tests.programs import needed

pytestmark = pytest.mark.programs

#: A mail counts as spam at 5.
AT_MOST = 1.0
SPAM = """From: "VIAGRA" <winner@example.com>
To: organ@example.com
Subject: XJS*C4JDBQADN1.NSBNP32ZEI6GTUBE
Message-ID: <spam@example.com>
Date: Mon, 23 Nov 2026 01:00:00 +0000

XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X
"""


def scores(mails: list[bytes], home: Path) -> dict[str, tuple[float, str]]:
    """Message-ID -> (score, the rules that fired), by the local rules alone, without memory of earlier mails."""
    program = needed("spamassassin")
    box = b"".join(b"From tiji Mon Nov 23 09:00:00 2026\n" + mail.replace(b"\r\n", b"\n") + b"\n" for mail in mails)
    command = [program, "--local", "--mbox", "--cf=use_bayes 0", "--cf=use_auto_whitelist 0", "--cf=fold_headers 0"]
    told = subprocess.run(
        command, check=False, input=box, capture_output=True, timeout=300, env={**os.environ, "HOME": str(home)}
    )
    assert told.returncode == 0, told.stderr.decode()
    found = {}
    for mail in re.split(rb"(?m)^From tiji ", told.stdout)[1:]:
        identity = re.search(rb"(?mi)^Message-ID: (\S+)", mail)
        status = re.search(rb"(?m)^X-Spam-Status: .*?score=(-?[\d.]+) .*?tests=(\S*)", mail)
        assert identity and status, mail[:2000]
        found[identity[1].decode()] = (float(status[1]), status[2].decode())
    return found


def test_spamassassin_has_nothing_against_any_mail(every: list[Letter], tmp_path: Path) -> None:
    found = scores([*[letter.raw for letter in every], SPAM.encode()], tmp_path)
    assert found.pop("<spam@example.com>")[0] > 5, "spam is known"
    assert len(found) == len(every)
    names = {letter.message.message_id: letter.name for letter in every}
    assert {names[identity]: said for identity, said in found.items() if said[0] >= AT_MOST} == {}


def test_postfix_takes_and_delivers_every_mail_unchanged(every: list[Letter]) -> None:
    messages = [letter.message for letter in every]
    with Postfix(needed("postfix")) as postfix:
        assert asyncio.run(_sent(postfix.port, messages)) == {Sent}
        delivered = postfix.delivered(len(messages))
        log = postfix.log()
    by_identity = {re.search(rb"(?m)^Message-ID: (\S+)", mail)[1].decode(): mail for mail in delivered}  # type: ignore[index]
    assert len(delivered) == len(by_identity) == len(messages)
    for message in messages:
        ours = to_bytes(message).replace(b"\r\n", b"\n")
        theirs = by_identity[message.message_id]
        assert theirs.endswith(ours), message.message_id
        added = {line.split(b":")[0] for line in theirs.removesuffix(ours).splitlines() if not line.startswith(b"\t")}
        assert added == {b"Return-Path", b"X-Original-To", b"Delivered-To", b"Received"}
        assert f"for <{message.recipient}>".encode() in theirs.removesuffix(ours)
    assert "warning: header" not in log
    assert log.count("status=sent") == len(messages)


async def _sent(port: int, messages: list[Message]) -> set[type]:
    settings = SmtpSettings(host="127.0.0.1", port=port, security="none", local_hostname="tiji.example.com", connections=2)
    async with SmtpChannel(settings) as channel:
        return {type(outcome) for outcome in await asyncio.gather(*[channel.send(message) for message in messages])}
