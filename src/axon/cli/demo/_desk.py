"""Where questions are asked, and asked again until they are answered."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic_ai.exceptions import ModelRequestRejectedError, UserError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
)
from tenacity.wait import wait_random_exponential

import axon
from axon.agent import AgentServer

from ._answer import Answer
from ._corpus import Corpus
from ._faults import HANG_SECONDS, Faults
from ._research import Library

ATTEMPTS = 6
"""How often a question is asked before the desk gives it up: three faults may strike one question."""

Researcher = AgentServer[Library, Answer]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What became of one question; `answer` is None if it was given up, and `error` says why."""

    question: str
    answer: Answer | None
    error: str | None
    agent: str
    attempts: int
    seconds: float


@dataclass(kw_only=True)
class Desk:
    """Hands the questions to the agents, one at a time each."""

    corpus: Corpus
    questions: list[str]
    faults: Faults
    deadline: float
    say: Callable[[str], None]
    agents: dict[str, Researcher] = field(default_factory=dict[str, Researcher])
    found: dict[int, Answered] = field(default_factory=dict[int, Answered])

    @property
    def answered(self) -> list[Answered]:
        """What is done so far, in the order of the questions."""
        return [self.found[number] for number in sorted(self.found)]

    async def work(self) -> None:
        """Have every question answered, or given up."""
        waiting = deque(enumerate(self.questions))

        async def serve(name: str) -> None:
            while waiting:
                number, question = waiting.popleft()
                self.found[number] = await self._answer(number, question, name)

        async with asyncio.TaskGroup() as group:
            for name in self.agents:
                group.create_task(serve(name))

    async def _answer(self, number: int, question: str, name: str) -> Answered:
        began, attempts, answer, error = time.monotonic(), 0, None, None
        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.02, max=1.0),
            # A cancellation is no Exception: who ends the desk is not asked again.
            retry=retry_if_exception_type(Exception)
            & retry_if_not_exception_type((UserError, ModelRequestRejectedError)),
            before_sleep=lambda state: self._say_again(number, state),
            reraise=True,
        )
        try:
            async for attempt in retrying:
                attempts = attempt.retry_state.attempt_number
                with attempt:
                    answer = await self._attempt(number, attempts, question, name)
        except Exception as given_up:
            error = f"{type(given_up).__name__}: {given_up}"
        self.say(f"question {number + 1}: " + ("answered" if error is None else f"given up, {error}"))
        return Answered(
            question=question,
            answer=answer,
            error=error,
            agent=name,
            attempts=attempts,
            seconds=time.monotonic() - began,
        )

    async def _attempt(self, number: int, attempt: int, question: str, name: str) -> Answer:
        agent, fault = self.agents[name], self.faults.due(number, attempt)
        hook = None if fault is None else fault.hook(agent, name)
        hangs = fault is not None and fault.kind == "agent hangs"
        self.say(f"question {number + 1}: {name} is asked, attempt {attempt}")
        try:
            async with axon.deadline(HANG_SECONDS if hangs else self.deadline):
                result = await agent.run(question, deps=Library(self.corpus, hook))
        except Exception as error:
            if fault is not None:
                fault.asker_saw = f"{type(error).__name__}: {error}"
            raise
        return result.output

    def _say_again(self, number: int, state: RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        self.say(f"question {number + 1}: {type(error).__name__}: {error}; it is asked again")
