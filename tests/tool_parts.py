"""An actor and functions that are tools, and a model that calls what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any

from pydantic_ai import Agent, ModelMessage, ModelResponse, ModelRetry, ToolDefinition
from pydantic_ai.messages import TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel

import axon
from axon import GenServer, call, cast


class Kind(Enum):
    SINGLE = "single"
    DOUBLE = "double"


class NoRoom(Exception):
    """No room is free."""


@dataclass
class Book:
    free: int = 3
    guests: list[str] = field(default_factory=list[str])


class Desk(GenServer[Book]):
    """The front desk."""

    rooms: int = 3

    def init(self) -> Book:
        return Book(self.rooms)

    @call(raises=(NoRoom, ModelRetry))
    def book(self, state: Book, guest: str, rooms: int = 1, kind: Kind = Kind.SINGLE, until: date | None = None) -> str:
        """Book rooms for a guest.

        Args:
            guest: who comes.
            rooms: how many.
            kind: of which kind.
            until: the day of departure.
        """
        if not guest:
            raise ModelRetry("ask for the name of the guest")
        if rooms > state.free:
            raise NoRoom(f"{state.free} rooms are free")
        state.free -= rooms
        state.guests.append(guest)
        return f"{rooms} {kind.value} for {guest} until {until}"

    @call(timeout=2)
    def wait(self, state: Book, seconds: float) -> asyncio.Future[str]:
        async def wait() -> str:
            await asyncio.sleep(seconds)
            return "waited"

        return asyncio.get_running_loop().create_task(wait())

    @call(timeout=None)
    def wait_longer(self, state: Book, seconds: float) -> asyncio.Future[str]:
        return self.wait_for(seconds)

    @staticmethod
    def wait_for(seconds: float) -> asyncio.Future[str]:
        return asyncio.get_running_loop().create_task(asyncio.sleep(seconds, "waited"))

    @call
    def crash(self, state: Book) -> None:
        raise ZeroDivisionError("key=secret")

    @call
    def guests(self, state: Book) -> list[str]:
        return state.guests

    @cast
    def ring(self, state: Book) -> None: ...


async def book(guest: str, rooms: int = 1, kind: Kind = Kind.SINGLE, until: date | None = None) -> str:
    """Book rooms for a guest.

    Args:
        guest: who comes.
        rooms: how many.
        kind: of which kind.
        until: the day of departure.
    """
    if not guest:
        raise ModelRetry("ask for the name of the guest")
    return f"{rooms} {kind.value} for {guest} until {until}"


def calling(*calls: tuple[str, Any], says: str = "done") -> FunctionModel:
    """A model that makes these calls one after the other, then says that it is done."""
    left = list(calls)

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[ToolCallPart(*left.pop(0)) if left else TextPart(says)])

    return FunctionModel(answer)


def told(messages: Sequence[ModelMessage]) -> list[tuple[str, Any]]:
    """What the tools gave back: how it went, and what the model was told."""
    return [
        (part.outcome, part.content)
        for message in messages
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    ]


async def outcome_of(agent: Agent[Any, Any], name: str, arguments: Any) -> tuple[str, Any]:
    """What one call of a tool by the model comes to."""
    async with agent.iter("go", model=calling((name, arguments))) as run:
        async for _ in run:
            found = told(run.all_messages())
            if found:
                return found[0]
    raise AssertionError(f"{name} was not called")


async def definitions_of(agent: Agent[Any, Any]) -> dict[str, ToolDefinition]:
    """How the model sees the tools."""
    model = TestModel(call_tools=[])
    await agent.run("look", model=model)
    parameters = model.last_model_request_parameters
    assert parameters is not None
    return {tool.name: tool for tool in parameters.function_tools}


async def stopped(*handles: GenServer[Any]) -> None:
    for handle in handles:
        if axon.whereis(handle) is not None:
            await axon.stop(handle)
