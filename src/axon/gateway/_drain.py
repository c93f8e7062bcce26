"""Before a program ends: nothing new is taken, and what is under way may end in its own time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ..agent import TurnEnded
from ..telemetry import attach
from ._gateway import Gateway

LOOK = 0.5
"""Seconds between two looks: a turn that begins to wait for somebody does not say so."""
RESTING = frozenset({"approval", "throttled", "parked"})
"""States of a turn that waits for somebody outside, and may do so in the next program just as well."""


async def drain(gateway: Gateway, seconds: float) -> bool:
    """Close the gateway's intake, and wait for the runs under way, for so many seconds at most.

    Durable agents whose turn waits for a decision or for their provider are not waited for: with a store it goes on
    after the next start. Returns whether nothing was left to wait for.
    """
    gateway.intake.close()
    ended = asyncio.Event()
    detach = attach(lambda _: ended.set(), TurnEnded)
    try:
        async with asyncio.timeout(seconds) as limit:
            while await _is_busy(gateway):
                ended.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await ended.wait()
    except TimeoutError:
        return False
    finally:
        detach()
    return not limit.expired()
