"""Every guard of domain.md 2.2, 2.5 and 2.6: what just passes and what just does not, from the same setup."""

from datetime import date, datetime, timedelta

import pytest

from tests.oracle import slow_due, slow_warning
from tests.unit.table import MONDAY, PEOPLE, Case, at, rules_of, standing
from workflows.facts import Card, Decision, Refusal
from workflows.rules import clocks

# A major issue dispatched on Monday, 7 September 2026: ten working days end on Sunday the 20th, a make-up day.
DUE = at("2026-09-20 17:00")
NEW_YEAR = {date(2027, 1, 1): False}


def working(severity: str = "major", now: str = MONDAY, **more: object) -> Case:
    """Dispatched and signed for by the city's organ."""
    case = Case("city", severity, now, **more)  # type: ignore[arg-type]
    case.do("dispatch", "city_coordinator")
    case.do("acknowledge", "city_handler")
    return case


def at_top(severity: str = "major", now: str = MONDAY) -> Case:
    """With the province's leader, signed for by the lead organ."""
    case = Case("province", severity, now)
    case.do("dispatch", "office")
    case.do("acknowledge", "department_handler")
    return case


def test_the_setup_is_what_the_tests_think() -> None:
    assert working().facts.due_at == DUE == slow_due(at(MONDAY), 10)


class TestExtension:
    ASK = {"until": "2026-09-24", "reason": "审批未下"}

    def test_one_working_day_ahead_at_the_latest(self) -> None:
        case = working().at("2026-09-18 16:59")
        case.do("request_extension", "city_handler", **self.ASK)
        late = working().at("2026-09-20 08:30")

        assert late.refused("request_extension", "city_handler", **self.ASK) == "too_late"

    @pytest.mark.parametrize(
        ("until", "granted"), [("2026-09-20", False), ("2026-09-21", True), ("2026-09-28", True), ("2026-09-29", False)]
    )
    def test_half_the_limit_at_most(self, until: str, granted: bool) -> None:
        """Five of ten working days after the 20th: 21, 22, 23, 24 and 28 (25-27 is Mid-Autumn)."""
        answer = working().ask("request_extension", "city_handler", until=until, reason="x")
        assert isinstance(answer, Decision) is granted

    def test_ten_working_days_at_most(self) -> None:
        wide = rules_of(rules_source("at_most_share = 0.5", "at_most_share = 5.0"))
        last = slow_due(DUE, 10).astimezone(wide.calendar.zone).date()
        case = Case("city", rules=wide)
        case.do("dispatch", "city_coordinator")
        case.do("acknowledge", "city_handler")

        assert case.refused("request_extension", "city_handler", until=last + timedelta(1), reason="x") == "bad_date"
        case.do("request_extension", "city_handler", until=last, reason="x")

    def test_a_waiting_request_stops_no_clock(self) -> None:
        case = working()
        before = case.facts
        case.do("request_extension", "city_handler", **self.ASK)

        assert case.facts._replace(version=0) == before._replace(version=0)
        assert case.pending[0].decide_by == slow_due(case.now, 1)

    def test_first_by_the_coordinator_second_one_level_up_then_no_more(self) -> None:
        case = working()
        case.do("request_extension", "city_handler", **self.ASK)
        assert case.refused("request_extension", "city_handler", **self.ASK) == "already_asked"
        assert case.refused("approve", "department_coordinator") == "not_allowed"
        case.do("approve", "city_coordinator")
        assert case.facts.due_at == at("2026-09-24 17:00")
        assert case.facts.extensions == 1

        case.do("request_extension", "city_handler", until="2026-09-28", reason="又晚了")
        assert case.refused("approve", "city_coordinator") == "not_allowed"
        case.do("approve", "department_coordinator")
        assert (case.facts.due_at, case.facts.extensions) == (at("2026-09-28 17:00"), 2)

        assert case.refused("request_extension", "city_handler", until="2026-09-29", reason="x") == "too_often"

    def test_warned_anew_before_the_new_deadline(self) -> None:
        case = working()
        case.do("request_extension", "city_handler", **self.ASK)
        case.do("approve", "city_coordinator")
        assert case.facts.warn_at == slow_warning(at("2026-09-24 17:00"), 2)

    def test_denied_it_goes_on_as_it_was(self) -> None:
        case = working()
        case.do("request_extension", "city_handler", **self.ASK)
        case.do("deny", "city_coordinator", reason="理由不足")
        assert (case.facts.due_at, case.facts.extensions, case.pending) == (DUE, 0, ())

    def test_not_after_the_date_that_was_asked_for(self) -> None:
        case = working()
        case.do("request_extension", "city_handler", until="2026-09-21", reason="x")
        case.tick("2026-09-20 17:01")
        case.at("2026-09-21 17:00")
        assert case.refused("approve", "city_coordinator") == "too_late"
        case.at("2026-09-21 16:59").do("approve", "city_coordinator")

    def test_an_overdue_that_is_on_record_is_not_wiped(self) -> None:
        case = at_top()
        case.tick("2026-09-14 17:01")
        assert case.facts.overdue_at is not None
        assert case.refused("request_extension", "department_handler", until="2026-09-18", reason="x") == "too_late"

    def test_nobody_grants_what_they_asked_for(self) -> None:
        """The coordinator stands in for the handler today: asking is right, granting is not."""
        people = PEOPLE | {"city_handler": PEOPLE["city_handler"]._replace(deputy_id=PEOPLE["city_coordinator"].id)}
        case = working(people=people)
        case.do("request_extension", "city_coordinator", **self.ASK)
        assert case.refused("approve", "city_coordinator") == "own_request"

    def test_nobody_grants_what_their_principal_asked_for(self) -> None:
        people = PEOPLE | {"city_handler": PEOPLE["city_handler"]._replace(deputy_id=PEOPLE["city_coordinator"].id)}
        case = working(people=people)
        case.do("request_extension", "city_handler", **self.ASK)
        assert case.refused("approve", "city_coordinator") == "own_request"


