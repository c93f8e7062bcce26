"""Every test runs on virtual time, unless it is marked `real_clock`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from axon.testing import virtual_clock


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("real_clock") is not None:
        return {"real": asyncio.new_event_loop}
    return {"virtual": virtual_clock}
