"""An agent whose work is counted outside of it, and stores that end the agent where a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_ai import Agent, ModelMessage, ModelMessagesTypeAdapter, ModelResponse, ToolReturn
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.messages import TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from axon.agent import Boundary, approve, idempotency_key
from axon.store import ApprovalRequest, MemoryStore, Record

When = Literal["before", "after"]


@dataclass
class World:
    """What has really happened, whoever remembers it."""

    requests: list[int] = field(default_factory=list[int])
    """The model requests that were answered, by their place in the conversation."""
    effects: list[str] = field(default_factory=list[str])
    keys: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """The idempotency keys under which each tool ran."""

    def request(self, place: int) -> None:
        self.requests.append(place)

    def piece(self, number: int) -> None:
        """A piece of a streamed answer is about to be sent."""

    def effect(self, name: str) -> None:
        self.effects.append(name)
        self.keys.setdefault(name, set()).add(idempotency_key())


STEPS: Sequence[Sequence[str] | str] = (
    ["pay"],
    ["look", "attach", "refuse"],
    ["guarded"],
    "all is done",
)
"""What the model says, one after the other: tools to call, and a text."""

IN_A_TURN = [
    Boundary.ACCEPTED,
    Boundary.STARTED,
    Boundary.RESPONSE,
    Boundary.TOOL_INTENDED,
    Boundary.TOOL_DONE,
    Boundary.TOOL_FAILED,
    Boundary.APPROVAL_ASKED,
    Boundary.APPROVAL_DECIDED,
    Boundary.COMMITTED,
]
"""What the survivor's turn crosses if nothing goes wrong and nobody interferes."""


def survivor(world: World, pace: float = 1.0) -> Agent[object, str]:
    """An agent with tools of every kind, which take multiples of `pace` seconds; `look` alone is declared idempotent."""
    agent = Agent[object, str](name="survivor", instructions="survive", retries=3)

    @agent.tool_plain
    async def pay() -> str:
        await asyncio.sleep(pace)
        world.effect("pay")
        await asyncio.sleep(0)
        return "paid"

    @agent.tool_plain(metadata={"idempotent": True})
    async def look() -> list[str]:
        await asyncio.sleep(2 * pace)
        world.effect("look")
        return ["a", "b"]

    @agent.tool_plain
    async def attach() -> ToolReturn:
        await asyncio.sleep(pace)
        world.effect("attach")
        return ToolReturn(return_value={"n": 1}, content="an attachment", metadata={"from": "disk"})

    @agent.tool_plain
    async def refuse() -> str:
        world.effect("refuse")
        raise ToolFailed("not today")

    @agent.tool_plain(requires_approval=True)
    async def guarded() -> str:
        world.effect("guarded")
        return "opened"

    return agent


def thinking(world: World, steps: Sequence[Sequence[str] | str] = STEPS, pace: float = 1.0) -> FunctionModel:
    """A model that plays the steps by what it sees of the conversation, so that a restart makes no difference to it."""

    def place(messages: list[ModelMessage]) -> int:
        return sum(isinstance(message, ModelResponse) for message in messages)

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        n = place(messages)
        await asyncio.sleep(pace)
        world.request(n)
        step = steps[n % len(steps)]
        if isinstance(step, str):
            return ModelResponse(parts=[TextPart(step)])
        return ModelResponse(parts=[ToolCallPart(name, {}, tool_call_id=f"{n}-{name}") for name in step])

    async def streamed(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
        n = place(messages)
        step = steps[n % len(steps)]
        if isinstance(step, str):
            for number, word in enumerate(step.split(" ")):
                await asyncio.sleep(0.3 * pace)
                world.piece(number)
                yield word if number == 0 else f" {word}"
        else:
            for index, name in enumerate(step):
                await asyncio.sleep(0.3 * pace)
                world.piece(index)
                yield {index: DeltaToolCall(name=name, json_args="{}", tool_call_id=f"{n}-{name}")}
        world.request(n)

    return FunctionModel(answer, stream_function=streamed, model_name="thinking")


class AskingStore(MemoryStore):
    """A store in memory that lets who decides know when there is something to decide."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def append(
        self,
        key: str,
        records: Sequence[Record],
        *,
        epoch: int,
        version: int,
        marker: str | None = None,
        approvals: Sequence[ApprovalRequest] = (),
    ) -> int:
        try:
            return await super().append(key, records, epoch=epoch, version=version, marker=marker, approvals=approvals)
        finally:  # whoever asked may have been killed meanwhile
            if approvals:
                self.asked.set()


class EndingStore(AskingStore):
    """A store in memory that calls `strike` before or after it has written a record of a kind, as planned, in order."""

    def __init__(self, plan: Iterable[tuple[Boundary, When]], strike: Callable[[], None]) -> None:
        super().__init__()
        self.strikes = 0
        self.seen: list[Boundary] = []
        self._plan, self._strike = list(plan), strike

    async def append(
        self,
        key: str,
        records: Sequence[Record],
        *,
        epoch: int,
        version: int,
        marker: str | None = None,
        approvals: Sequence[ApprovalRequest] = (),
    ) -> int:
        kinds = [Boundary(record.kind) for record in records]
        planned = self._plan[self.strikes] if self.strikes < len(self._plan) else None
        due = planned is not None and planned[0] in kinds
        if due and planned is not None and planned[1] == "before":
            await self._end()
        done = await super().append(key, records, epoch=epoch, version=version, marker=marker, approvals=approvals)
        self.seen += kinds
        if due:
            await self._end()
        return done

    async def _end(self) -> None:
        self.strikes += 1
        self._strike()
        await asyncio.get_running_loop().create_future()


def told(messages: Iterable[ModelMessage]) -> list[Any]:
    """A conversation without what differs from run to run: times and ids of runs."""
    return [_without(message) for message in ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")]


_PASSING = {"timestamp", "run_id", "conversation_id", "provider_response_id", "usage"}


def _without(value: Any) -> Any:
    match value:
        case dict():
            named: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
            return {key: _without(item) for key, item in named.items() if key not in _PASSING}
        case list():
            items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
            return [_without(item) for item in items]
        case _:
            return value


async def grant_everything(store: AskingStore) -> None:
    """Approve whatever is asked for, as somebody outside would."""
    while True:
        await store.asked.wait()
        store.asked.clear()
        for row in await store.approvals(status="pending"):
            await approve(store, row.id, by="a test")