def rules_source(old: str, new: str) -> str:
    """The built-in definition with one line changed."""
    from tests.unit.table import SOURCE

    assert SOURCE.count(old) == 1, old
    return SOURCE.replace(old, new)


class TestSuspension:
    @pytest.mark.parametrize(
        "reason", ["law_case", "司法案件", "Law case", "force_majeure: 洪水", "national_policy", "outside_province"]
    )
    def test_for_a_reason_of_the_list(self, reason: str) -> None:
        working().do("request_suspension", "city_handler", until="2026-10-20", reason=reason)
        working().do("suspend", "department_coordinator", until="2026-10-20", reason=reason)

    @pytest.mark.parametrize("reason", ["太忙", "law", "lawcase", ": law_case"])
    def test_for_no_other(self, reason: str) -> None:
        assert working().refused("request_suspension", "city_handler", until="2026-10-20", reason=reason) == "bad_reason"
        assert working().refused("suspend", "department_coordinator", until="2026-10-20", reason=reason) == "bad_reason"

    @pytest.mark.parametrize(
        ("until", "fits"), [("2026-09-07", False), ("2026-09-08", True), ("2026-12-06", True), ("2026-12-07", False)]
    )
    def test_ninety_days_at_most(self, until: str, fits: bool) -> None:
        answer = working().ask("suspend", "department_coordinator", until=until, reason="law_case")
        assert isinstance(answer, Decision) is fits

    @pytest.mark.parametrize(("until", "fits"), [("2027-04-15", True), ("2027-04-16", False)])
    def test_the_winter_stop_lasts_to_the_middle_of_april(self, until: str, fits: bool) -> None:
        answer = working().ask("suspend", "department_coordinator", until=until, reason="winter_stop")
        assert isinstance(answer, Decision) is fits

    @pytest.mark.parametrize(("until", "fits"), [("2027-07-14", True), ("2027-07-15", False)])
    def test_on_its_last_day_it_is_not_the_next_winters(self, until: str, fits: bool) -> None:
        answer = working().at("2027-04-15 10:00").ask("suspend", "department_coordinator", until=until, reason="winter_stop")
        assert isinstance(answer, Decision) is fits

    def test_granted_one_level_up_and_it_resumes_by_itself_in_the_morning(self) -> None:
        case = working()
        case.do("request_suspension", "city_handler", until="2026-10-20", reason="law_case")
        assert case.refused("approve", "city_coordinator") == "not_allowed"
        case.do("approve", "department_coordinator")
        assert (case.facts.status, case.facts.resume_at) == ("suspended", at("2026-10-20 08:30"))
        assert case.tick("2026-10-20 08:29") == []
        assert case.tick("2026-10-20 08:30") == ["resume"]
        assert case.facts.status == "processing"

    def test_the_days_that_were_left_are_kept(self) -> None:
        """Paused on Wednesday with 8 of 10 working days left; 8 are counted from the day it resumes."""
        case = working().at("2026-09-09 11:00")
        case.do("suspend", "department_coordinator", until="2026-10-20", reason="law_case")
        assert case.facts.remaining == "8wd"
        case.tick("2026-10-20 08:30")
        assert case.facts.due_at == slow_due(at("2026-10-20 08:30"), 8)

    def test_resumed_sooner_by_hand(self) -> None:
        case = working().at("2026-09-09 11:00")
        case.do("suspend", "department_coordinator", until="2026-10-20", reason="law_case")
        case.at("2026-09-14 10:00").do("resume", "department_coordinator")
        assert case.facts.due_at == slow_due(case.now, 8)
        assert case.facts.suspended_wd == 3
        assert case.facts.warn_at == slow_warning(case.facts.due_at, 2)

    def test_a_pause_by_hand_settles_the_request_for_it(self) -> None:
        case = working()
        case.do("request_suspension", "city_handler", until="2026-10-20", reason="law_case")
        case.do("request_extension", "city_handler", until="2026-09-24", reason="x")
        case.do("suspend", "department_coordinator", until="2026-10-10", reason="law_case")
        assert [each.state for each in case.asked] == ["lapsed", "lapsed"]

    def test_no_clock_but_the_resumption_runs(self) -> None:
        case = working()
        case.do("suspend", "department_coordinator", until="2026-10-20", reason="law_case")
        assert [name for _, name in clocks(case.facts, case.pending)] == ["resume"]


