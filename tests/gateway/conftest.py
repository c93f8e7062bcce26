"""Gateways with agents whose models are scripted; no test here reaches a real one."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pydantic_ai
import pydantic_ai.models
import pytest
from gateway_parts import held

from axon.gateway import Gateway, Modules, Principal
from forge import Forge

pydantic_ai.BANNER_ENABLED = False
pydantic_ai.models.ALLOW_MODEL_REQUESTS = False

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def modules() -> Modules:
    """The modules in the repository's own folder of agents."""
    return Modules(ROOT)


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    """Of it come the programs that serve."""
    forge = Forge(Path(__file__).with_name("serving.py"))
    yield forge
    forge.close()


@pytest.fixture
async def gateway(modules: Modules) -> AsyncIterator[Gateway]:
    """A gateway that lets everybody in, without a store."""
    async with held(Gateway(modules=modules)) as gateway:
        yield gateway


@pytest.fixture
def me(gateway: Gateway) -> Principal:
    """Whoever asks without a token."""
    return gateway.principal(None)


@pytest.fixture
def grpc_is_over() -> Iterator[None]:
    """The thread of grpc.aio ends with the last of its objects, of which some refer to each other."""
    yield
    gc.collect()
