"""A program to be run under many schedules, and one run of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

from axon.testing import Faults, SimulationLoop, nothing_left, simulate, within

from .witness import Witness

Program: TypeAlias = Callable[[Witness], Coroutine[Any, Any, None]]

MOST_STEPS = 50_000
NO_FAULTS = Faults()


@dataclass(frozen=True)
class Run:
    """What one schedule was."""

    steps: int
    kills: int
    digest: int


@dataclass(frozen=True, kw_only=True)
class Tree:
    """`program` asserts what it can see, the witness the rest. faults: what goes wrong, in three schedules of four.
    bound: virtual seconds after which it must be over. share: of its schedules, where others have 1.
    """

    name: str
    program: Program
    faults: Faults = NO_FAULTS
    bound: float = 60.0
    share: float = 1.0

    def run(self, seed: int) -> Run:
        """Run one schedule; what it raises carries the line that runs it again."""
        logger = logging.getLogger("axon")
        level = logger.level
        logger.setLevel(logging.CRITICAL + 1)  # crashes are what these programs are made of
        faults = self.faults if seed % 4 else NO_FAULTS
        try:
            return simulate(self._main, seed, faults=faults, most_steps=MOST_STEPS)
        except BaseException as error:
            error.add_note(f"again: python tests/simulation/schedules.py --tree {self.name} --first {seed} --count 1")
            raise
        finally:
            logger.setLevel(level)

    async def _main(self) -> Run:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulationLoop)
        async with within(self.bound)(), nothing_left():
            witness = Witness()
            await witness.open()
            await self.program(witness)
            await witness.close()
        return Run(loop.steps, len(loop.kills), loop.digest)
