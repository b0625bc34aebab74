"""Who stands behind the words of a row: the party that reported an issue, the organ behind a short name."""

from escalation.ledger.values import CITY_ENDINGS
from escalation.world import department_organ as organ_behind
from workflows.parties import Directory, Party, Project, Route

COORDINATOR = "协调员"
OF_THE_PROJECT = ("项目单位", "业主", "企业")


def department_organ(project: Project, directory: Directory) -> str:
    """The organ of the project's industry department: 工信厅 is 省工信厅 where the directory has it so."""
    return organ_behind(project.department, directory)


def sponsor_name(role: str) -> str:
    """The leader's name without what stands in brackets behind it."""
    return role.partition("(")[0].partition("(")[0].strip()


def reporter(role: str, route: Route) -> Party:
    """The party that a row's reporter words mean; the project's owner where they tell nothing.

    Raises NobodyAnswers when there is neither an owner's party nor a coordinator.
    """
    directory = route.directory
    if role and (named := directory.find(role)) is not None:
        return named
    if role.endswith(COORDINATOR) and (found := _coordinator(role.removesuffix(COORDINATOR), directory)) is not None:
        return found
    return owner(route)


def owner(route: Route) -> Party:
    """The party of the organ that owns the project; without one, the coordinator of the first stage."""
    organ = route.project.owner_organ
    party = route.directory.handlers.get(organ)
    if party is not None and party.role == "project_owner":
        return party
    for other in route.directory.with_role("project_owner"):
        if organ and other.organ == organ:
            return other
    return party or route.coordinator(route.workflow.stages[0])


def _coordinator(of: str, directory: Directory) -> Party | None:
    """The coordinator of a city (牡丹江市) or of an organ (省通信管理局)."""
    for party in directory.with_role("city_coordinator"):
        if of in (party.city, party.organ, *(f"{party.city}{ending}" for ending in CITY_ENDINGS)):
            return party
    return next((party for party in directory.with_role("department_coordinator") if party.organ == of), None)