class TestObjection:
    def test_within_a_working_day_of_the_dispatch(self) -> None:
        working().at("2026-09-08 17:00").do("object", "city_handler", reason="职责在住建局")
        assert working().at("2026-09-08 17:01").refused("object", "city_handler", reason="职责在住建局") == "too_late"

    def test_decided_the_same_day_or_the_next_working_day_after_hours(self) -> None:
        by_day, by_night = working(), working().at("2026-09-07 18:00")
        by_day.do("object", "city_handler", reason="x")
        by_night.do("object", "city_handler", reason="x")
        assert by_day.pending[0].decide_by == at("2026-09-07 17:00")
        assert by_night.pending[0].decide_by == slow_due(by_night.now, 1)
        at_closing = working().at("2026-09-07 17:00")
        at_closing.do("object", "city_handler", reason="x")
        assert at_closing.pending[0].decide_by == slow_due(at_closing.now, 1), "nobody decides in no time"

    @pytest.mark.parametrize("second", ["city_handler", "deputy"])
    @pytest.mark.parametrize("first", ["city_handler", "deputy"])
    def test_once_an_organ_whoever_signs_for_it(self, first: str, second: str) -> None:
        case = working()
        case.do("object", first, reason="x")
        case.do("deny", "city_coordinator", reason="是你单位职责")
        assert case.refused("object", second, reason="y") == "too_often"

    def test_another_organ_may_still_object(self) -> None:
        case = working()
        case.do("object", "city_handler", reason="x")
        assert case.refused("approve", "city_coordinator") == "incomplete"
        case.do("approve", "city_coordinator", to="city_target")
        assert (case.facts.lead_id, case.facts.due_at) == (PEOPLE["city_target"].id, DUE)
        case.do("object", "city_target", reason="也不是我")

    def test_the_clock_runs_on(self) -> None:
        case = working()
        case.do("object", "city_handler", reason="x")
        assert case.facts.due_at == DUE


class TestMerging:
    GOOD = {"into": "WT26-0002", "into_open": True, "into_same_project": True}

    def test_into_an_open_issue_of_the_same_project_or_a_common_one(self) -> None:
        case = working()
        assert case.refused("merge", "city_coordinator", **self.GOOD | {"into_open": False}) == "wrong_target"
        assert case.refused("merge", "city_coordinator", **self.GOOD | {"into_same_project": False}) == "wrong_target"
        assert case.refused("merge", "city_coordinator", **self.GOOD | {"into": "WT26-0001"}) == "wrong_target"
        case.do("merge", "city_coordinator", **self.GOOD)
        assert (case.facts.status, clocks(case.facts)) == ("merged", [])


class TestOwnOrgan:
    """The handler's organ and the coordinator's are one: somebody else verifies."""

    def same(self, **more: object) -> Case:
        coordinator = PEOPLE["city_coordinator"]._replace(organ=PEOPLE["city_handler"].organ)
        case = working(people=PEOPLE | {"city_coordinator": coordinator, **more})
        case.do("resolve", "city_handler", reason="办好了")
        return case

    @pytest.mark.parametrize("action", ["close", "return_for_rework"])
    def test_never_closes_what_it_handled(self, action: str) -> None:
        case = self.same()
        assert case.refused(action, "city_coordinator", reason="x") == "own_organ"
        case.do(action, "department_coordinator", reason="x")

    @pytest.mark.parametrize("action", ["close", "return_for_rework"])
    def test_not_even_as_somebody_elses_deputy(self, action: str) -> None:
        stands_in = PEOPLE["other_organ"]._replace(deputy_id=PEOPLE["city_coordinator"].id)
        case = self.same(other_organ=stands_in)
        assert case.refused(action, "city_coordinator", reason="x") == "own_organ"

    @pytest.mark.parametrize("action", ["close", "return_for_rework"])
    def test_nor_does_the_handlers_deputy(self, action: str) -> None:
        away = PEOPLE["city_handler"]._replace(deputy_id=PEOPLE["city_coordinator"].id)
        case = working(people=PEOPLE | {"city_handler": away})
        case.do("resolve", "city_coordinator", reason="办好了")
        assert case.refused(action, "city_coordinator", reason="x") == "own_organ"
        case.do(action, "department_coordinator", reason="x")


class TestTheTop:
    def test_the_liaison_confirms_before_the_office_closes(self) -> None:
        case = at_top()
        case.do("resolve", "department_handler", reason="办好了")
        assert case.refused("close", "office") == "unconfirmed"
        case.do("confirm", "liaison")
        assert case.refused("confirm", "liaison") == "wrong_state"
        case.do("close", "office")
        assert case.facts.status == "closed"

    def test_a_confirmation_is_for_one_review(self) -> None:
        case = at_top()
        case.do("resolve", "department_handler", reason="办好了")
        case.do("confirm", "liaison")
        case.do("return_for_rework", "office", reason="缺材料")
        case.do("resolve", "department_handler", reason="又办好了")
        assert case.refused("close", "office") == "unconfirmed"

    def test_only_the_own_leaders_liaison(self) -> None:
        case = at_top()
        case.do("resolve", "department_handler", reason="办好了")
        assert case.refused("confirm", "other_liaison") == "not_allowed"
        assert case.refused("confirm", "other_leader") == "not_allowed"

    def test_a_red_card_then_letters_every_five_working_days(self) -> None:
        case = at_top()
        overdue = at("2026-09-14 17:00")
        assert case.facts.due_at == overdue
        assert "overdue_top" not in case.tick("2026-09-14 17:00")
        assert case.tick("2026-09-14 17:01") == ["overdue_top"]
        _, decision = case.journal[-1]
        assert decision.cards == (Card("red", PEOPLE["department_handler"].id, "overdue:province"),)
        assert (case.facts.stage, case.facts.status, case.facts.overdue_at) == ("province", "processing", case.now)
        case.do("report_progress", "department_handler", reason="推进中")

        letters = []
        while case.now < at("2026-11-20 00:00"):
            case.now += timedelta(hours=1)
            for action in case.tick(case.now):
                assert action in ("supervision_letter", "miss_report")
                if action == "supervision_letter":
                    letters.append((case.now.astimezone(case.rules.calendar.zone), case.journal[-1][1].detail))
        days = [moment.date().isoformat() for moment, _ in letters[:4]]
        assert days == ["2026-09-20", "2026-09-28", "2026-10-10", "2026-10-16"]
        assert all(moment.time().isoformat() <= "09:30:00" for moment, _ in letters)
        assert [detail.get("letter") for _, detail in letters[:4]] == ["2", "3", "4", "5"]
        assert [detail.get("flag", "") for _, detail in letters[:4]] == ["", "talk", "transfer", "transfer"]

    def test_reminders_stop_once_overdue(self) -> None:
        case = at_top()
        case.tick("2026-09-14 17:01")
        names = [name for _, name in clocks(case.facts, case.pending)]
        assert "warning" not in names
        assert "resolve" not in names
        assert case.facts.warn_at is None

    def test_a_missed_deadline_stays_missed_after_a_review(self) -> None:
        case = at_top()
        case.tick("2026-09-14 17:01")
        missed = case.facts.overdue_at
        case.do("resolve", "department_handler", reason="办好了")
        case.do("return_for_rework", "office", reason="没有")
        assert (case.facts.overdue_at, case.facts.due_at, case.facts.warn_at) == (missed, at("2026-09-14 17:00"), None)


