"""Servers that are gone when their test is over, and how many examples the properties run: 120 each by default, which takes
seconds, any number with `AXON_EXAMPLES=20000`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from workers import G, Start, end

import axon
from axon import GenServer
from axon.process import Name

settings.register_profile(
    "registry",
    max_examples=int(os.environ.get("AXON_EXAMPLES", "120")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[GenServer[Any]] = []

    async def begin(spec: G, *, name: Name | None = None) -> G:
        server = await axon.start(spec, name=name)
        started.append(server)
        return server

    yield begin
    for server in reversed(started):
        await end(server)
