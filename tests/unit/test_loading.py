"""Broken definitions: every mistake at once, each with its place, its line, a sentence and the mend."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from workflows.deadlines import Duration
from workflows.definition import Limit, Name, Stage
from workflows.loading import BadDefinition, Problem, _model_in, built_in, digest, load, loads, source_of

FOLDER = Path(__file__).parents[1] / "definitions"
SOURCE = source_of("provincial")
#: Words that would be pydantic's or Python's, not ours.
FOREIGN = re.compile(
    r"pydantic|https?://|Input|instance of|valid dictionary|validation|Traceback|NoneType|unable to", re.IGNORECASE
)


def problems(text: str) -> list[Problem]:
    with pytest.raises(BadDefinition) as caught:
        loads(text, "p.toml")
    assert not FOREIGN.search(str(caught.value))
    return list(caught.value.problems)


def changed(old: str, new: str, times: int = 1) -> str:
    assert old in SOURCE
    return SOURCE.replace(old, new, times)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


CITY = 'resolve = { general = "15wd", major = "10wd", urgent = "5wd" }'
#: name: (what is replaced, by what, the place, part of the message, part of the mend)
BROKEN = {
    "unknown key at the top": (
        "yellow_light =",
        "yelow_light =",
        "yelow_light",
        "no key yelow_light",
        "did you mean yellow_light?",
    ),
    "unknown table": ("[cards]", "[card]", "card", "no key card", "did you mean cards?"),
    "unknown key of a stage": ("acknowledge =", "acknowlege =", "stages[0].acknowlege", "no key", "did you mean acknowledge?"),
    "unknown key of a table": ("at_most_days", "atmost_days", "suspension.atmost_days", "no key", "did you mean at_most_days?"),
    "unknown key, nothing near": ("times = 2", "times = 2\nzzz = 1", "extension.zzz", "no key zzz", "use one of ask_before"),
    "unknown key in a name": ('en = "City"', 'en = "City", de = "Stadt"', "stages[0].name.de", "no key de", "use one of en, zh"),
    "unknown severity": (
        CITY,
        CITY[:-2] + ', majr = "1wd" }',
        "stages[0].resolve.majr",
        '"majr" is unknown',
        "did you mean major?",
    ),
    "unknown severity in a list": ('["urgent"]', '["urgnt"]', "skip_severities[0]", '"urgnt" is unknown', "did you mean urgent?"),
    "missing severity": (', urgent = "5wd" }', " }", "stages[0].resolve.urgent", "resolve.urgent is missing", "every severity"),
    "missing severity of a table": ('urgent = "4wh"', "", "warning.urgent", "warning.urgent is missing", "every severity"),
    "a unit in words": ('"15wd"', '"15days"', "stages[0].resolve.general", "'15days' is no limit", 'did you mean "15wd"?'),
    "a unit with a mistake": ('"4wh"', '"4hour"', "warning.urgent", "'4hour' is no limit", 'did you mean "4h"?'),
    "a unit in Chinese": ('"15wd"', '"15个工作日"', "stages[0].resolve.general", "no limit", 'did you mean "15wd"?'),
    "a unit in capitals": ('"15wd"', '"15WD"', "stages[0].resolve.general", "no limit", 'did you mean "15wd"?'),
    "a limit without a unit": ('"15wd"', '"15"', "stages[0].resolve.general", "'15' is no limit", "as in 10wd"),
    "a limit of nothing": ('"15wd"', '"0wd"', "stages[0].resolve.general", "'0wd' is no limit", "from 1 to"),
    "a negative limit": ('"15wd"', '"-1wd"', "stages[0].resolve.general", "'-1wd' is no limit", "as in 10wd"),
    "a limit as a number": ('acknowledge = "1wd"', "acknowledge = 1", "stages[0].acknowledge", "a limit is text", 'as in "10wd"'),
    "a limit as a list": (
        'acknowledge = "1wd"',
        "acknowledge = []",
        "stages[0].acknowledge",
        "a limit is text",
        'as in "10wd"',
    ),
    "resolve as one limit": (CITY, 'resolve = "10wd"', "stages[0].resolve", "is not a table", "write a table"),
    "text for a number": ("version = 1", 'version = "one"', "version", '"one" is not a whole number', "without quotes"),
    "Chinese for a number": ("version = 1", 'version = "一"', "version", '"一" is not a whole number', "without quotes"),
    "a text that is shown whole": ("version = 1", f'version = "{"x" * 38}"', "version", f'"{"x" * 38}" is not', "without quotes"),
    "a text that is cut": ("version = 1", f'version = "{"x" * 39}"', "version", f'"{"x" * 36}... is not', "without quotes"),
    "half a number": ("times = 2", "times = 2.5", "extension.times", "2.5 is not a whole number", "as in 2"),
    "an endless number": ("version = 1", "version = inf", "version", "is not a number", "has an end"),
    "too small": ("version = 1", "version = 0", "version", "0 is too small", "1 is the least"),
    "nothing of a share": ("share = 0.5\n\n[top", "share = 0.0\n\n[top", "reopening.share", "0.0 is too small", "more than 0"),
    "too large": ("share = 0.5\n\n[top", "share = 2\n\n[top", "reopening.share", "2 is too large", "1.0 is the most"),
    "text for a choice of two": (
        "auto_dispatch = false",
        'auto_dispatch = "maybe"',
        "intake.auto_dispatch",
        "not true or false",
        "true",
    ),
    "text for a list": ('["urgent"]', '"urgent"', "skip_severities", '"urgent" is not a list', "write a list"),
    "text for a table": ('{ zh = "市级", en = "City" }', '"City"', "stages[0].name", '"City" is not a table', "write a table"),
    "two brackets for one": ("[intake]", "[[intake]]", "intake", "a list is not a table", "[one bracket]"),
    "a number for text": ('zh = "市级"', "zh = 1", "stages[0].name.zh", "1 is not text", "in quotes"),
    "an empty name": ('zh = "市级"', 'zh = ""', "stages[0].name.zh", "it is empty", "write what people should read"),
    "a missing language": ('zh = "市级", ', "", "stages[0].name.zh", "stages[0].name.zh is missing", "add it, as in zh ="),
    "a key that is no key": ('key = "permit"', 'key = "Per mit"', "categories[1].key", '"Per mit" is no key', "small letters"),
    "a scope that is none": ('of = "city"', 'of = "citi"', "stages[0].coordinator.of", '"citi" is unknown', "did you mean city?"),
    "a way that is none": ('"repeat"', '"repeet"', "stages[2].on_overdue", '"repeet" is unknown', "did you mean repeat?"),
    "an answerer that is none": (
        '"sponsor"',
        '"sponser"',
        "stages[2].responsible",
        '"sponser" is unknown',
        "did you mean sponsor?",
    ),
    "a day that is none": ('"04-15"', '"April"', "suspension.reasons[0].until", '"April" is no day', '"04-15"'),
    "a stage twice": ('key = "department"', 'key = "city"', "stages[1].key", '"city" is there 2 times', "its own key"),
    "a category twice": ('key = "eia"', 'key = "permit"', "categories[2].key", '"permit" is there 2 times', "its own key"),
    "a reason twice": ('key = "law_case"', 'key = "winter_stop"', "suspension.reasons[2].key", "is there 2 times", "its own key"),
    "an unknown entry": ('entry = "city"', 'entry = "citty"', "categories[0].entry", 'no stage "citty"', "did you mean city?"),
    "an unknown organ's stage": (
        "organs = { city =",
        "organs = { cty =",
        "categories[0].organs.cty",
        'no stage "cty"',
        "did you mean city?",
    ),
    "an unknown next stage": (
        CITY,
        CITY + '\nnext = "departmnt"',
        "stages[0].next",
        'no stage "departmnt"',
        "did you mean department?",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_definition_is_named_with_place_line_and_mend(name: str) -> None:
    old, new, place, message, mend = BROKEN[name]
    text = changed(old, new)
    found = [each for each in problems(text) if re.fullmatch(rf"p\.toml( line \d+)?: {re.escape(place)}", each.place)]
    assert len(found) == 1, problems(text)
    assert message in found[0].message
    assert mend in found[0].mend
    line = re.search(r" line (\d+):", found[0].place)
    first = next(number for number, (a, b) in enumerate(zip(SOURCE.split("\n"), text.split("\n"), strict=False), 1) if a != b)
    changed_lines = range(first, first + new.count("\n") + 1)
    tables_own_line = text.split("\n")[int(line[1]) - 1].startswith("[") if line else False
    assert line
    assert int(line[1]) in changed_lines or tables_own_line


def test_a_level_is_called_as_its_stage_is() -> None:
    workflow = loads(SOURCE, "p.toml")
    assert workflow.name_of("department") == workflow.stage("department").name.zh != "department"
    assert workflow.name_of("nowhere") == "nowhere"


def test_all_mistakes_are_told_at_once_in_the_order_of_the_text() -> None:
    text = SOURCE
    for old, new in (
        ("version = 1", "version = 0"),
        ('acknowledge = "1wd"', 'acknowledge = "1day"'),
        (', urgent = "5wd" }', " }"),
        ("times = 2", "tims = 2"),
        ('key = "eia"', 'key = "permit"'),
        ('entry = "department"', 'entry = "departmant"'),
    ):
        text = text.replace(old, new, 1)
    found = problems(text)
    lines = [int(re.search(r" line (\d+)", each.place)[1]) for each in found]  # type: ignore[index]
    assert lines == sorted(lines)
    places = [each.place.rpartition(": ")[2] for each in found]
    assert places == [
        "version",
        "stages[0].acknowledge",
        "stages[0].resolve.urgent",
        "extension.times",
        "extension.tims",
        "categories[2].key",
        "categories[10].entry",
    ]
    assert f"line {line_of(text, 'departmant')}:" in found[-1].place


def without(key: str) -> str:
    """The text without a key at the top, or without a table and all that belongs to it."""
    if re.search(rf"^{key} = ", SOURCE.split("\n[", 1)[0], re.MULTILINE):
        return re.sub(rf"^{key} = .*\n", "", SOURCE, count=1, flags=re.MULTILINE)
    parts = re.split(r"^(?=\[)", SOURCE, flags=re.MULTILINE)
    return "".join(part for part in parts if not re.match(rf"\[\[?{key}\]", part))


#: Keys that may be left out.
OPTIONAL = {"progress_text_at_least", "skip_severities", "cities", "categories"}
KEYS = list(tomllib.loads(SOURCE))


@pytest.mark.parametrize("key", KEYS)
def test_each_key_at_the_top_is_needed_or_may_be_left_out(key: str) -> None:
    text = without(key)
    assert key not in tomllib.loads(text)
    if key in OPTIONAL:
        loads(text, "p.toml")
        return
    assert [each for each in problems(text) if each.place.endswith(f": {key}") and each.message == f"{key} is missing"]


#: Keys of a stage that may be left out; without `on_overdue` the definition loads and is not sound.
STAGE_OPTIONAL = {"responsible", "on_overdue", "confirmed_by", "may_remand"}
STAGE_KEYS = [(number, key) for number, stage in enumerate(tomllib.loads(SOURCE)["stages"]) for key in stage]


@pytest.mark.parametrize(("number", "key"), STAGE_KEYS)
def test_each_key_of_each_stage_is_needed_or_may_be_left_out(number: int, key: str) -> None:
    parts = SOURCE.split("[[stages]]")
    parts[number + 1] = re.sub(rf"^{key} = .*\n", "", parts[number + 1], count=1, flags=re.MULTILINE)
    text = "[[stages]]".join(parts)
    assert key not in tomllib.loads(text)["stages"][number]
    if key in STAGE_OPTIONAL:
        loads(text, "p.toml")
        return
    header = [at for at, line in enumerate(text.split("\n"), 1) if line == "[[stages]]"][number]
    name = f"stages[{number}].{key}"
    [found] = problems(text)
    assert (found.place, found.message) == (f"p.toml line {header}: {name}", f"{name} is missing")
    assert found.mend.startswith("add ")


TABLE_KEYS = [
    (table, key)
    for table, inner in tomllib.loads(SOURCE).items()
    if isinstance(inner, dict) and table not in ("cities", "name")
    for key in inner
    if (table, key) != ("intake", "auto_dispatch")
]


@pytest.mark.parametrize(("table", "key"), TABLE_KEYS)
def test_each_key_of_each_table_is_needed(table: str, key: str) -> None:
    start = SOURCE.index(f"[{table}]")
    text = SOURCE[:start] + re.sub(rf"^{key} = (\[\n(.*\n)*?\]|.*)\n", "", SOURCE[start:], count=1, flags=re.MULTILINE)
    [found] = problems(text)
    assert found.place.endswith(f"line {line_of(text, f'[{table}]')}: {table}.{key}")
    assert found.message == f"{table}.{key} is missing"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (changed('key = "city"', "key ="), "p.toml line 23 column 6", "it is not TOML"),
        (changed("[cards]", "[cards"), f"p.toml line {line_of(SOURCE, '[cards]')} column 7", "it is not TOML"),
        (SOURCE + "\n[cards]\n", r"p.toml line \d+ column \d+", "it is not TOML"),
        (changed("version = 1", f"version = {'1' * 5000}"), "p.toml", "too many digits"),
        (f"x = {'[' * 5000}", "p.toml", "nested too deep"),
    ],
)
def test_what_is_not_toml_is_one_problem(text: str, place: str, message: str) -> None:
    [found] = problems(text)
    assert re.fullmatch(place, found.place)
    assert message in found.message
    assert found.mend


def test_an_empty_text_lacks_every_key() -> None:
    assert {each.place for each in problems("")} == {f"p.toml: {key}" for key in KEYS if key not in OPTIONAL}


@pytest.mark.parametrize("value", ["1", '"x"', "[]", "{}", "[1]", "[[]]", "[{}]", "true", "1979-05-27", "nan"])
@pytest.mark.parametrize("key", [key for key in KEYS if key not in ("progress_text_at_least", "cities")])
def test_anything_anywhere_is_told_and_never_a_crash(key: str, value: str) -> None:
    fine = {("key", '"x"'), ("version", "1"), ("skip_severities", "[]"), ("categories", "[]"), ("version", "true")}
    text = f"{key} = {value}\n{without(key)}"
    if (key, value) in fine:
        loads(text, "p.toml")
    else:
        assert any(f": {key}" in each.place for each in problems(text))


def test_a_strange_but_true_layout_is_read_and_its_lines_are_found() -> None:
    text = changed('key = "city"', "'key' = '''ci\\\nty!'''  # \" [ {").replace('\nname = { zh = "重', '\n"name" = { "zh" = "重')
    [found] = problems(text)
    assert found.place == f"p.toml line {line_of(text, chr(39) + 'key')}: stages[0].key"
    dotted = changed('{ general = "15wd", major = "10wd", urgent = "5wd" }', '{ general = "15wd", urgent = "5wd" }').replace(
        "review =", 'resolve.major = "10days"\nreview =', 1
    )
    assert problems(dotted)  # an inline table is closed: TOML itself forbids to add to it


def test_files(tmp_path: Path) -> None:
    good = tmp_path / "good.toml"
    good.write_bytes(b"\xef\xbb\xbf" + SOURCE.replace("\n", "\r\n").encode())
    assert load(good) == built_in()
    bad = tmp_path / "bad.toml"
    bad.write_bytes(SOURCE.encode("gb18030"))
    worse = tmp_path / "worse.toml"
    worse.write_bytes(b"# \xb1")
    for path, message in (
        (bad, "not UTF-8"),
        (worse, "it is not UTF-8 at byte 3;"),
        (tmp_path / "none.toml", "cannot be read: no such file"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(BadDefinition, match=message) as caught:
            load(path)
        assert caught.value.problems[0].mend


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("层" * 38, f'"{"层" * 38}"'),
        ("层" * 39, f'"{"层" * 36}...'),
    ],
)
def test_a_long_value_is_cut_and_chinese_is_not_spelt_out(value: str, said: str) -> None:
    [found] = problems(changed('of = "city"', f'of = "{value}"'))
    assert found.message.startswith(f"{said} is ")


def test_what_is_missing_is_shown_as_the_shipped_definition_has_it() -> None:
    """Of a stage, as its first stage has it; of a table, only that it belongs there."""
    second = SOURCE.replace('key = "department"\n', "", 1)
    assert [each.mend for each in problems(second)] == ['add it, as in key = "city"']
    nameless = changed('name = { zh = "市级", en = "City" }\n', "")
    assert [each.mend for each in problems(nameless)] == ["add name; provincial.toml shows what belongs to it"]


def test_the_definitions_of_the_tests_load() -> None:
    assert [stage.key for stage in load(FOLDER / "four_rungs.toml").stages] == ["county", "city", "department", "province"]
    assert [stage.key for stage in load(FOLDER / "one_stage.toml").stages] == ["office"]


def test_the_built_in_definition_is_read_once_and_others_are_not_there() -> None:
    assert built_in() is built_in()
    assert built_in().id == "provincial@1"
    for name in ("provincal", "../definitions/provincial", ""):
        with pytest.raises(FileNotFoundError, match="is shipped"):
            source_of(name)


def test_the_digest_is_of_the_meaning() -> None:
    swapped = changed('general = "15wd", major = "10wd"', 'major = "10wd", general = "15wd"')
    assert digest(f"# a remark\n{swapped}\n") == digest(SOURCE)
    assert len(digest(SOURCE)) == 64
    assert digest(changed('"15wd"', '"14wd"')) != digest(SOURCE)
    with pytest.raises(BadDefinition):
        digest("version = 0")


def test_a_place_is_looked_for_in_whatever_holds_a_piece() -> None:
    assert _model_in(tuple[Stage, ...]) is Stage
    assert _model_in(Stage) is Stage
    assert _model_in(dict[str, int]) is None
    assert _model_in(str) is None


def test_a_limit_may_be_given_as_one_or_as_text() -> None:
    limit = TypeAdapter(Limit)
    assert limit.validate_python(Duration(10, "wd")) == limit.validate_python("10wd") == Duration(10, "wd")


def test_a_name_is_said_in_the_language_that_is_asked_for() -> None:
    name = Name(zh="市级", en="City")
    assert (name.in_language("en"), name.in_language("zh_CN")) == ("City", "市级")
