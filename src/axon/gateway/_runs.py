"""Runs of served agents: begun, joined, asked for by their id, followed, steered and ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack
from contextvars import Context
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from pydantic_ai import AgentRunResult

from ..agent import AnswerNotKept, MessageIdReused, TurnFailed, TurnStatus, UnknownMessage
from ..blueprint import deps_from
from ..errors import CallTimeout, NoProcess, ServerDied
from ._agents import Agents
from ._errors import RunNotFound, TooLarge
from ._history import brought
from ._intake import Intake
from ._requests import RunRequest
from ._run import Run
from ._served import Served, shown
from ._tokens import Principal

R = TypeVar("R")
Result: TypeAlias = AgentRunResult[Any]
Piece: TypeAlias = "tuple[str, str | Result]"
"""The id of an event, and a piece of text, or at last the result."""


class Runs:
    """The runs of all served agents. A run belongs to its principal; for anybody else it is not there: `RunNotFound`.

    max_history: messages a request may bring. keep: outcomes that are remembered of each agent without a store.
    """

    def __init__(self, agents: Agents, intake: Intake, *, max_history: int, keep: int) -> None:
        self._agents = agents
        self._intake = intake
        self._max_history = max_history
        self._keep = keep
        self._watching: dict[Run, asyncio.Task[Result]] = {}

    # -- begin

    async def run(
        self, who: Principal, agent_id: str, request: RunRequest, key: str | None = None
    ) -> tuple[str, Result]:
        """Run an agent; returns the id of the run and its result. Needs the scope `run`.

        key: names the request, before its own `idempotency_key`: made again it joins its run, or has its answer, and is
        never run a second time. The caller's `axon.deadline` is that of the run. A caller that goes away does not end
        it. Raises `AgentNotFound`, `Draining`, `LimitExceeded`, `TooLarge`, `InvalidDeps`, and what `AgentServer.run`
        raises.
        """
        key = key or request.idempotency_key
        if key is not None:
            run_id = await self.submit(who, agent_id, request, key, streamed=False)
            return run_id, await self._result(Run.of(run_id, who.name))
        served, run, options = self._begin(who, agent_id, request, None)
        with self._intake.running(who):
            result = await served.agent.run(request.prompt, message_id=run.message_id, **options)
        return run.id, result

    async def submit(
        self, who: Principal, agent_id: str, request: RunRequest, key: str | None = None, *, streamed: bool = True
    ) -> str:
        """Take a run and return its id once it is kept; it goes on by itself.

        streamed: whether its text can be followed as it grows, default True. Otherwise as `run`.
        """
        served, run, options = self._begin(who, agent_id, request, key or request.idempotency_key)
        outcome = served.outcomes.get(run.message_id)
        if outcome is not None:
            if outcome.prompt != request.prompt:
                raise MessageIdReused(run.message_id)
            return run.id
        with ExitStack() as stack:
            if run not in self._watching:
                stack.enter_context(self._intake.running(who))
            try:
                await served.agent.submit(request.prompt, message_id=run.message_id, streamed=streamed, **options)
            except (TurnFailed, AnswerNotKept):
                return run.id  # it is over, which its result will tell
            if run not in self._watching and run.message_id not in served.outcomes:
                self._watch(served, run, request.prompt, stack.pop_all())
        return run.id

    def _begin(
        self, who: Principal, agent_id: str, request: RunRequest, key: str | None
    ) -> tuple[Served, Run, dict[str, Any]]:
        who.needs("run")
        served = self._agents.served(agent_id)
        self._intake.check()
        history = request.message_history
        if history is not None:
            if len(history) > self._max_history:
                raise TooLarge("message_history", self._max_history, "messages")
            history = brought(history)
        deps = None if request.deps is None else deps_from(served.agent, request.deps)
        return (
            served,
            Run.begin(agent_id, who.name, key),
            {"message_history": history, "deps": deps, "model_settings": request.model_settings},
        )

    def _watch(self, served: Served, run: Run, prompt: str, counted: ExitStack) -> None:
        """Count it as under way until it is over, whoever goes away meanwhile."""

        def over(task: asyncio.Task[Result]) -> None:
            counted.close()
            del self._watching[run]
            error = None if task.cancelled() else task.exception()
            if error is not None:
                # No more than that: others may read the log, and what the run was about is its owner's.
                served.write("run failed", "warning", {"run_id": run.id, "error": type(error).__name__})

        # Without the deadline of whoever asks now: the run has it, and others may ask for its result.
        watching = asyncio.get_running_loop().create_task(served.agent.result_of(run.message_id), context=Context())
        self._watching[run] = watching
        watching.add_done_callback(over)
        if not served.is_durable:
            served.remember(run.message_id, prompt, watching, self._keep)

    # -- ask

    async def status(self, who: Principal, run_id: str) -> TurnStatus:
        """What became of a run. Needs the scope `read`. Raises `RunNotFound`."""
        who.needs("read")
        turn = await self._status(Run.of(run_id, who.name))
        return turn if turn.doing is None else replace(turn, doing=shown(turn.doing, who.name))

    async def result(self, who: Principal, run_id: str) -> Result:
        """Its result, when it is there. Needs the scope `read`. Raises `RunNotFound`, and what the run raised."""
        who.needs("read")
        return await self._result(Run.of(run_id, who.name))

    async def follow(self, who: Principal, run_id: str, after: str | None = None) -> AsyncGenerator[Piece, None]:
        """Its text from here on, behind the event `after` if one is given, and at last its result, each with an id.

        With a store it goes on over a restart of the agent, which then says anew what it was saying. Closing it does
        not end the run. Needs the scope `read`. Raises `RunNotFound`, `InvalidOption`; iterating raises `EventsLost` and
        what the run raised.
        """
        who.needs("read")
        run = Run.of(run_id, who.name)
        served = self._served(run)
        await self._status(run)
        _ = served.agent.follow(run.message_id, after=after)  # is `after` an id?
        return self._pieces(served, run, after)

    async def _pieces(self, served: Served, run: Run, after: str | None) -> AsyncGenerator[Piece, None]:
        while True:
            try:
                async with served.agent.follow(run.message_id, after=after) as stream:
                    async for item in stream:
                        after = stream.last_event_id or ""
                        yield after, item if isinstance(item, str) else item.result
            except UnknownMessage:
                yield after or "0.0", await self._result(run)
            except (ServerDied, NoProcess):
                if not served.is_durable or (await self._status(run)).state not in ("queued", "running", "committed"):
                    raise
                continue
            return

    async def _status(self, run: Run) -> TurnStatus:
        served = self._served(run)
        outcome = served.outcomes.get(run.message_id)
        if outcome is not None and outcome.task.done():
            return TurnStatus.of(run.message_id, outcome.task)
        return await _known(run, served.agent.turn_of)

    async def _result(self, run: Run) -> Result:
        served = self._served(run)
        outcome = served.outcomes.get(run.message_id)
        if outcome is None or not outcome.task.done():
            return await _known(run, served.agent.result_of)
        error = outcome.task.exception()
        if error is not None:
            raise error.with_traceback(None)  # which would grow each time
        return outcome.task.result()

    def _served(self, run: Run) -> Served:
        served = self._agents.find(run.agent_id)
        if served is None:
            raise RunNotFound(run.id)
        return served

    # -- control

    async def cancel(self, who: Principal, run_id: str) -> bool:
        """End it; returns whether it was under way. Needs the scope `run`. Raises `RunNotFound`.

        One that waits for its turn ends when that comes.
        """
        who.needs("run")
        run = Run.of(run_id, who.name)
        await self._status(run)
        try:
            return await self._served(run).agent.cancel(message_id=run.message_id)
        except CallTimeout:
            return True  # it ends as soon as its tools let it

    async def steer(self, who: Principal, run_id: str, message: str) -> bool:
        """Tell it something more; returns whether it will read that. Needs the scope `run`. Raises `RunNotFound`."""
        who.needs("run")
        run = Run.of(run_id, who.name)
        await self._status(run)
        return await self._served(run).agent.steer(message, message_id=run.message_id)

    async def closed(self) -> None:
        """Wait until nobody looks after a run any more, once its agents are gone."""
        if self._watching:
            await asyncio.wait(list(self._watching.values()))


async def _known(run: Run, ask: Callable[[str], Awaitable[R]]) -> R:
    try:
        return await ask(run.message_id)
    except UnknownMessage as error:
        if error.message_id != run.message_id:
            raise
        raise RunNotFound(run.id) from None