def test_urged_once_a_working_day() -> None:
    case = working().at("2026-09-11 09:00")
    case.do("urge", "city_coordinator")
    due = case.facts.due_at
    assert case.at("2026-09-11 16:00").refused("urge", "owner") == "too_often"
    assert case.at("2026-09-13 09:00").refused("urge", "city_coordinator") == "too_often"
    case.at("2026-09-14 00:01").do("urge", "owner")
    assert case.facts.due_at == due


class TestReopening:
    def closed(self) -> Case:
        case = working()
        case.do("resolve", "city_handler", reason="办好了")
        case.do("close", "city_coordinator")
        return case

    def test_within_ninety_days(self) -> None:
        case = self.closed()
        closed = case.now
        case.now = closed + timedelta(days=90, seconds=1)
        assert case.refused("reopen", "inspection", reason="反弹") == "too_late"
        case.now = closed + timedelta(days=90)
        case.do("reopen", "inspection", reason="反弹")

    @pytest.mark.parametrize(("severity", "half"), [("general", 8), ("major", 5), ("urgent", 3)])
    def test_half_the_original_limit_at_the_level_that_closed_it(self, severity: str, half: int) -> None:
        case = working(severity)
        case.do("resolve", "city_handler", reason="办好了")
        case.do("close", "city_coordinator")
        case.at("2026-10-12 10:00").do("reopen", "city_coordinator", reason="反弹")
        facts = case.facts
        assert (facts.stage, facts.status, facts.reopened, facts.closed_at) == ("city", "processing", 1, None)
        assert facts.due_at == slow_due(case.now, half)
        assert case.journal[-1][1].cards == (Card("yellow", PEOPLE["city_handler"].id, "false_closure"),)

    def test_reopened_it_goes_up_like_any_other(self) -> None:
        case = self.closed()
        case.at("2026-10-12 10:00").do("reopen", "city_coordinator", reason="反弹")
        case.do("report_progress", "city_handler", reason="在办")
        assert "escalate_auto" in [action for _, action in case.until("2026-10-19 18:00")]


class TestCoHandling:
    def test_three_working_days_before_the_leads_own_deadline(self) -> None:
        case = working()
        case.do("co_handle", "city_handler", to="city_target")
        assert case.pending[0].decide_by == at("2026-09-16 17:00")

    def test_an_earlier_date_stands_a_later_one_does_not(self) -> None:
        case = working()
        case.do("co_handle", "city_handler", to="city_target", until="2026-09-10")
        case.do("co_handle", "city_coordinator", to="other_organ", until="2026-09-18")
        assert [each.decide_by for each in case.pending] == [at("2026-09-10 17:00"), at("2026-09-16 17:00")]

    def test_not_resolved_over_an_open_sub_task_without_a_reason(self) -> None:
        case = working()
        case.do("co_handle", "city_handler", to="city_target")
        assert case.refused("resolve", "city_handler", reason="办好了") == "open_tasks"
        assert isinstance(case.ask("resolve", "city_handler", reason="办好了", note="不影响"), Decision)
        case.do("answer", "city_target", reason="已办")
        case.do("resolve", "city_handler", reason="办好了")

    def test_only_the_one_who_was_asked_answers(self) -> None:
        case = working()
        case.do("co_handle", "city_handler", to="city_target")
        assert case.refused("answer", "other_organ", reason="x") == "not_allowed"

    def test_each_answers_what_it_was_asked_itself(self) -> None:
        case = working()
        case.do("co_handle", "city_handler", to="city_target")
        case.do("consult", "city_handler", to="other_organ")
        case.do("answer", "other_organ", reason="同意")
        assert [each.kind for each in case.pending] == ["co_handling"]

    def test_an_opinion_comes_back_while_the_clock_runs(self) -> None:
        case = working()
        case.do("consult", "city_handler", to="other_organ")
        assert case.facts.due_at == DUE
        assert case.tick("2026-09-08 17:01") == ["remind_request"]
        assert case.tick("2026-09-10 10:00") == []
        case.do("answer", "other_organ", reason="同意")
        assert case.pending == ()


class TestDelegation:
    def test_to_a_colleague_until_a_date(self) -> None:
        case = working()
        assert case.refused("delegate", "city_handler", to="city_target", until="2026-09-10") == "wrong_party"
        assert case.refused("delegate", "city_handler", to="city_handler", until="2026-09-10") == "wrong_party"
        assert case.refused("delegate", "city_handler", to="city_colleague", until="2026-09-06") == "bad_date"
        assert case.refused("report_progress", "city_colleague", reason="在办") == "not_allowed"
        case.do("delegate", "city_handler", to="city_colleague", until="2026-09-10")
        case.at("2026-09-10 23:59").do("report_progress", "city_colleague", reason="在办")
        assert case.at("2026-09-11 00:00").refused("report_progress", "city_colleague", reason="在办") == "not_allowed"
        assert case.facts.lead_id == case.facts.responsible_id == PEOPLE["city_handler"].id

    def test_it_ends_with_the_stay(self) -> None:
        case = working()
        case.do("delegate", "city_handler", to="city_colleague", until="2026-12-10")
        case.do("escalate", "city_coordinator", reason="事权在上")
        assert case.facts.delegate_id is None


