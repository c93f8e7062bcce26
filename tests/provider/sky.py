"""A provider that speaks OpenAI's chat wire, with weather as the test wants it, and a fleet of agents that asks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel

from axon import Supervisor, child
from axon.agent import AgentServer
from axon.provider import Account

Weather: TypeAlias = Literal["fine", "limit", "limit with retry-after", "broken", "stall", "quota"]


@dataclass(frozen=True)
class Answer:
    """What the provider says; nothing at all if it stalls."""

    status: int
    body: dict[str, object]
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def content(self) -> bytes:
        return json.dumps(self.body).encode()


def _error(status: int, code: str, message: str, **headers: str) -> Answer:
    body: dict[str, object] = {"error": {"message": message, "type": code, "code": code}}
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Sky:
    """The provider. `hits` are (when, in which weather) of every request that came."""

    weather: Weather = "fine"
    retry_after: float = 20.0
    hits: list[tuple[float, Weather]] = field(default_factory=list[tuple[float, Weather]])
    changed: list[tuple[float, Weather]] = field(default_factory=list[tuple[float, Weather]])

    def becomes(self, weather: Weather) -> float:
        now = asyncio.get_running_loop().time()
        self.weather = weather
        self.changed.append((now, weather))
        return now

    def answer(self) -> Answer | None:
        self.hits.append((asyncio.get_running_loop().time(), self.weather))
        match self.weather:
            case "fine":
                return Answer(200, _completion())
            case "limit":
                return _error(429, "rate_limit_exceeded", "Slow down")
            case "limit with retry-after":
                return _error(
                    429, "rate_limit_exceeded", "Slow down", retry_after_ms=str(round(self.retry_after * 1000))
                )
            case "broken":
                return _error(500, "server_error", "The server had an error")
            case "quota":
                return _error(429, "insufficient_quota", "You exceeded your current quota")
            case "stall":
                return None

    def hits_between(self, begin: float, end: float) -> list[float]:
        return [at for at, _ in self.hits if begin <= at < end]

    def most_in(self, seconds: float, begin: float, end: float) -> int:
        """The most requests that came within any so many seconds of that time."""
        hits = self.hits_between(begin, end)
        return max((sum(at <= other < at + seconds for other in hits) for at in hits), default=0)


def _completion() -> dict[str, object]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1764000000,
        "model": "gpt-4o-mini",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Done."},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    }


@dataclass
class Fleet:
    """Agents that are asked again and again, each after a rest."""

    account: Account
    model: OpenAIChatModel
    size: int
    rest: float
    request_timeout: float
    answered: list[float] = field(default_factory=list[float])
    agents: list[AgentServer[object, str]] = field(default_factory=list[AgentServer[object, str]])
    _asking: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    async def start(self, stack: AsyncExitStack) -> None:
        """All of them under one supervisor that takes no single restart."""
        agent = Agent[object, str](self.model, name="worker")
        specs = [
            child(
                AgentServer(agent, name=f"w{n}", account=self.account, request_timeout=self.request_timeout), id=f"w{n}"
            )
            for n in range(self.size)
        ]
        top = await stack.enter_async_context(Supervisor(specs, max_restarts=0, name="fleet"))
        stack.push_async_callback(self._stop)
        self.agents = [top.get(AgentServer[object, str], f"w{n}") for n in range(self.size)]
        for number, one in enumerate(self.agents):
            self._asking.append(asyncio.create_task(self._ask(one, self.rest * number / self.size)))

    async def _ask(self, agent: AgentServer[object, str], first: float) -> None:
        await asyncio.sleep(first)
        while True:
            await agent.run("Work")
            self.answered.append(asyncio.get_running_loop().time())
            agent.reset()
            await asyncio.sleep(self.rest)

    @property
    def failed(self) -> list[BaseException | None]:
        """What runs raised."""
        return [task.exception() for task in self._asking if task.done()]

    async def _stop(self) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    def rate(self, begin: float, end: float) -> float:
        """Answers a second."""
        return sum(begin <= at < end for at in self.answered) / (end - begin)

    async def all_are(self, state: str, *, but: int) -> None:
        """Wait until they are, except for so many; each gets there when it is asked the next time."""
        while sum([(await one.status()).state == state for one in self.agents]) < self.size - but:  # noqa: ASYNC110
            await asyncio.sleep(self.rest / 20)


async def until(condition: Callable[[], bool], every: float) -> float:
    """Wait for it; returns when it came true."""
    loop = asyncio.get_running_loop()
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(every)
    return loop.time()
