"""In every recorded scenario Axon does what Erlang/OTP 25 did, with plain workers and with `async` ones.

core: one scenario for each thing that a supervisor promises; edges: where OTP is not what one would guess;
random-seed1, fuzz: trees and steps made up at random. How to replay one of them by hand is told in replay.py.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from replay import difference, read, replay

import_module("structlog")  # the first crash that is logged would import it, which is a blocking call

DATA = Path(__file__).parent / "data"
FILES = ("core", "edges", "random-seed1", "fuzz")
SCENARIOS = {line["name"]: line for file in FILES for line in read(DATA / f"{file}.jsonl")}
GOLDEN = {line["name"]: line["trace"] for file in FILES for line in read(DATA / "golden" / f"{file}.jsonl")}


def test_every_scenario_has_a_golden_trace() -> None:
    assert SCENARIOS.keys() == GOLDEN.keys()


@pytest.mark.parametrize("async_handlers", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_axon_does_what_otp_did(name: str, async_handlers: bool) -> None:
    trace = replay(SCENARIOS[name], async_handlers=async_handlers)
    assert difference(GOLDEN[name], trace) is None
