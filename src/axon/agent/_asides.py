"""The task supervisor of an agent: what runs beside its conversation, each in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeAlias

from ..errors import AxonError
from ..process import NOBODY, Process, here, running
from ..server import Slot, bound, launch, slot_of, stop
from ..task import TaskSupervisor
from ._turn import Turn

AnyTurn: TypeAlias = "Turn[Any, Any]"


class Asides:
    """Begins turns as tasks of a supervisor that is linked to the agent, and started for the first of them."""

    def __init__(self, agent: Process) -> None:
        self._agent = agent
        self._supervisor: TaskSupervisor | None = None

    def begin(self, make: Callable[[], AnyTurn]) -> AnyTurn:
        """Have a turn made in a process of its own, which ends with it, and it with the process.

        It has the present context, that of the request, as a turn in the conversation has, but for the process.
        """
        turn: AnyTurn | None = None

        async def aside() -> None:
            assert turn is not None, "it is made before its process takes a step"
            try:
                await asyncio.wait([turn.task])
            finally:  # told to end: its tools have the time to clean up that its supervisor gives a task
                turn.server_died()
                await asyncio.wait([turn.task])

        process = self._tasks().start_child(aside)
        context = copy_context()
        context.run(running.set, process)
        context.run(here.set, NOBODY)
        turn = context.run(make)
        process.on_death(turn.server_died)
        return turn

    def _tasks(self) -> TaskSupervisor:
        if self._supervisor is None or slot_of(self._supervisor).process is None:
            slot = Slot(self._agent.runtime, None)
            self._supervisor = bound(TaskSupervisor(), slot)
            launch(self._supervisor, slot, self._agent, linked=True)
        return self._supervisor

    async def end(self) -> None:
        """End the supervisor, before its agent ends."""
        if self._supervisor is not None and slot_of(self._supervisor).process is not None:
            with suppress(AxonError):
                await stop(self._supervisor)
