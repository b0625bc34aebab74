"""The API answers as it is described: schemathesis tries every route with what fits its description and with what does not.

The program runs as anybody would run it, against a served application; `--long` tries many times more.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.town import CITY_COORDINATOR
from tests.web.browser import served
from tests.web.office import Office

HANDLER = "PT0033"
CONFIG = """
hooks = "{hooks}"

[auth.openapi.token]
bearer = "{token}"

[dictionaries]
numbers.values = {numbers}
actions.values = ["acknowledge", "dispatch", "urge", "resolve", "no-such"]

[parameters]
"path.number" = {{ dictionary = "numbers", probability = 0.9 }}
"path.action" = {{ dictionary = "actions", probability = 0.9 }}

[generation]
database = "none"
deterministic = true

[phases.stateful]
generation.max-examples = {stories}

[checks]
# a rule may refuse what fits the description, and what was seen may be overtaken
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "412"]
"""


def test_every_answer_is_as_described_and_none_is_a_fault(small: Office, tmp_path: Path, long: bool) -> None:
    small.user("two", CITY_COORDINATOR, HANDLER)
    token = small.program("two").headers["authorization"].removeprefix("Bearer ")
    numbers = [small.town.raise_issue(), small.town.dispatched(), small.town.dispatched(severity="urgent"), "WT99-9999"]
    config = tmp_path / "schemathesis.toml"
    given = {"numbers": numbers, "hooks": Path(__file__).with_name("described_hooks.py"), "token": token}
    config.write_text(CONFIG.format(**given, stories=200 if long else 5))
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run", "--checks", "all", "--no-color"]
    # a machine that does other work too is no fault of the API
    command += ["--request-timeout", "120"]
    effort = ["--max-examples", "400"] if long else ["--max-examples", "6", "--phases", "coverage,fuzzing,stateful"]
    with served(small.web) as address:
        done = subprocess.run(
            [*command, *effort, f"{address}/api/openapi.json"],
            cwd=tmp_path, env=os.environ | {"NO_PROXY": "*"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 selected / 13 total" in done.stdout, "no route is left out"
    assert small.town.verify().ok
