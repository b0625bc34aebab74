"""Rows of promises.md whose faults are injected by tests that stand beside what they test: counted here, not done again."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    """A row of the report: what was injected, what each of these tests saw, and where they are (`file::name`)."""

    row: int
    fault: str
    seen: str
    tests: tuple[str, ...]


ELSEWHERE = (
    Row(
        7, "the disk full, the file read-only, held by another program, or no database at all",
        "a clear sentence with what to do, nothing half done",
        (
            "store/test_database.py::test_a_full_disk_leaves_nothing_half_done",
            "store/test_database.py::test_a_database_that_takes_no_writes",
            "store/test_database.py::test_a_database_that_somebody_holds",
            "store/test_database.py::test_a_file_that_is_no_database",
        ),
    ),
    Row(
        12, "SMTP smuggling, bare CR and LF, dots, long lines, control and bidirectional characters, names beyond ASCII",
        "one mail, the right recipient, no header more, no line over 78 octets",
        (
            "faults/test_smtp.py::test_no_text_smuggles_a_second_mail",
            "faults/test_smtp.py::test_a_bad_recipient_never_becomes_another",
            "unit/test_message.py::test_any_text_arrives_as_it_was",
            "unit/test_message.py::test_no_line_is_long_and_every_byte_is_ascii",
            "unit/test_message.py::test_no_text_adds_a_header",
        ),
    ),
    Row(
        13, "addresses malformed, dead, and bounced by the servers of five makers",
        "dead letter, the coordinator or the deputy gets the mail, the address is marked; a forged bounce marks nothing",
        (
            "unit/test_message.py::test_what_is_not_one_address_is_refused",
            "store/test_outbox.py::test_given_up_is_dead_at_once_until_somebody_asks_again",
            "inbound/test_taking.py::test_a_bounce_marks_the_address_and_the_coordinator_gets_the_mail",
            "inbound/test_taking.py::test_the_deputy_stands_in_for_an_address_that_bounced",
            "inbound/test_taking.py::test_who_is_left_when_the_coordinator_bounces_too",
            "inbound/test_taking.py::test_a_forged_bounce_marks_nothing",
        ),
    ),
    Row(
        14, "templates broken, endless, recursive, reaching out of the sandbox",
        "the built-in text went out, the problem is named",
        (
            "unit/test_rendering.py::test_what_is_broken_or_hostile_gives_way_to_the_built_in_text",
            "unit/test_rendering.py::test_a_shared_piece_cannot_build_a_tower",
        ),
    ),
    Row(
        15, "a person and the sweep on one issue at the same moment",
        "one order, both told, verify ok",
        (
            "faults/test_two_nodes.py::test_a_person_and_the_sweep_at_the_same_moment",
            "faults/test_two_nodes.py::test_resolving_against_the_deadline",
        ),
    ),
    Row(
        16, "the same POST twice, four at once, the key with another body, two people on one version",
        "one effect and the same answer; 422 for the other body, 412 or 409 for who came second",
        (
            "web/test_api.py::test_the_same_post_twice_is_done_once_and_answers_the_same",
            "web/test_api.py::test_a_raised_issue_is_raised_once_however_many_ask_at_the_same_time",
            "web/test_api.py::test_a_refusal_leaves_the_key_free",
            "web/test_api.py::test_of_two_who_press_at_once_one_wins",
        ),
    ),
    Row(
        17, "action links followed by a scanner, pressed twice and at once, run out, tampered with, another's, the key rotated",
        "looking changes nothing, pressing acts once, everything else is refused with a page that says why",
        (
            "web/test_links.py::test_a_scanner_that_follows_it_changes_nothing",
            "web/test_links.py::test_one_that_was_tampered_with",
            "web/test_links.py::test_one_that_has_run_out_says_so_and_offers_the_way_in",
            "web/test_links.py::test_another_person_who_is_logged_in_is_refused",
            "store/test_links.py::test_pressed_twice_at_the_same_moment_it_acts_once",
            "store/test_links.py::test_a_new_key_lets_old_links_run_out_or_kills_them_at_once",
        ),
    ),
    Row(
        21, "texts that begin with = + - @, HTML, scripts, right-to-left, zero width, emoji, NUL",
        "text in pages, mails, workbooks and logs; NUL refused at every door",
        (
            "web/test_naughty.py::test_naughty_texts_stay_texts_at_every_door",
            "web/test_api.py::test_a_text_with_a_nul_is_refused_at_every_door",
            "mail/test_headers.py::test_no_text_harms_a_mail",
            "unit/test_charts.py::test_a_workbook_runs_nothing",
            "unit/test_logs.py::test_one_event_is_one_line_whatever_is_in_it",
        ),
    ),
    Row(
        24, "journal rows altered, deleted, reordered, inserted; rows of issues and stays altered by hand",
        "verify names the issue and what is wrong, and no other",
        ("store/test_verify.py::test_tampering_is_named", "store/test_verify.py::test_entries_of_no_issue"),
    ),
    Row(
        26, "an upgrade that fails half way, a store of a newer program, stores of every released version",
        "all of it or nothing, refused in a sentence, not ready; every released store verifies afterwards",
        (
            "store/test_upgrade.py::test_a_released_store_is_upgraded",
            "store/test_upgrade.py::test_an_upgrade_that_fails_half_way_changes_nothing",
            "store/test_database.py::test_a_store_of_a_newer_program_is_refused",
            "store/test_health.py::test_a_store_of_another_schema_is_not_ready",
        ),
    ),
    Row(
        28, "passwords, tokens, addresses of databases and people in log messages, extras and tracebacks, at DEBUG",
        "none can be read",
        ("unit/test_logs.py::test_secrets_and_addresses_are_taken_out",),
    ),
)  # fmt: skip


def rows_of(passed: Iterable[str], failed: Iterable[str]) -> list[tuple[int, str, str]]:
    """The rows of which every test was run, and none failed, by the tests' node ids."""
    counted = Counter(_name(each) for each in passed)
    bad = {_name(each) for each in failed}
    return [
        (row.row, row.fault, f"{sum(counted[each] for each in row.tests):,} cases: {row.seen}")
        for row in ELSEWHERE
        if all(counted[each] and each not in bad for each in row.tests)
    ]


def _name(node: str) -> str:
    return node.removeprefix("tests/").partition("[")[0]
