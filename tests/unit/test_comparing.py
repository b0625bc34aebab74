"""What one definition says otherwise than another, by the names of its parts."""

from workflows.comparing import Difference, differences
from workflows.loading import loads, source_of

SOURCE = source_of("provincial")


def changed(*pairs: tuple[str, str]) -> list[Difference]:
    text = SOURCE
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return differences(loads(SOURCE, "old"), loads(text, "new"))


def test_the_version_and_the_way_it_is_written_are_no_difference() -> None:
    assert changed(("version = 1", "version   = 7 # later")) == []


def test_a_part_of_a_list_is_named_by_its_key_whatever_its_place() -> None:
    assert changed(('urgent = "5wd" }', 'urgent = "4wd" }')) == [Difference("stages.city.resolve.urgent", "5wd", "4wd")]
    head, *categories = SOURCE.split("[[categories]]")
    swapped = "[[categories]]".join([head, categories[1], categories[0], *categories[2:]])
    found = differences(loads(SOURCE, "old"), loads(swapped, "new"))
    assert [each.place for each in found] == ["categories (order)"], "only the order differs"


def test_what_is_new_and_what_is_gone_is_said() -> None:
    head, _, *rest = SOURCE.split("[[categories]]")
    all_, fewer = loads(SOURCE, "all"), loads("[[categories]]".join([head, *rest]), "fewer")

    gone = {each.place: (each.before, each.after) for each in differences(all_, fewer)}
    assert gone["categories.road_access.name.en"] == ("Road access", "")
    assert not [place for place in gone if place.endswith(".key")], "the key names the part and is none itself"
    assert {each.place: (each.after, each.before) for each in differences(fewer, all_)} == gone
