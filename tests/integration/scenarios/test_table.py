"""Where each acceptance scenario is shown: file by file, below `tests`."""

import re
from pathlib import Path

import pytest

SHOWN = {
    "integration/scenarios/test_detecting.py": [1, 2, 3, 4, 5, 6, 7, 8],
    "integration/scenarios/test_restarting.py": [9, 10, 11, 12, 13, 14, 45],
    "integration/scenarios/test_delivering.py": [17, 18, 19, 20, 21, 22, 23, 24, 25],
    "integration/scenarios/test_keeping_back.py": [26, 27, 28, 29, 30],
    "integration/scenarios/test_in_hand.py": [31],
    "integration/scenarios/test_flapping.py": [32, 33, 34],
    "integration/scenarios/test_seeing.py": [35, 36, 37, 38, 39],
    "integration/scenarios/test_sites.py": [40],
    "integration/scenarios/test_dead_man.py": [44],
    "integration/test_scenario_16.py": [16],
    "integration/test_scenario_46.py": [46],
    "e2e/test_replicas.py": [41, 42],
    "e2e/test_service.py": [15],
    "e2e/test_commands.py": [43],
}


def test_every_scenario_has_its_place() -> None:
    placed = [number for numbers in SHOWN.values() for number in numbers]
    assert sorted(placed) == list(range(1, 47))


@pytest.mark.parametrize("file", SHOWN)
def test_the_scenarios_are_where_the_table_says(file: str) -> None:
    text = (Path(__file__).parents[2] / file).read_text(encoding="utf-8")
    there = {int(number) for number in re.findall(r"^(?:async )?def test_scenario_(\d+)_", text, re.MULTILINE)}
    assert there >= set(SHOWN[file])
