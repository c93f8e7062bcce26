"""Before a program ends: nothing new is taken, and what is under way may end in its own time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ..agent import TurnEnded
from ..telemetry import attach, emit
from ._events import DrainEnded, DrainStarted
from ._gateway import Gateway
from ._requests import AgentInfo
from ._tokens import Principal

LOOK, PAUSE = 0.5, 0.02
"""Seconds between two looks at most, since a turn that begins to wait for somebody does not say so; and at least."""
RESTING = frozenset({"approval", "throttled", "parked"})
"""States of a turn that waits for somebody outside, and may do so in the next program just as well."""
_ITSELF = Principal("axon", {"read"})


async def drain(gateway: Gateway, seconds: float) -> bool:
    """Close the gateway's intake, and wait for the runs under way, for so many seconds at most.

    An agent with a store is not waited for while its turn waits for a decision or for its provider: that goes on after
    the next start. Returns whether nothing was left to wait for; leaving the gateway's block ends what is.
    """
    gateway.intake.close()
    loop = asyncio.get_running_loop()
    began, ended = loop.time(), asyncio.Event()
    detach = attach(lambda _: ended.set(), TurnEnded)
    left = await _busy(gateway)
    emit(DrainStarted(path=gateway.path, agents=left, seconds=seconds))
    try:
        async with asyncio.timeout(seconds):
            while left:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await ended.wait()
                await asyncio.sleep(PAUSE)
                ended.clear()
                left = await _busy(gateway)
    except TimeoutError:
        pass
    finally:
        detach()
    emit(DrainEnded(path=gateway.path, left=left, seconds=loop.time() - began))
    return not left


async def _busy(gateway: Gateway) -> tuple[str, ...]:
    """The agents that are waited for."""
    return tuple(agent.agent_id for agent in await gateway.agents.infos(_ITSELF) if _is_busy(agent))


def _is_busy(agent: AgentInfo) -> bool:
    status = agent.status
    if status is None or status.state == "idle":
        return False
    return not (agent.is_durable and status.state in RESTING)
