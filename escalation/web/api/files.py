"""Files over REST: brought first, then named by an action; given out to those who see the issue."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response, UploadFile

from escalation import filing as keeping
from escalation.filekinds import MEGABYTE, check
from escalation.web import filing
from escalation.web.api import forms
from escalation.web.api.issues import COMMON, Caller, Number
from escalation.web.api.problems import responses

router = APIRouter(tags=["issues"])
SAVED = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@router.post("/files", status_code=201, response_model=forms.Uploaded, responses=COMMON | responses(413))
def brought(desk: Caller, file: UploadFile) -> dict[str, Any]:
    """A file that an action will name by its digest within 30 days; the same one again changes nothing."""
    desk.refuse_without("act")
    limits = desk.app.settings.files.limits
    found = check(file.filename or "", file.file.read(limits.megabytes * MEGABYTE + 1), limits)
    desk.app.store.write(lambda session: keeping.put_down(session.connection(), desk.user.id, filing.PROGRAMS, [found], desk.now))
    return {"digest": found.digest, "name": found.name, "content_type": found.content_type, "size": found.size}


@router.get(
    "/issues/{number}/files/{no}", response_class=Response, responses=COMMON | {200: SAVED | {"description": "The file."}}
)
def given_out(desk: Caller, number: Number, no: Annotated[int, Path(ge=1, le=100_000)]) -> Response:
    """One of an issue's files."""
    desk.refuse_without("read")
    return filing.download(desk, number, no)