class TestTransfer:
    def asked(self) -> Case:
        case = working()
        case.do("transfer", "city_handler", to="city_target", reason="职能划转")
        return case

    def test_the_target_agrees_then_the_coordinator_approves(self) -> None:
        case = self.asked()
        assert case.refused("approve", "city_coordinator") == "not_agreed"
        assert case.refused("agree", "other_organ") == "not_allowed"
        assert case.refused("agree", "city_target", request_no=9) == "no_request"
        no = case.ask("resolve", "city_target", reason="已送电")
        assert isinstance(no, Refusal)
        assert "agree" in no.allowed
        case.do("agree", "city_target")
        assert case.refused("agree", "city_target") == "wrong_state"
        assert case.refused("approve", "department_coordinator") == "not_allowed"
        case.do("approve", "city_coordinator")
        facts = case.facts
        assert (facts.lead_id, facts.status, facts.due_at) == (PEOPLE["city_target"].id, "processing", DUE)
        assert case.stays == ["dispatched", "transferred", ""]

    @pytest.mark.parametrize("to", ["department_handler", "city_handler", "liaison"])
    def test_only_within_the_level(self, to: str) -> None:
        assert working().refused("transfer", "city_handler", to=to, reason="x") == "wrong_party"


class TestReassigning:
    def test_an_organ_of_the_level_and_the_deadline_stays(self) -> None:
        case = working()
        assert case.refused("reassign", "city_coordinator", to="department_handler", reason="x") == "wrong_party"
        assert case.refused("reassign", "city_coordinator", to="city_handler", reason="x") == "wrong_party"
        case.at("2026-09-10 10:00").do("reassign", "city_coordinator", to="city_target", reason="x")
        facts = case.facts
        assert (facts.status, facts.due_at, facts.ack_due_at) == ("pending_ack", DUE, slow_due(case.now, 1))
        assert facts.lead_id == PEOPLE["city_target"].id

    def test_the_coordinator_may_grant_a_new_one(self) -> None:
        case = working()
        again = {"to": "city_target", "reason": "x"}
        assert case.at("2026-09-10 17:00").refused("reassign", "city_coordinator", until="2026-09-10", **again) == "bad_date"
        case.do("reassign", "city_coordinator", until="2026-09-30", **again)
        assert case.facts.due_at == at("2026-09-30 17:00")


class TestHolding:
    """Asked in time and not decided: the escalation waits, two working days at most (domain.md 2.5)."""

    def asking(self, action: str = "request_extension", now: str = "2026-09-18 10:00") -> Case:
        case = working().at(now)
        until = "2026-09-24" if action == "request_extension" else "2026-10-20"
        case.do(action, "city_handler", until=until, reason="law_case")
        return case

    @pytest.mark.parametrize("action", ["request_extension", "request_suspension"])
    def test_it_waits_two_working_days_then_goes_up(self, action: str) -> None:
        case = self.asking(action)
        assert "hold" in case.tick("2026-09-20 17:01")
        assert case.facts.stage == "city"
        assert "escalate_auto" not in case.tick("2026-09-22 16:59")
        assert "escalate_auto" in case.tick("2026-09-22 17:00")
        assert (case.facts.stage, case.pending) == ("department", ())

    @pytest.mark.parametrize("action", ["request_extension", "request_suspension"])
    def test_denied_it_goes_up_at_once_and_is_late_from_the_first_deadline(self, action: str) -> None:
        case = self.asking(action)
        case.tick("2026-09-20 17:01")
        decider = "city_coordinator" if action == "request_extension" else "department_coordinator"
        case.at("2026-09-21 10:00").do("deny", decider, reason="不同意")
        assert "escalate_auto" in case.tick("2026-09-21 10:00")
        assert case.journal[-1][1].overdue_wd == 1

    def test_granted_it_stays(self) -> None:
        case = self.asking()
        case.tick("2026-09-20 17:01")
        case.at("2026-09-21 10:00").do("approve", "city_coordinator")
        assert (case.facts.hold_until, case.facts.due_at) == (None, at("2026-09-24 17:00"))
        case.do("report_progress", "city_handler", reason="在办")
        assert "escalate_auto" not in case.tick("2026-09-24 17:00")
        assert "escalate_auto" in case.tick("2026-09-24 17:01")

    def test_a_pause_that_is_asked_for_too_late_holds_nothing(self) -> None:
        in_time, late = (
            self.asking("request_suspension", "2026-09-20 17:00"),
            self.asking("request_suspension", "2026-09-20 17:01"),
        )
        assert "escalate_auto" not in in_time.tick("2026-09-20 17:02")
        assert "escalate_auto" in late.tick("2026-09-20 17:02")

    @pytest.mark.parametrize("action", ["object", "transfer", "request_escalation"])
    def test_nothing_else_holds(self, action: str) -> None:
        case = working("urgent")
        case.do(action, "city_handler", to="city_target", reason="x")
        assert "escalate_auto" in case.tick("2026-09-14 17:01")

    def test_seen_too_late_there_is_nothing_left_to_wait_for(self) -> None:
        """After an outage longer than the two days it goes up in the same sweep."""
        assert "escalate_auto" in self.asking().tick("2026-09-25 09:00")


