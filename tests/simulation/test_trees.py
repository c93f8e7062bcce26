"""Every tree holds its rules under a few hundred schedules; `schedules.py` runs a million."""

from __future__ import annotations

import os

import pytest
from trees import TREES

SEEDS = int(os.environ.get("AXON_SEEDS", "150"))


@pytest.mark.slow
@pytest.mark.parametrize("name", TREES)
def test_a_tree_holds_its_rules_under_every_schedule(name: str) -> None:
    for seed in range(SEEDS):
        TREES[name].run(seed)


@pytest.mark.parametrize("name", TREES)
def test_the_same_seed_gives_the_same_run(name: str) -> None:
    runs = [[TREES[name].run(seed) for seed in range(5)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert len({run.digest for run in runs[0]}) > 1
