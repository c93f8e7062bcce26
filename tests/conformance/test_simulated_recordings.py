"""Under every schedule a recorded scenario gives the trace that Erlang/OTP gave."""

from __future__ import annotations

import os

import pytest
from replay import difference, replay
from test_recordings import GOLDEN, SCENARIOS

SEEDS = int(os.environ.get("AXON_SEEDS", "5"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_schedule_gives_the_same_canonical_trace(name: str) -> None:
    for seed in range(SEEDS):
        trace = replay(SCENARIOS[name], async_handlers=seed % 2 == 1, seed=seed)
        assert difference(GOLDEN[name], trace) is None, f"seed {seed}"