class TestReviewing:
    def test_rework_goes_on_with_what_was_left(self) -> None:
        case = working().at("2026-09-09 11:00")
        case.do("resolve", "city_handler", reason="办好了")
        assert case.refused("return_for_rework", "city_handler", reason="x") == "not_allowed"
        case.at("2026-09-22 10:00").do("return_for_rework", "city_coordinator", reason="缺证明")
        assert case.facts.due_at == slow_due(case.now, 8)

    @pytest.mark.parametrize("resolved", ["2026-09-18 11:00", "2026-09-20 16:59", "2026-09-20 17:01", "2026-09-24 10:00"])
    def test_one_working_day_at_least(self, resolved: str) -> None:
        case = working().at(resolved)
        case.do("resolve", "city_handler", reason="办好了")
        case.at("2026-09-28 10:00").do("return_for_rework", "city_coordinator", reason="缺证明")
        assert case.facts.due_at == slow_due(case.now, 1)

    def test_the_owners_clock_stands_still_and_it_never_closes_by_itself(self) -> None:
        case = working().at("2026-09-09 11:00")
        case.do("resolve", "city_handler", reason="办好了")
        happened = case.until("2026-11-09 11:00")
        assert {action for _, action in happened} == {"remind_review"}
        assert happened[0][0] == at("2026-09-11 17:30")
        assert len(happened) > 10
        assert (case.facts.stage, case.facts.status) == ("city", "pending_review")

    def test_the_superior_is_told(self) -> None:
        case = working()
        case.do("resolve", "city_handler", reason="办好了")
        case.tick("2026-09-09 17:01")
        assert [event.kind for event in case.journal[-1][1].events] == ["review_late"]

    def test_a_review_that_comes_again_has_its_whole_time(self) -> None:
        case = working().at("2026-09-08 10:00")
        case.do("resolve", "city_handler", reason="办好了")
        case.tick("2026-09-15 10:00")
        case.do("return_for_rework", "city_coordinator", reason="x")
        case.at("2026-09-16 10:00").do("resolve", "city_handler", reason="y")
        assert case.facts.review_due_at == at("2026-09-18 17:00")
        assert [name for _, name in clocks(case.facts)] == ["review"]


class TestIntake:
    def test_the_coordinator_is_reminded_then_the_superior_every_working_day(self) -> None:
        case = Case()
        happened = case.until("2026-09-14 12:00")
        assert {action for _, action in happened} == {"remind_intake"}
        first, rest = happened[0][0], [moment for moment, _ in happened[1:]]
        assert first == at("2026-09-08 17:30")
        assert rest == [at(f"2026-09-{day} 08:30") for day in ("09", "10", "11", "14")]
        kinds = [decision.events[0].kind for _, decision in case.journal[1:]]
        assert kinds == ["intake_late"] + ["intake_stuck"] * 4
        assert (case.facts.status, case.facts.stage) == ("pending_intake", "city")

    def test_dispatched_late_it_has_its_whole_time(self) -> None:
        case = Case()
        case.tick("2026-09-11 12:00")
        case.do("dispatch", "city_coordinator")
        facts = case.facts
        assert (facts.due_at, facts.overdue_at, facts.reminders) == (slow_due(case.now, 10), None, 0)


class TestSigning:
    def test_it_is_signed_by_the_system_on_record(self) -> None:
        case = Case()
        case.do("dispatch", "city_coordinator")
        assert case.tick("2026-09-08 17:00") == []
        assert case.tick("2026-09-08 17:01") == ["auto_acknowledge"]
        assert (case.facts.status, case.facts.auto_acknowledged, case.facts.due_at) == ("processing", True, DUE)

    def test_signed_by_hand_is_not_marked(self) -> None:
        assert working().facts.auto_acknowledged is False

    @pytest.mark.parametrize(("before", "cards"), [(0, 0), (1, 0), (2, 1), (3, 1)])
    def test_the_third_in_a_month_is_a_yellow_card(self, before: int, cards: int) -> None:
        case = Case()
        case.do("dispatch", "city_coordinator")
        case.late = before
        case.tick("2026-09-08 17:01")
        proposed = case.journal[-1][1].cards
        assert len(proposed) == cards
        assert all(card == Card("yellow", PEOPLE["city_handler"].id, "late_acknowledgements:2026-09") for card in proposed)

    def test_the_resolve_clock_runs_from_the_dispatch(self) -> None:
        signed, unsigned = Case(), Case()
        for case in (signed, unsigned):
            case.do("dispatch", "city_coordinator")
        signed.at("2026-09-08 16:00").do("acknowledge", "city_handler")
        unsigned.tick("2026-09-08 17:01")
        assert signed.facts.due_at == unsigned.facts.due_at == DUE


class TestReports:
    def test_two_missed_in_a_row_are_a_yellow_card(self) -> None:
        case = working()
        assert case.facts.report_due_at == at("2026-09-10 17:00")
        assert case.tick("2026-09-10 17:01") == ["miss_report"]
        assert case.journal[-1][1].cards == ()
        # seen after hours: counted from the next day
        assert case.facts.report_due_at == slow_due(case.now, 3) == at("2026-09-16 17:00")
        assert "miss_report" in case.tick("2026-09-16 17:01")
        assert case.journal[-1][1].cards == (Card("yellow", PEOPLE["city_handler"].id, "missed_reports:city"),)

    def test_a_report_between_them_ends_the_row(self) -> None:
        case = working()
        case.tick("2026-09-10 17:01")
        case.at("2026-09-11 10:00").do("report_progress", "city_handler", reason="已开会")
        assert case.tick("2026-09-16 17:01") == ["miss_report"]
        assert case.journal[-1][1].cards == ()

    def test_it_says_something(self) -> None:
        assert working().refused("report_progress", "city_handler", reason="办") == "incomplete"
        assert working().refused("report_progress", "city_handler", reason="  办  ") == "incomplete"

    @pytest.mark.parametrize(("severity", "every"), [("general", 5), ("major", 3), ("urgent", 1)])
    def test_how_often(self, severity: str, every: int) -> None:
        case = working(severity)
        assert case.facts.report_due_at == slow_due(case.now, every)


