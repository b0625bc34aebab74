"""A client of the REST API for other programs: typed, repeats safely what was cut off, and raises problems as they were told.

    with Client("https://tiji.example.com", token) as office:
        for issue in office.issues(light="red"):
            print(issue["number"], issue["responsible"], issue["due_at"])
        office.act("WT26-0031", "urge", reason="请抓紧")

It knows nothing of the rest of this program and can be copied out of it.
"""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from hashlib import sha256
from types import TracebackType
from typing import Any, Literal, TypedDict, cast
from urllib.parse import quote
from uuid import uuid4

import httpx2

Severity = Literal["general", "major", "urgent"]
#: How often a request is sent whose answer did not come: its key keeps it from being done twice.
TRIES = 3


class Issue(TypedDict):
    """An issue; moments are ISO 8601 with the offset of the office's zone."""

    number: str
    title: str
    project: str
    project_name: str
    city: str
    category: str
    severity: str
    stage: str
    status: str
    responsible: str
    lead: str
    lead_organ: str
    due_at: str | None
    light: str
    late_by: int
    overdue: bool
    version: int


class Raised(Issue):
    """A new issue, and why it stands where it does."""

    why: list[str]


Possible = TypedDict("Possible", {"action": str, "as": str, "needs": list[str], "takes": list[str]})


class File(TypedDict):
    """A file of an issue; `entry` is the journal entry that it came with."""

    no: int
    entry: int
    by: str
    at: str
    digest: str
    name: str
    content_type: str
    size: int


class Whole(TypedDict):
    """An issue whole, with the actions possible now; `issue["version"]` is what `act` takes as `version`."""

    issue: Issue
    assignments: list[dict[str, Any]]
    journal: list[dict[str, Any]]
    mails: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    files: list[File]
    actions: list[Possible]


class Explanation(TypedDict):
    """Why an issue is where it is, and what comes next if nobody acts."""

    because: list[str]
    next: list[dict[str, Any]]


class Project(TypedDict):
    """A project and its open issues by light."""

    code: str
    name: str
    city: str
    department: str
    open: int
    red: int
    yellow: int
    green: int


class Summary(TypedDict):
    """The figures of a period."""

    kind: str
    scope: str
    period: str
    as_of: str
    figures: dict[str, int]
    issues: dict[str, list[str]]


class Problem(Exception):
    """What the API would not do, in its own words; `allowed` is what may be done now, where a rule said no."""

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        self.status = status
        self.code: str = told.get("code", "")
        self.detail: str = told.get("detail", "")
        self.hint: str = told.get("hint", "")
        self.allowed: list[str] = told.get("allowed") or []
        super().__init__(f"{status} {self.code}: {self.detail}" + (f" ({self.hint})" if self.hint else ""))


def verified(secret: str, headers: Mapping[str, str], body: bytes, now: float, *, tolerance: float = 300) -> dict[str, Any]:
    """What a webhook says, if it is from the office and of this moment: `now` in seconds since 1970, give or take `tolerance`.

    `secret`: `whsec_…`, as it stands in the office's secrets file. Raises ValueError. The same `Webhook-Id` is the same news.
    """
    given = {name.lower(): value for name, value in headers.items()}
    identity, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    told = f"{identity}.{timestamp}.".encode() + body
    wanted = b64encode(hmac.new(b64decode(secret.removeprefix("whsec_")), told, sha256).digest()).decode()
    signed = [each.partition(",")[2] for each in given.get("webhook-signature", "").split()]
    if not any(hmac.compare_digest(each, wanted) for each in signed):
        raise ValueError("this was not signed with our secret")
    if abs(float(timestamp) - now) > tolerance:
        raise ValueError("this was sent too long ago, and may be somebody's copy")
    return cast(dict[str, Any], json.loads(body))


