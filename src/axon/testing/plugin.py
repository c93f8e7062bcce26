"""The pytest plugin: the marker `chaos`, and the fixture `runtime`; pytest finds it by itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..process import Runtime

    _async_fixture = pytest.fixture
else:
    try:
        from pytest_asyncio import fixture as _async_fixture  # for its strict mode, which takes no others
    except ModuleNotFoundError:
        _async_fixture = pytest.fixture


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, also under `--strict-markers`."""
    config.addinivalue_line("markers", "chaos: runs under many simulated schedules (axon.testing.chaos)")


@_async_fixture
async def runtime() -> AsyncGenerator[Runtime]:
    """The runtime of the test's event loop; after the test nothing may be left in it (needs pytest-asyncio)."""
    from ..process import runtime as of_loop
    from ._invariants import nothing_left

    async with nothing_left():
        yield of_loop()
