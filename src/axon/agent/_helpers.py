"""Agents that work for another one: those that are started for its tools, and what all that it asked have used."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pydantic import TypeAdapter
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart
from pydantic_ai.usage import RunUsage

from ..errors import AxonError
from ..process import Process, deadline_at, wait_down
from ..registry import whereis
from ..server import slot_of, start_link, stop
from ..supervisor import DynamicSupervisor, child

if TYPE_CHECKING:
    from ._agent import AgentServer

Helper: TypeAlias = "AgentServer[Any, Any]"

USAGE = "axon_usage"
"""Where an answer of another agent, as a tool's return, says in its metadata what it came to."""
SHUTDOWN_TIME = 5.0
"""Seconds that a helper which is ending may keep its name from the next one."""

_USAGE: TypeAdapter[RunUsage] = TypeAdapter(RunUsage)


class Helpers:
    """The agents that were started for one agent: under a supervisor that is linked to it, so they end with it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._supervisor: DynamicSupervisor | None = None
        self._mine: Process | None = None
        self._one_at_a_time = asyncio.Lock()
        self._started: dict[tuple[object, str | None], asyncio.Task[Helper]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def get(self, spec: Helper, tool: object, run: str | None) -> Helper:
        """The one that was started from this spec for a tool, and for a run if one is given; now, if there is none.

        The start has a task of its own: whoever asks for it may be cancelled, and what was started is known. Raises
        `StartFailed`.
        """
        if self._supervisor is None:
            self._process.on_death(self._cancel)
        task = self._started.get((tool, run))
        if task is None or _is_gone(task):
            task = self._started[tool, run] = self._process.runtime.loop.create_task(
                self._start(spec), context=self._process.own_context().copy()
            )
            task.add_done_callback(_look_at)
        return await asyncio.shield(task)

    async def _start(self, spec: Helper) -> Helper:
        deadline_at.set(None)  # that of a run is not one of the helper
        async with self._one_at_a_time:
            supervisor = self._supervisor
            if supervisor is None or whereis(supervisor) is None:
                supervisor = self._supervisor = await start_link(DynamicSupervisor())
                self._mine = whereis(supervisor)
            old = None if spec.name is None else whereis(spec.name)
            if old is not None:  # that of a run before, or of the incarnation before: it has a moment to end
                with suppress(TimeoutError):
                    async with asyncio.timeout(SHUTDOWN_TIME):
                        await wait_down(old)
            return await supervisor.start_child(
                child(spec, id=(spec.name or "helper").replace("/", "-"), restart="transient")
            )

    def forget(self, sender: Process | None) -> bool:
        """Whether an exit signal came from their supervisor, which gave up: whom it had is started again when asked."""
        is_mine = sender is not None and sender is self._mine
        if is_mine:
            self._mine = None
        return is_mine

    def run_is_over(self, run: str) -> None:
        """End those that were started for a run."""
        for key in [key for key in self._started if key[1] == run]:
            task = self._process.runtime.loop.create_task(self._end(self._started.pop(key)))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _end(self, started: asyncio.Task[Helper]) -> None:
        with suppress(AxonError):  # it never started, or has ended already
            helper = await started
            if self._supervisor is not None:
                await self._supervisor.terminate_child(helper)

    async def end(self) -> None:
        """End them all, before their agent ends."""
        self._cancel()
        if self._supervisor is not None and whereis(self._supervisor) is not None:
            with suppress(AxonError):
                await stop(self._supervisor)

    def _cancel(self) -> None:
        for task in (*self._started.values(), *self._ending):
            task.cancel()


def _look_at(task: asyncio.Task[Helper]) -> None:
    """Whoever asked for it may be gone: its error is looked at here."""
    if not task.cancelled():
        task.exception()


def _is_gone(task: asyncio.Task[Helper]) -> bool:
    """Whether it did not start, or is not to be started again."""
    if not task.done():
        return False
    return task.cancelled() or task.exception() is not None or slot_of(task.result()).ended is not None


# -- what they used


def usage_note(usage: RunUsage) -> dict[str, Any]:
    """The metadata that says what an answer came to."""
    return {USAGE: _USAGE.dump_python(usage, mode="json", exclude_defaults=True)}


def helpers_usage(messages: Sequence[ModelMessage]) -> RunUsage:
    """What the agents that were asked in these messages (`agent_tool`) used for their answers, and those they asked.

        result = await boss.run("The morning paper")
        print(result.usage + helpers_usage(result.new_messages()))      # of the whole team

    `result.usage` is that of the run alone. What a helper used for a turn that failed is not in it: its own `usage`, and
    its budget, have that.
    """
    used = RunUsage()
    parts = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    for part in parts:
        note = cast("object", part.metadata) if isinstance(part, ToolReturnPart) else None
        if isinstance(note, dict) and USAGE in note:
            used += _USAGE.validate_python(cast("dict[str, Any]", note)[USAGE])
    return used
