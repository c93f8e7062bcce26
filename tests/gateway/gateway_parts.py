"""Agents for the tests of the gateway, whose models take time on the loop's clock and say what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import Agent

from axon.agent import AgentServer
from axon.gateway import Gateway, Principal, RunRequest
from axon.store import Store
from axon.testing.models import Part, Say, ScriptedModel

ADA = Principal("ada", {"read", "run", "approve", "admin"})
BOB = Principal("bob", {"read", "run", "approve"})
READER = Principal("reader", {"read"})


@asynccontextmanager
async def held(gateway: Gateway) -> AsyncGenerator[Gateway]:
    """A gateway for a fixture, whose two halves run in tasks of their own: its block is in one."""
    ready: asyncio.Future[Gateway] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def hold() -> None:
        async with gateway:
            ready.set_result(gateway)
            await done.wait()

    holding = asyncio.create_task(hold())
    yield await ready
    done.set()
    await holding


def asks(prompt: str = "hello", **fields: Any) -> RunRequest:
    return RunRequest.model_validate({"prompt": prompt, **fields})


def talker(
    *script: Part, name: str = "talker", deps_type: type = object, store: Store | None = None, **options: Any
) -> AgentServer[Any, str]:
    """An agent whose model plays this script; each word takes a quarter of a second unless it says otherwise."""
    model = ScriptedModel(*(script or (Say("one two three", every=0.25),)))
    return AgentServer(Agent(model, name=name, deps_type=deps_type), name=name, store=store, **options)
