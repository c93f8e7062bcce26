"""In every recorded scenario of servers, signals and groups Axon does what Erlang/OTP 25 did, or what it promises instead.

oracle/SCENARIOS.md tells what a scenario is, and how to record one. The `golden` traces are OTP's; where Axon promises
something else, `golden/axon-differs.jsonl` has its own trace, with the reason and the test of the promise.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

import pytest
from oracle.determinism import DATA, record
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


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("escript") is None, reason="needs Erlang: apt-get install erlang-base")
def test_erlang_still_does_what_was_recorded(tmp_path: Path) -> None:
    """A scenario in eleven, recorded anew on the Erlang of this machine."""
    lines = [line for file in FILES for line in (DATA / file).read_text("utf-8").splitlines()][::11]
    some = tmp_path / "some.jsonl"
    some.write_text("\n".join(lines), "utf-8")
    recorded = record(some, schedulers=2, jobs=8, jitter=True)
    assert len(recorded) == len(lines)
    assert recorded == {name: GOLDEN[name] for name in recorded}