class TestCards:
    def test_yellow_for_the_city_red_for_the_department(self) -> None:
        case = working("urgent")
        case.tick("2026-09-14 17:01")
        assert case.journal[-1][1].action == "escalate_auto"
        assert case.journal[-1][1].cards == (Card("yellow", PEOPLE["city_handler"].id, "overdue:city"),)
        case.do("acknowledge", "department_handler")
        case.tick("2026-09-17 17:01")
        case.tick("2026-09-18 17:01")
        moves = [decision for _, decision in case.journal if decision.action == "escalate_auto"]
        assert moves[1].cards == (Card("red", PEOPLE["department_handler"].id, "overdue:department"),)

    def test_yellow_where_the_city_was_in_time(self) -> None:
        case = working("urgent")
        case.do("escalate", "city_coordinator", reason="事权在上")
        assert case.journal[-1][1].cards == ()
        case.do("acknowledge", "department_handler")
        case.until("2026-09-10 18:00")
        moves = [decision for _, decision in case.journal if decision.action == "escalate_auto"]
        assert [card.colour for card in moves[0].cards] == ["yellow"]


class TestGoingUp:
    def test_strictly_after_the_deadline(self) -> None:
        case = working()
        case.do("report_progress", "city_handler", reason="在办")
        assert "escalate_auto" not in case.tick(DUE)
        assert "escalate_auto" in case.tick(DUE + timedelta(microseconds=1))

    def test_only_urgent_issues_skip(self) -> None:
        assert working("major").refused("escalate_skip", "office", reason="领导批示") == "not_allowed"
        assert working("general").refused("escalate_skip", "office", reason="领导批示") == "not_allowed"
        case = working("urgent")
        case.do("escalate_skip", "office", reason="领导批示")
        assert (case.facts.stage, case.facts.status) == ("province", "pending_ack")

    def test_the_handlers_organ_asks_and_the_coordinator_sends_it_up(self) -> None:
        case = working()
        case.do("request_escalation", "city_handler", reason="历史遗留,主要负责人签字")
        assert case.facts.stage == "city"
        assert case.refused("approve", "department_coordinator") == "not_allowed"
        case.do("approve", "city_coordinator")
        assert (case.facts.stage, case.facts.status, case.stays[-2]) == ("department", "pending_ack", "escalated_by_hand")

    def test_after_an_outage_one_step_and_the_whole_time_from_now(self) -> None:
        case = working()
        case.now = at("2026-12-01 10:00")
        done = case.tick(case.now)
        assert done.count("escalate_auto") == 1
        assert (case.facts.stage, case.facts.due_at) == ("department", slow_due(case.now, 7))

    @pytest.mark.parametrize("severity", ["general", "major", "urgent"])
    def test_a_stage_that_is_entered_again_arms_every_timer_anew(self, severity: str) -> None:
        """ruoyi-vue-pro #1018: after a return to the same node no reminder came any more."""
        case = working(severity)
        case.tick(case.facts.due_at + timedelta(minutes=1))  # type: ignore[operator]
        case.do("escalate", "department_coordinator", reason="事权在上")
        case.at("2026-10-12 09:00").do("remand", "office", to="city_handler", reason="限期办结")
        fresh = Case("city", severity, "2026-10-12 09:00")
        fresh.do("dispatch", "city_coordinator")
        for name in ("status", "due_at", "ack_due_at", "warn_at", "report_due_at", "review_due_at", "remind_at", "resume_at",
                     "hold_until", "remaining", "overdue_at", "reminders", "reports_missed", "letters", "auto_acknowledged",
                     "acknowledged_at", "clock_from", "clock_span", "suspended_wd"):  # fmt: skip
            assert getattr(case.facts, name) == getattr(fresh.facts, name), name
        case.do("acknowledge", "city_handler")
        fresh.do("acknowledge", "city_handler")
        assert clocks(case.facts) == clocks(fresh.facts)

    def test_a_remanded_issue_that_is_late_goes_straight_back(self) -> None:
        case = at_top("urgent")
        case.do("remand", "office", to="city_handler", reason="限期办结", until="2026-09-09")
        assert (case.facts.stage, case.facts.status, case.facts.due_at) == ("city", "pending_ack", at("2026-09-09 17:00"))
        case.do("acknowledge", "city_handler")
        case.until("2026-09-09 17:30")
        assert (case.facts.stage, case.facts.status, case.facts.returns_to) == ("province", "pending_ack", "")

    def test_an_instruction_names_a_lower_organ_and_a_day_ahead(self) -> None:
        case = at_top("urgent")
        assert case.refused("remand", "office", to="liaison", reason="x") == "wrong_state"
        assert case.refused("remand", "office", to="owner", reason="x") == "wrong_party"
        assert (
            case.at("2026-09-07 17:00").refused("remand", "office", to="city_handler", reason="x", until="2026-09-07")
            == "bad_date"
        )


