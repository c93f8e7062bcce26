"""Servers that are gone when their test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from servers import G, Start

import axon
from axon import GenServer


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[GenServer[Any]] = []

    async def begin(spec: G, *, name: str | None = None, timeout: float | None = None, mailbox: int | None = None) -> G:
        server = await axon.start(spec, name=name, timeout=timeout, mailbox=mailbox)
        started.append(server)
        return server

    yield begin
    for server in reversed(started):
        axon.exit(server, axon.kill)
        await axon.wait_down(server)