class Client:
    """The API under `base_url`, for the user of a token (`escalation user token`). Calls raise Problem and httpx2.HTTPError."""

    def __init__(self, base_url: str, token: str, *, timeout: float = 30, http: httpx2.Client | None = None) -> None:
        self._http = http or httpx2.Client(base_url=base_url, timeout=timeout)
        self._http.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def issues(self, *, limit: int = 200, **narrowed: str) -> Iterator[Issue]:
        """Every issue within sight, page by page. `narrowed` by light, stage, status, city, q, sort … as the API has them."""
        cursor = ""
        while True:
            page = self._get("/issues", {**narrowed, "limit": limit, "cursor": cursor})
            yield from page["items"]
            cursor = page["next"]
            if not cursor:
                return

    def issue(self, number: str) -> Whole:
        """One issue whole."""
        return cast(Whole, self._get(f"/issues/{_part(number)}"))

    def journal(self, number: str) -> list[dict[str, Any]]:
        """All that was done to it, oldest first."""
        entries: list[dict[str, Any]] = []
        before: dict[str, Any] = {}
        while True:
            page = self._get(f"/issues/{_part(number)}/journal", before)
            entries = [*page["items"], *entries]
            if page["before"] is None:
                return entries
            before = {"before": page["before"]}

    def explain(self, number: str) -> Explanation:
        """Why it is where it is, and what comes next."""
        return cast(Explanation, self._get(f"/issues/{_part(number)}/explain"))

    def projects(self) -> list[Project]:
        """The projects within sight."""
        return cast(list[Project], self._get("/projects")["items"])

    def summary(self, kind: Literal["daily", "weekly", "monthly"]) -> Summary:
        """The newest summary of a kind."""
        return cast(Summary, self._get(f"/summaries/{kind}"))

    def bring(self, name: str, data: bytes) -> str:
        """A file that `act` or `raise_issue` names by the digest answered here, within 30 days."""
        answer = self._http.post("/api/v1/files", files={"file": (name, data)})
        return cast(str, _told(answer)["digest"])

    def file(self, number: str, no: int) -> bytes:
        """The bytes of one of an issue's files."""
        answer = self._http.get(f"/api/v1/issues/{_part(number)}/files/{no}")
        if not answer.is_success:
            _told(answer)
        return answer.content

    def raise_issue(
        self,
        project: str,
        category: str,
        severity: Severity,
        title: str,
        *,
        text: str = "",
        files: Sequence[str] = (),
        organ: str = "",
        acting_as: str = "",
        key: str | None = None,
    ) -> Raised:
        """A new issue. `key`: the same key again gives the first answer; one is made where none is given."""
        body = {"project": project, "category": category, "severity": severity, "title": title, "text": text, "organ": organ}
        return cast(Raised, self._post("/issues", {**body, "files": list(files), "as": acting_as}, key, {}))

    def act(
        self,
        number: str,
        action: str,
        *,
        version: int | None = None,
        reason: str = "",
        to: str = "",
        until: date | None = None,
        into: str = "",
        request: int | None = None,
        note: str = "",
        files: Sequence[str] = (),
        acting_as: str = "",
        key: str | None = None,
    ) -> Whole:
        """One action; the issue as it is then. `version`: only if nobody has acted since that one (else Problem 412)."""
        body = {"reason": reason, "to": to, "until": until and until.isoformat(), "into": into, "request": request}
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        path = f"/issues/{_part(number)}/actions/{_part(action)}"
        return cast(Whole, self._post(path, {**body, "note": note, "files": list(files), "as": acting_as}, key, headers))

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return _told(self._http.get(f"/api/v1{path}", params=dict(query or {})))

    def _post(self, path: str, body: Mapping[str, Any], key: str | None, headers: Mapping[str, str]) -> Any:
        sent = {"Idempotency-Key": key or str(uuid4()), **headers}
        for left in reversed(range(TRIES)):
            try:
                return _told(self._http.post(f"/api/v1{path}", json=dict(body), headers=sent))
            except httpx2.TransportError:
                if not left:
                    raise
        raise AssertionError("every try returns or raises")


def _part(text: str) -> str:
    """A text as one part of a path; servers take an encoded slash for a slash. Raises ValueError for what cannot be one part."""
    if "/" in text or text.strip(".") == "":
        raise ValueError(f"{text!r} is the number of no issue")
    return quote(text, safe="")


def _told(answer: httpx2.Response) -> Any:
    if answer.is_success:
        return answer.json()
    is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    raise Problem(answer.status_code, answer.json() if is_problem else {"code": "http", "detail": answer.text[:200]})
