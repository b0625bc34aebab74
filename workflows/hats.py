"""Which hats a party wears towards one issue: the only place that says who is handler, coordinator, superior or reporter."""

from datetime import date

from workflows.facts import Actor, Snapshot
from workflows.parties import Directory, Party, Route

#: Every hat that the table of actions speaks of.
HATS = ("reporter", "handler", "coordinator", "superior", "province_office", "liaison", "inspection_office", "target")


def actor(directory: Directory, party: Party, today: date) -> Actor:
    """Somebody about to act, with all whose deputy they are on `today`."""
    return Actor(party, tuple(directory.acting_for(party, today)))


def hats(who: Actor, snapshot: Snapshot, today: date) -> frozenset[str]:
    """All hats that `who` wears towards the issue, for themselves or as a deputy."""
    worn: set[str] = set()
    for party in who.acts_for:
        worn |= _worn_by(party, snapshot, today)
    return frozenset(worn)


def _worn_by(party: Party, snapshot: Snapshot, today: date) -> set[str]:
    facts, route = snapshot.facts, snapshot.route
    worn = set()
    if party.id == facts.reporter_id or (party.role == "project_owner" and party.organ == route.project.owner_organ):
        worn.add("reporter")
    if _handles(party, snapshot, today):
        worn.add("handler")
    if coordinates(party, route, facts.stage):
        worn.add("coordinator")
    if coordinates(party, route, _above(route, facts.stage)):
        worn.add("superior")
    if party.role in ("province_office", "inspection_office"):
        worn.add(party.role)
    if _speaks_for_the_sponsor(party, route):
        worn.add("liaison")
    if any(request.target_id == party.id for request in snapshot.requests):
        worn.add("target")
    return worn


def _handles(party: Party, snapshot: Snapshot, today: date) -> bool:
    facts = snapshot.facts
    if facts.status == "pending_intake":
        return False
    if party.id == facts.lead_id:
        return True
    if party.id == facts.delegate_id:
        return facts.delegate_until is None or today <= facts.delegate_until
    lead = snapshot.route.directory.by_id[facts.lead_id]
    return party.role == lead.role == "responsible_party" and party.organ == lead.organ


def _speaks_for_the_sponsor(party: Party, route: Route) -> bool:
    """The project's sponsoring leader or who reads that leader's mail; any liaison where the project has neither."""
    if party.role not in ("sponsor_liaison", "sponsor_leader"):
        return False
    directory = route.directory
    sponsor = directory.find(route.project.sponsor) or next(iter(directory.with_role("sponsor_leader")), None)
    if sponsor is None or not sponsor.mail_goes_to:
        return sponsor is None or party.id == sponsor.id or party.role == "sponsor_liaison"
    return party.id == sponsor.id or party == directory.find(sponsor.mail_goes_to)


def coordinates(party: Party, route: Route, stage_key: str) -> bool:
    """Is this party a coordinator of the stage for this project, by role and scope or as the one it fell to?"""
    stage = route.workflow.stage(stage_key)
    if party.role == stage.coordinator.role and route.covers(stage, party):
        return True
    return party.id == route.coordinator(stage).id


def _above(route: Route, stage_key: str) -> str:
    stages = route.workflow.stages
    return stages[min(route.workflow.level[stage_key] + 1, len(stages) - 1)].key
