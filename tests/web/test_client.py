"""The typed client: it says what the API says, goes through all pages, and repeats what was cut off without doing it twice."""

from typing import get_type_hints

import httpx2
import pytest

from escalation import client
from escalation.client import Client, Problem
from tests.town import CITY_COORDINATOR, OWNER
from tests.web.office import Office


def test_its_types_are_those_of_the_description(small: Office) -> None:
    schemas = small.client().get("/api/openapi.json").json()["components"]["schemas"]
    names = {"Issue": "IssueOut", "Raised": "Raised", "Whole": "WholeIssue", "Possible": "Possible", "Explanation": "ExplanationOut",
             "File": "FileOut", "Project": "ProjectOut", "Summary": "SummaryOut"}  # fmt: skip
    for mine, theirs in names.items():
        assert set(get_type_hints(getattr(client, mine))) == set(schemas[theirs]["properties"]), mine


def test_every_call(office: Office) -> None:
    owner, city = office.api("owner", OWNER), office.api("city", CITY_COORDINATOR)
    numbers = {owner.raise_issue("HLJ26-001", "power", "major", f"缺电 {each}")["number"] for each in range(5)}

    assert {each["number"] for each in city.issues(limit=2)} == numbers
    assert list(city.issues(light="red")) == []
    number = min(numbers)
    digest = city.bring("来函.txt", "请抓紧办理".encode())
    done = city.act(number, "dispatch", files=[digest])
    assert (done["issue"]["status"], done["files"][0]["name"]) == ("pending_ack", "来函.txt")
    assert city.file(number, done["files"][0]["no"]) == "请抓紧办理".encode()
    assert city.journal(number)[-1]["action"] == "dispatch"
    assert next(each["open"] for each in city.projects() if each["code"] == "HLJ26-001") == 5
    assert city.summary("weekly")["scope"] == "哈尔滨市"
    office.api("handler", "PT0033").act(number, "acknowledge")
    until = office.town.now.date().replace(day=18)
    asked = office.api("handler").act(number, "request_extension", until=until, reason="设备在途")
    assert asked["requests"]


def test_a_refusal_is_a_problem_in_the_api_s_own_words(small: Office) -> None:
    owner = small.api("owner", OWNER)
    number = owner.raise_issue("HLJ26-001", "power", "major", "缺电")["number"]

    with pytest.raises(Problem) as found:
        owner.act(number, "close")
    assert (found.value.status, found.value.code) == (409, "wrong_state")
    assert "withdraw" in found.value.allowed
    with pytest.raises(Problem, match="412 conflict"):
        owner.act(number, "urge", version=7)
    with pytest.raises(Problem, match="404 not_found"):
        owner.issue("WT99-0001?x=#")
    for elsewhere in ("../../metrics", "..", "", "WT26-0001/journal"):
        with pytest.raises(ValueError, match="no issue"):
            owner.issue(elsewhere)


def test_an_answer_that_is_lost_is_asked_for_again_and_done_once(small: Office) -> None:
    small.user("owner", OWNER)
    program = small.program("owner")
    lost = [True, True, False]

    class Cut(httpx2.BaseTransport):
        """Hands every request on, and loses the first two answers."""

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            answer = program.post(request.url.path, content=request.content, headers=dict(request.headers))
            if lost.pop(0):
                raise httpx2.ReadError("the connection was cut")
            return httpx2.Response(answer.status_code, content=answer.content, headers={"content-type": "application/json"})

    http = httpx2.Client(transport=Cut(), base_url="http://office.test")
    with Client("", program.headers["authorization"].removeprefix("Bearer "), http=http) as office:
        number = office.raise_issue("HLJ26-001", "power", "major", "缺电")["number"]

    assert lost == []
    assert [each["number"] for each in small.api("owner").issues()] == [number]
