"""What one definition says otherwise than another: pure, by the names that people know the parts by."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from workflows.definition import Workflow


class Difference(NamedTuple):
    """One thing that is said otherwise. Empty: it is not said there."""

    #: `stages.city.resolve.major`; parts of a list go by their key.
    place: str
    before: str
    after: str


def differences(before: Workflow, after: Workflow) -> list[Difference]:
    """Everything that `after` says otherwise, in its order, then what it leaves out. The version itself is not compared."""
    old, new = dict(_said("", before.model_dump())), dict(_said("", after.model_dump()))
    places = [*new, *(place for place in old if place not in new)]
    return [Difference(place, old.get(place, ""), new.get(place, "")) for place in places if old.get(place) != new.get(place)]


def _said(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if place or name != "version":
                yield from _said(f"{place}.{name}" if place else name, inner)
    elif isinstance(value, tuple | list) and any(isinstance(each, Mapping) for each in value):
        yield f"{place} (order)", " > ".join(each["key"] for each in value)
        for each in value:
            yield from _said(f"{place}.{each['key']}", {name: inner for name, inner in each.items() if name != "key"})
    elif isinstance(value, tuple | list):
        yield place, ", ".join(map(str, value))
    elif value is not None:
        yield place, str(value)
