"""Every tree holds its rules under a few hundred schedules; `schedules.py` runs a million."""

from __future__ import annotations

import os

import pytest
from trees import TREES

SEEDS = int(os.environ.get("AXON_SEEDS", "150"))


pytestmark = [
    # pydantic-ai makes it and gives it to a task; a run that is cancelled before that task's first step drops it
    pytest.mark.filterwarnings("ignore:coroutine 'CombinedCapability.wrap_run' was never awaited:RuntimeWarning"),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", TREES)
def test_a_tree_holds_its_rules_under_every_schedule(name: str) -> None:
    for seed in range(max(5, int(SEEDS * TREES[name].share))):
        TREES[name].run(seed)


@pytest.mark.parametrize("name", TREES)
def test_the_same_seed_gives_the_same_run(name: str) -> None:
    runs = [[TREES[name].run(seed) for seed in range(5)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert len({run.digest for run in runs[0]}) > 1
