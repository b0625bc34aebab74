"""Who gets what is policy: an office's lines replace the built-in ones, and none leaves the party that answers untold."""

import pytest

from escalation.audience import AUDIENCE, TOLD, WHO, audience
from escalation.errors import BadConfig
from notifications.kinds import KINDS


def test_without_a_policy_it_is_the_built_in_table():
    assert audience({}) == AUDIENCE


def test_every_built_in_line_is_about_a_kind_and_an_audience_that_exist():
    for event, lines in AUDIENCE.items():
        assert all(kind in KINDS and who in WHO for kind, who in lines), event
    for event, who in TOLD.items():
        assert who in [each for _, each in AUDIENCE[event]]


def test_an_office_may_say_less_or_other():
    found = audience({"acknowledged": [], "closed": ["closed:reporter", "closed:inspection"]})
    assert found["acknowledged"] == ()
    assert found["closed"] == (("closed", "reporter"), ("closed", "inspection"))
    assert found["urged"] == AUDIENCE["urged"]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"closd": []}, "closd is no event (did you mean closed?)"),
        ({"urged": ["urge_notise:responsible"]}, "urge_notise is no kind of mail (did you mean urge_notice?)"),
        ({"urged": ["urge_notice:responsibel"]}, "responsibel is no audience (did you mean responsible?)"),
        ({"urged": ["urge_notice"]}, "urged: nobody is no audience"),
        *[({event: []}, f"{event}: the {who} party must be told") for event, who in TOLD.items()],
    ],
)
def test_what_means_nothing_or_tells_nobody_is_refused_by_name(policy, said):
    with pytest.raises(BadConfig) as refused:
        audience(policy)
    assert said in refused.value.message
