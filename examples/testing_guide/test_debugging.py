import asyncio
import time

import pytest

import axon
from axon import GenServer, cast
from axon.telemetry import LoopStalled
from axon.testing import Scripted, capture_events


class Till(GenServer[None]):
    """Asks somebody else before it goes on."""

    bank: Scripted

    def init(self) -> None:
        return None

    @cast
    async def pay(self, state: None) -> None:
        await self.bank.ask()

    @cast
    def print_receipt(self, state: None) -> None:
        time.sleep(0.5)  # the mistake


async def test_who_waits_for_whom() -> None:
    bank = await axon.start(Scripted(hang_in="handler"), name="bank")
    till = await axon.start(Till(bank), name="till")
    till.pay()
    await asyncio.sleep(60)
    [wait] = axon.waits()
    assert (wait.waiter.path, wait.target.path) == ("till", "bank")
    assert (wait.since, wait.until) == (0, None)
    axon.exit(bank, axon.kill)


@pytest.mark.real_clock
async def test_the_line_that_holds_the_loop_is_named() -> None:
    till = await axon.start(Till(Scripted()), name="till")
    with capture_events(LoopStalled) as stalls, axon.watch_loop(limit=0.1):
        till.print_receipt()
        await asyncio.sleep(0)
        stall = await stalls.until(LoopStalled)
    assert (stall.path, stall.handler) == ("till", "print_receipt")
    assert stall.file == __file__
    await axon.stop(till)
