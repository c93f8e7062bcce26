"""Many prompts to one agent beside its conversation, so many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from pydantic_ai import AgentRunResult

from ..errors import InvalidOption
from ..task import TaskStream, outcomes_of
from ._asking import end_turn
from ._order import Prompt, inside

if TYPE_CHECKING:
    from ._agent import AgentServer

Output = TypeVar("Output")


class ManyOptions(TypedDict, total=False):
    """What `run_many` takes by keyword; see there for what it means."""

    max_concurrency: int
    ordered: bool
    timeout: float | None


def many(
    server: AgentServer[Any, Output], prompts: Iterable[Prompt], rest: tuple[Any, ...], options: ManyOptions
) -> TaskStream[AgentRunResult[Output]]:
    """The outcomes of these prompts; `rest` are the other arguments of an order."""
    if isinstance(prompts, str):
        raise InvalidOption("prompts", prompts, "an iterable of prompts; for one there is run(..., aside=True)")
    asker = inside.get()

    async def run_aside(prompt: Prompt) -> AgentRunResult[Output]:
        inside.set(asker)  # the task is a process of its own
        order = server._order(prompt, *rest)
        try:
            return await server._ask(order)
        except asyncio.CancelledError:  # its reader has gone, or it is late
            end_turn(server, order.message_id)
            raise

    settings: ManyOptions = {"max_concurrency": 10, "timeout": None, **options}
    return outcomes_of(run_aside, prompts, on_timeout="kill_task", zip_input_on_exit=True, **settings)
