"""Every mail in both languages, as it reads as plain text.

After a change of a text: UPDATE_SNAPSHOTS=1 pytest tests/mail/test_words.py, and read the difference.
"""

import os
import re
from pathlib import Path

import pytest

from notifications.kinds import FACTS, KINDS, LANGUAGES
from notifications.samples import facts
from tests.mail.letters import EACH, NAMES

SNAPSHOTS = Path(__file__).parents[1] / "snapshots" / "mails"
#: Nothing to do, nothing to lose: it is over, or waits by itself.
OVER = {
    "closed",
    "rejected",
    "withdrawn",
    "merged",
    "suspended",
    "receipt",
    "request_decided",
    "calendar_missing",
    "supervision_letter",
}


def test_the_sample_knows_every_fact():
    for kind in KINDS:
        assert set(facts(kind, "zh_CN")) == set(facts(kind, "en")) == set(FACTS), kind


@pytest.mark.parametrize(("name", "language"), EACH)
def test_how_it_reads(letter, name, language):
    mail = letter(name, language).message
    path = SNAPSHOTS / language / f"{name}.txt"
    reads = re.sub(r"/a/\S+", "/a/…", f"{mail.subject}\n\n{mail.text}\n")  # links to act by are signed with a key of their own
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(reads, encoding="utf-8")
    assert reads == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_snapshot_is_left_over(language):
    assert {path.stem for path in (SNAPSHOTS / language).iterdir()} == set(NAMES)


@pytest.mark.parametrize(("name", "language"), EACH)
def test_it_reads_like_a_letter(letter, name, language):
    mail = letter(name, language).message
    text = f"{mail.subject}\n{mail.text}"
    assert not re.search(
        r"[{}]|\bNone\b|项目项目|\(s\)|\S  |(?m:^[：:,，])|[：:]\n--|，。|、。|；。|\(\)|（）|0个工作日|\b0 working", text
    )
    assert not re.search(r"\n{3}", text), "paragraphs stand one line apart"
    if language == "zh_CN":
        assert not re.search(r"[\u4e00-\u9fff][,;()?!]", text), "Chinese punctuation"
    else:
        assert not re.search(r"[\u3000-\u303f\uff00-\uffef]", text), "English punctuation"


@pytest.mark.parametrize(("name", "language"), [each for each in EACH if each[0] not in OVER])
def test_it_says_what_happens_if_nothing_is_done(letter, name, language):
    if not name.startswith(("summary_weekly", "summary_monthly")):  # those ask for an answer by a day
        assert re.search(r"(?m)^\* ", letter(name, language).message.text)
