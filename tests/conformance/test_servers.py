"""In every recorded scenario of servers, signals and groups Axon does what Erlang/OTP 25 did, or what it promises instead.

oracle/SCENARIOS.md tells what a scenario is, and how to record one. The `golden` traces are OTP's; where Axon promises
something else, `golden/axon-differs.jsonl` has its own trace, with the reason and the test of the promise.
"""

from __future__ import annotations

import json
import os
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from oracle.determinism import DATA, RELEASE, record, release
from oracle.generate import KINDS, scenarios
from replay import read
from replay_servers import difference, replay

import_module("structlog")  # the first crash that is logged would import it, which is a blocking call

FILES = sorted(path.name for path in DATA.glob("*.jsonl"))
SCENARIOS = {line["name"]: line for file in FILES for line in read(DATA / file)}
GOLDEN = {line["name"]: line for file in FILES for line in read(DATA / "golden" / file)}
DIFFERS = {line["name"]: line for line in read(DATA / "golden" / "axon-differs.jsonl")}
SEMANTICS = Path(__file__).parents[2] / "docs" / "semantics.md"


def test_every_scenario_has_a_golden_trace() -> None:
    assert SCENARIOS.keys() == GOLDEN.keys()


@pytest.mark.parametrize("async_handlers", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_axon_does_what_otp_did(name: str, async_handlers: bool) -> None:
    trace = replay(SCENARIOS[name], async_handlers=async_handlers)
    assert difference(DIFFERS.get(name, GOLDEN[name]), trace) is None


@pytest.mark.parametrize("name", DIFFERS)
def test_where_axon_differs_it_says_so(name: str) -> None:
    """Each difference is one, and is promised in docs/semantics.md by the sentence of that test."""
    assert difference(GOLDEN[name], DIFFERS[name]) is not None
    assert f"`{DIFFERS[name]['promise']}`" in SEMANTICS.read_text("utf-8")


@pytest.fixture
def erlang() -> None:
    if shutil.which("escript") is None:
        pytest.skip("needs Erlang: apt-get install erlang-base")
    if (found := release()) != RELEASE:
        pytest.skip(f"the recordings are of Erlang/OTP {RELEASE}, this one is {found}")


@pytest.mark.slow
@pytest.mark.usefixtures("erlang")
def test_erlang_still_does_what_was_recorded(tmp_path: Path) -> None:
    """A scenario in eleven, recorded anew on the Erlang of this machine."""
    some = [*SCENARIOS.values()][::11]
    recorded = record(written(tmp_path, some), schedulers=2, jobs=8, jitter=True)
    assert recorded == {scenario["name"]: GOLDEN[scenario["name"]] for scenario in some}


@pytest.mark.slow
@pytest.mark.usefixtures("erlang")
@pytest.mark.parametrize("kind", KINDS)
def test_random_scenarios_go_the_same_way_on_both(tmp_path: Path, kind: str) -> None:
    """Set AXON_EXAMPLES to try more of them, and others."""
    count = int(os.environ.get("AXON_EXAMPLES", "20"))
    some = [*scenarios(count, count, kind)]
    recorded = record(written(tmp_path, some), schedulers=2, jobs=8, jitter=True)
    for scenario in some:
        assert difference(recorded[scenario["name"]], replay(scenario)) is None, json.dumps(scenario)


def written(folder: Path, some: list[dict[str, Any]]) -> Path:
    path = folder / "some.jsonl"
    path.write_text("\n".join(map(json.dumps, some)), "utf-8")
    return path
