"""Sentences that know what was filled into them, so that a reader of another language can be told the same in their own words."""

from collections.abc import Mapping


class Several(tuple[str, ...]):
    """Codes or names one after the other."""

    __slots__ = ()

    def __format__(self, how: str) -> str:
        return ", ".join(self)


class Sentence(str):
    """An English sentence; `template` says it with names in braces, `values` what stands for each, and more that others need."""

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, values: Mapping[str, object]) -> "Sentence":
        """The template with its values filled in."""
        said = super().__new__(cls, template.format_map(values))
        said.template, said.values = template, values
        return said


def say(template: str, /, **values: object) -> Sentence:
    """The sentence with these values."""
    return Sentence(template, values)
