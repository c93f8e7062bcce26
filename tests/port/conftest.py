"""What every test of ports is held to: no process, descriptor or file is left behind."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from port_marks import descriptors, marked

from axon.port._spawner import Spawner
from axon.process import runtime


@pytest.fixture(autouse=True)
def nothing_of_a_port_is_left(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:

    home = tmp_path_factory.mktemp("port-temp")
    monkeypatch.setenv("TMPDIR", str(home))
    processes, files = marked(), Counter(descriptors())
    yield
    due = time.monotonic() + 5
    while left := [*(marked() - processes), *(Counter(descriptors()) - files)]:  # what others left may end meanwhile
        assert time.monotonic() < due, left
        time.sleep(0.02)
    assert list(Path(home).iterdir()) == []
    assert "AXON_PORT_MARK" not in os.environ


@pytest.fixture(autouse=True)
async def the_guard_has_gone() -> AsyncIterator[None]:
    """It ends in its own time after the last child, and the event loop of the test is what takes note of it."""
    yield
    spawner = runtime().spawner
    if isinstance(spawner, Spawner):
        await asyncio.wait({spawner.gone}, timeout=5)
