"""Draining says whom it waits for, and whom it could not wait for any longer."""

from __future__ import annotations

import asyncio

import pytest
from gateway_parts import ADA, asks, talker
from pydantic_ai import RunCancelled

import axon
from axon.gateway import DrainEnded, Draining, DrainStarted, Gateway, drain
from axon.testing.models import Say


async def test_draining_tells_whom_it_waits_for_and_when_it_is_over(gateway: Gateway) -> None:
    events: list[axon.telemetry.Event] = []
    detach = axon.telemetry.attach(events.append, DrainStarted, DrainEnded)
    await gateway.serve(talker(Say("done", after=3), name="busy"))
    await gateway.serve(talker(name="idle"))
    asking = asyncio.create_task(gateway.runs.run(ADA, "busy", asks()))
    await asyncio.sleep(1)
    assert await drain(gateway, 20)
    detach()
    begun, over = events
    assert isinstance(begun, DrainStarted)
    assert (begun.path, begun.agents, begun.seconds) == ("gateway", ("busy",), 20)
    assert isinstance(over, DrainEnded)
    assert over.left == ()
    assert over.seconds == pytest.approx(2, abs=0.1)
    assert (await asking)[1].output == "done"
    with pytest.raises(Draining):
        await gateway.runs.run(ADA, "idle", asks())


async def test_after_its_time_draining_tells_whose_turns_are_cut_off(gateway: Gateway) -> None:
    events: list[axon.telemetry.Event] = []
    detach = axon.telemetry.attach(events.append, DrainEnded)
    await gateway.serve(talker(Say("never", after=1000), name="slow"))
    asking = asyncio.create_task(gateway.runs.run(ADA, "slow", asks()))
    await asyncio.sleep(1)
    assert not await drain(gateway, 5)
    detach()
    [over] = events
    assert isinstance(over, DrainEnded)
    assert (over.left, over.seconds) == (("slow",), 5)
    asking.cancel()
    with pytest.raises((asyncio.CancelledError, RunCancelled)):
        await asking
