"""What an agent owns: its conversation, the turn under way, and those that wait for theirs."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.messages import ModelMessage
from pydantic_ai.usage import RunUsage

from ..errors import CallCycle
from ..process import ExitReason, Process, callers
from ..server import Reply
from ._order import Order
from ._status import AgentStatus, RunningTool
from ._turn import Turn


@dataclass(eq=False, slots=True)
class AgentState:
    """The state of one incarnation; only its own handlers touch it.

    `waiting` holds turns in the order in which they were asked for, and None where the conversation is to be cleared.
    """

    process: Process
    messages: list[ModelMessage] = field(default_factory=list[ModelMessage])
    spent: RunUsage = field(default_factory=RunUsage)
    current: Turn[Any, Any] | None = None
    waiting: deque[Turn[Any, Any] | None] = field(default_factory=deque[Turn[Any, Any] | None])
    cancelled: list[Reply[bool]] = field(default_factory=list[Reply[bool]])
    since: float = 0.0

    def refuse_cycle(self, order: Order) -> None:
        """Raise `CallCycle` if the order comes from inside a turn of this agent that waits for its answer.

        Runs are tasks, whose calls the runtime does not hold for waiting; so a turn travels with what its tools ask
        of other agents. Over servers in between only the callers are known: there any turn under way counts.
        """
        mine = [turn for turn in order.within if turn.process is self.process]
        under_way = [turn for turn in mine if not turn.over]
        if under_way:
            hops = order.within[order.within.index(under_way[0]) :]
            raise CallCycle([*(turn.process.path for turn in hops), self.process.path])
        if not mine and self.current is not None and self.process in callers():
            between = callers()[: callers().index(self.process) + 1]
            raise CallCycle([*(process.path for process in reversed(between)), self.process.path])

    def accept(self, turn: Turn[Any, Any] | None) -> None:
        """Put a turn, or the wish for a new conversation, at the end of the queue."""
        self.waiting.append(turn)
        if self.current is None:
            self._next()

    def ended(self, turn: Turn[Any, Any]) -> None:
        """A turn is over: a good one is remembered, of any other only its cost."""
        if turn is not self.current:
            if turn in self.waiting:
                self.waiting.remove(turn)
            return
        self.current = None
        self.spent += turn.usage
        result = turn.result
        if result is not None:
            self.messages = list(result.all_messages())
        for reply in self.cancelled:
            reply.set_result(True)
        self.cancelled.clear()
        self._next()

    def _next(self) -> None:
        self.since = self.process.runtime.loop.time()
        while self.waiting and self.current is None:
            turn = self.waiting.popleft()
            if turn is None:
                self.messages = []
            elif turn.start(self.messages):
                self.current = turn

    def cancel(self, answer: Reply[bool]) -> None:
        """End the turn under way, and answer when it has ended."""
        if self.current is None or self.current.over:
            answer.set_result(False)
        else:
            self.cancelled.append(answer)
            self.current.cancel()

    def usage(self) -> RunUsage:
        """What all turns have used until now."""
        return self.spent + (RunUsage() if self.current is None else self.current.usage)

    def status(self) -> AgentStatus:
        """The picture of this moment."""
        now, turn = self.process.runtime.loop.time(), self.current
        queued = sum(1 for waiting in self.waiting if waiting is not None)
        if turn is None:
            return AgentStatus(state="idle", seconds=now - self.since, queued=queued, usage=self.usage())
        tools = tuple(
            RunningTool(name=name, call_id=call_id, seconds=now - began)
            for call_id, (name, began) in turn.tools.items()
        )
        return AgentStatus(
            state="tool" if tools else "thinking",
            seconds=tools[0].seconds if tools else now - turn.began,
            tools=tools,
            prompt=turn.order.excerpt,
            queued=queued,
            usage=self.usage(),
        )

    async def wind_up(self, reason: ExitReason) -> None:
        """End all turns, and wait until their tools have cleaned up."""
        turns = [turn for turn in (self.current, *self.waiting) if turn is not None]
        for turn in turns:
            turn.abandon(reason)
        if turns:
            await asyncio.wait([turn.task for turn in turns])
