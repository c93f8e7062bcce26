"""The scenarios that the fuzzer makes up can be had again, and replayed; comparing them with OTP is fuzz.py."""

from __future__ import annotations

from importlib import import_module

import pytest
from invent import Inventor
from replay import difference, play, replay
from themes import SIZES, THEMES

import_module("structlog")  # the first crash that is logged would import it, which is a blocking call

SEEDS = [(f"test-{number}", size) for number in range(15) for size in SIZES]


@pytest.mark.parametrize(("seed", "size"), SEEDS)
def test_an_invented_scenario_is_invented_again_and_replayed_to_the_same_end(seed: str, size: str) -> None:
    one, other = Inventor(seed, size), Inventor(seed, size)
    trace = play(one)
    assert difference(trace, play(other)) is None
    assert one.invented == other.invented
    assert difference(trace, replay(one.invented)) is None
    assert difference(trace, replay(one.invented, async_handlers=True)) is None


def test_the_seeds_show_every_theme() -> None:
    assert {Inventor(f"theme-{number}", "small").invented["name"].split("-")[0] for number in range(200)} == set(THEMES)
