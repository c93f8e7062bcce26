"""The pytest plugin, as a project of its own has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import asyncio
import axon
import pytest
from axon.testing import Scripted, chaos

@pytest.mark.asyncio
async def test_nothing_is_left(runtime):
    await axon.stop(await axon.start(Scripted(), name="shop"))

@pytest.mark.asyncio
async def test_the_shop_is_left(runtime):
    await axon.start(Scripted(), name="shop")

@chaos(seeds=2)
async def test_needs_no_mark():
    await asyncio.sleep(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_the_fixture_and_the_marker_in_both_modes_of_pytest_asyncio(tmp_path: Path, mode: str) -> None:
    (tmp_path / "test_shop.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\nasyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function\n"
        "addopts = --strict-markers\nfilterwarnings = error\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "3 passed, 1 error" in done.stdout, done.stdout
    assert "AssertionError: left running:" in done.stdout
    assert "  shop at " in done.stdout
