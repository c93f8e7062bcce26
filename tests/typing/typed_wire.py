"""Never run: what the type checkers must know about requests as bytes, tools and agents as data, and must refuse."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, assert_type

from pydantic_ai import Agent, Tool
from pydantic_ai.toolsets import AbstractToolset

from axon import GenServer, call, cast, stream
from axon.agent import AgentServer, tool_of
from axon.blueprint import AgentBlueprint, Targets, Template, ToolBlueprint, deps_from, structured_dict, toolset_of
from axon.wire import BoxedError, Interface, JSONSchema, Method, Request, method_of


@dataclass
class House:
    name: str


class Desk(GenServer[int]):
    def init(self) -> int:
        return 3

    @call
    def book(self, state: int, rooms: int = 1) -> str:
        return str(rooms)

    @cast
    def ring(self, state: int) -> None: ...

    @stream
    async def count(self, state: int, to: int) -> AsyncIterator[float]:
        yield float(to)


class Bar(GenServer[int]):
    @call
    def order(self, state: int) -> None: ...


desk = Interface(Desk)
assert_type(desk, Interface[Desk])
assert_type(desk.encode(Desk.book, 3), bytes)
assert_type(desk.encode(Desk.ring), bytes)
assert_type(desk.encode(Desk.count, to=3), bytes)
assert_type(desk.answer(Desk.book, b"{}"), str)
assert_type(desk.decode(b"{}"), Request)
assert_type(desk.schema(), dict[str, Any])
assert_type(method_of(Desk.book), Method)
assert_type(BoxedError.of(ValueError()).error([ValueError]), Exception)
assert_type(JSONSchema({"type": "object"}).schema, dict[str, Any])


def streams(frames: AsyncIterator[bytes]) -> None:
    assert_type(desk.items(Desk.count, frames), AsyncGenerator[float, None])


def serves(handle: Desk) -> None:
    assert_type(desk.serve(handle, b"{}"), AsyncGenerator[bytes, None])


def tools(handle: Desk) -> None:
    assert_type(tool_of(handle.book), Tool[object])
    Agent(tools=[tool_of(handle.book)])
    Agent(deps_type=House, tools=[tool_of(handle.book)])
    assert_type(toolset_of([], Targets(servers={"desk": Desk})), AbstractToolset[Any])


assert_type(Template("{{ name }}", House), Template[House])
agent = Agent(deps_type=House, instructions=Template("{{ name }}", House))
assert_type(deps_from(agent, {"name": "Ritz"}), House)
assert_type(deps_from(AgentServer(agent), {"name": "Ritz"}), House)
assert_type(structured_dict(JSONSchema({"type": "object"})), type[dict[str, Any]])
assert_type(Agent(output_type=structured_dict(JSONSchema({"type": "object"}))), Agent[object, dict[str, Any]])
assert_type(AgentBlueprint(name="clerk").spec(), AgentServer[Any, Any])
assert_type(AgentBlueprint(name="clerk").tools, tuple[ToolBlueprint, ...])


def what_must_be_refused(handle: Desk, bar: Bar, frames: AsyncIterator[bytes]) -> None:
    Interface(int)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    Interface(Desk, unknown="allow")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    desk.encode(Desk.book, "three")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    desk.encode(Desk.book, 3, 4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    desk.encode(Bar.order)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    desk.answer(Desk.ring, b"{}")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    desk.items(Desk.book, frames)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    desk.serve(bar, b"{}")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    tool_of(handle.ring)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    tool_of(handle.count)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Targets({"book": print})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Agent(deps_type=int, instructions=Template("{{ name }}", House))  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
