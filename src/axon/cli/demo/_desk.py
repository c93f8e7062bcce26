"""Where questions are asked, and what is answered is written down."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic_ai import AgentRunResult
from pydantic_ai.exceptions import ModelRequestRejectedError, UserError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
)
from tenacity.wait import wait_random_exponential

from axon.agent import AgentServer
from axon.store import StoreError

from ._answer import Answer
from ._research import Library
from ._session import Answered, Given, Pen

ATTEMPTS = 3
"""How often a question is asked before the desk gives it up; crashes of its agent do not count, the turn survives them."""

Researcher = AgentServer[Library, Answer]


@dataclass(kw_only=True)
class Desk:
    """Hands the questions to the agents, one at a time each; those that an agent has from an earlier process first."""

    pen: Pen
    questions: list[str]
    say: Callable[[str], None]
    agents: dict[str, Researcher] = field(default_factory=dict[str, Researcher])
    asking: dict[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        session = self.pen.session
        self.asking.update({agent: n for n, agent in session.given.items() if n not in session.answered})

    @property
    def answered(self) -> list[Answered]:
        """What is done so far, in the order of the questions."""
        found = self.pen.session.answered
        return [found[number] for number in sorted(found)]

    async def work(self) -> None:
        """Have every question answered, or given up. Raises `StoreError` when that cannot be written down."""
        given = self.pen.session.given
        waiting = deque(number for number in range(len(self.questions)) if number not in given)

        async def serve(name: str) -> None:
            if name in self.asking:
                await self._answer(self.asking[name], name)
            while waiting:
                number = self.asking[name] = waiting.popleft()
                await self.pen.note(Given(question=number, agent=name))
                await self._answer(number, name)

        serving = [asyncio.create_task(serve(name)) for name in self.agents]
        try:
            await asyncio.gather(*serving)
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    async def _answer(self, number: int, name: str) -> None:
        began, attempts = time.monotonic(), 0
        result: AgentRunResult[Answer] | None = None
        error = None
        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.02, max=1.0),
            # A cancellation is no Exception: who ends the desk is not asked again.
            retry=retry_if_exception_type(Exception)
            & retry_if_not_exception_type((UserError, ModelRequestRejectedError, StoreError)),
            before_sleep=lambda state: self._say_again(number, state),
            reraise=True,
        )
        try:
            async for attempt in retrying:
                attempts = attempt.retry_state.attempt_number
                with attempt:
                    result = await self._attempt(number, attempts, name)
        except StoreError:
            raise
        except Exception as given_up:
            error = f"{type(given_up).__name__}: {given_up}"
        answered = Answered(
            number=number,
            question=self.questions[number],
            answer=None if result is None else result.output,
            error=error,
            agent=name,
            attempts=attempts,
            seconds=time.monotonic() - began,
            requests=0 if result is None else result.usage.requests,
            tool_calls=0 if result is None else result.usage.tool_calls,
        )
        await self.pen.note(answered)
        self.say(f"question {number + 1}: " + ("answered" if error is None else f"given up, {error}"))

    async def _attempt(self, number: int, attempt: int, name: str) -> AgentRunResult[Answer]:
        """Ask under an id that is the same in every process: what has been done for it is not done again."""
        message = f"question {number + 1}" + (f", attempt {attempt}" if attempt > 1 else "")
        self.say(f"{message}: {name} is asked")
        return await self.agents[name].run(self.questions[number], message_id=message)

    def _say_again(self, number: int, state: RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        self.say(f"question {number + 1}: {type(error).__name__}: {error}; it is asked again")