class TestWarnings:
    @pytest.mark.parametrize(("severity", "warned"), [("general", "2026-09-23 08:30"), ("major", "2026-09-17 08:30")])
    def test_two_working_days_ahead(self, severity: str, warned: str) -> None:
        case = working(severity)
        assert case.facts.warn_at == at(warned)
        case.at("2026-09-16 10:00").do("report_progress", "city_handler", reason="在办")
        assert "warn" not in case.tick(case.facts.warn_at - timedelta(seconds=1))  # type: ignore[operator]
        assert case.tick(warned).count("warn") == 1
        assert "warn" not in [
            action for _, action in case.until("2026-09-20 17:00" if severity == "major" else "2026-09-24 17:00")
        ]

    def test_urgent_four_working_hours_ahead(self) -> None:
        assert working("urgent").facts.warn_at == at("2026-09-14 13:00")


class TestProvisional:
    """Ten working days from 25 December 2026 end in a year whose days off nobody has published."""

    NOW = "2026-12-25 10:00"

    def counted(self) -> Case:
        case = working(now=self.NOW)
        assert (case.facts.due_at, case.facts.due_provisional) == (at("2027-01-11 17:00"), True)
        return case

    def test_a_second_look_on_the_day_moves_it_instead_of_the_issue(self) -> None:
        case = self.counted()
        case.at("2027-01-11 09:00").do("report_progress", "city_handler", reason="在办")
        case.rules = rules_of(overrides=NEW_YEAR | {date(2027, 1, 4): False, date(2027, 1, 5): False}, known=(2027,))
        assert "recount" in case.tick("2027-01-11 17:01")
        assert (case.facts.stage, case.facts.due_at, case.facts.due_provisional) == ("city", at("2027-01-13 17:00"), False)
        case.do("report_progress", "city_handler", reason="在办")
        assert "escalate_auto" in case.tick("2027-01-13 17:01")

    def test_when_nothing_is_new_it_goes_up_after_the_look(self) -> None:
        assert "escalate_auto" in self.counted().tick("2027-01-11 17:01")

    def test_earlier_only_while_more_than_a_working_day_is_left(self) -> None:
        from workflows.decision import recount

        known = rules_of(overrides=NEW_YEAR | {date(2027, 1, 9): True}, known=(2027,))
        case = self.counted()
        soon = recount(case.snapshot(), known, at("2027-01-07 10:00"))
        late = recount(case.snapshot(), known, at("2027-01-08 10:00"))
        assert soon is not None
        assert soon.changes["due_at"] == at("2027-01-09 17:00")
        assert late is not None
        assert late.changes["due_at"] == at("2027-01-11 17:00")
        assert late.changes["due_provisional"] is False

    def test_a_date_that_a_person_set_is_left_alone(self) -> None:
        from workflows.decision import recount

        case = self.counted()
        case.do("request_extension", "city_handler", until="2027-01-13", reason="x")
        case.do("approve", "city_coordinator")
        known = rules_of(overrides=NEW_YEAR | {date(2027, 1, 12): False}, known=(2027,))
        assert recount(case.snapshot(), known, at("2027-01-07 10:00")) is None


class TestRequestsInTime:
    def test_the_one_that_is_late_is_named_and_no_other(self) -> None:
        case = working()
        case.do("co_handle", "city_handler", to="city_target")
        case.do("consult", "city_handler", to="other_organ")
        assert case.tick("2026-09-08 17:01") == ["remind_request"]
        assert case.journal[-1][1].detail == {"request": "2", "kind": "consultation"}
        assert [each.reminded for each in case.pending] == [False, True]

    @pytest.mark.parametrize("severity", ["major", "urgent"])
    def test_a_decision_that_is_late_is_reminded_once(self, severity: str) -> None:
        case = working(severity)
        case.do("request_escalation", "city_handler", reason="签字")
        assert case.tick("2026-09-08 17:00") == []
        assert "remind_request" in case.tick("2026-09-08 17:01")
        assert "remind_request" not in case.tick("2026-09-10 17:00")

    def test_which_of_several_is_meant_must_be_said(self) -> None:
        case = working()
        case.do("request_extension", "city_handler", until="2026-09-24", reason="x")
        case.do("request_escalation", "city_handler", reason="x")
        assert case.refused("deny", "city_coordinator", reason="x") == "which_request"
        case.do("deny", "city_coordinator", reason="x", request_no=2)
        assert [each.kind for each in case.pending] == ["extension"]
        assert case.refused("deny", "city_coordinator", reason="x", request_no=2) == "no_request"

    @pytest.mark.parametrize("end", ["escalate", "reassign", "withdraw"])
    def test_a_stay_takes_its_requests_with_it(self, end: str) -> None:
        case = working()
        case.do("request_extension", "city_handler", until="2026-09-24", reason="x")
        case.do(end, "city_coordinator", to="city_target", reason="x")
        assert [each.state for each in case.asked] == ["lapsed"]


def test_every_open_state_has_a_clock_and_no_closed_one_has() -> None:
    """engine.md 6.6: `wake_at` is the whole queue, so nothing open may be without it."""
    from tests.unit.table import OPEN, STAGES, STATUSES

    for stage in STAGES:
        for status in STATUSES:
            running = clocks(standing(stage, status).facts)
            assert bool(running) is (status in OPEN), (stage, status)


def test_a_deadline_that_passed_under_review_counts_as_soon_as_the_work_goes_on() -> None:
    case = working().at("2026-09-21 09:00")
    assert isinstance(case.facts.due_at, datetime)
    case.do("resolve", "city_handler", reason="办好了")
    assert case.tick("2026-09-21 10:00") == [], "what was done before the sweep looked is respected"
