"""Gateways with agents whose models are scripted; no test here reaches a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pydantic_ai
import pydantic_ai.models
import pytest
from gateway_parts import held

from axon.gateway import Gateway, Modules, Principal

pydantic_ai.BANNER_ENABLED = False
pydantic_ai.models.ALLOW_MODEL_REQUESTS = False

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def modules() -> Modules:
    """The modules in the repository's own folder of agents."""
    return Modules(ROOT)


@pytest.fixture
async def gateway(modules: Modules) -> AsyncIterator[Gateway]:
    """A gateway that lets everybody in, without a store."""
    async with held(Gateway(modules=modules)) as gateway:
        yield gateway


@pytest.fixture
def me(gateway: Gateway) -> Principal:
    """Whoever asks without a token."""
    return gateway.principal(None)
