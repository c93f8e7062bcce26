"""Agents that live in processes of their own, found by the attributes of this module."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from axon.store import MemoryStore, SQLiteStore, Store


@dataclass
class Library:
    shelf: str


class Verdict(BaseModel):
    process: int
    shelf: str


def told(messages: list[ModelMessage]) -> Any:
    """What the tool has said last, None if it was not asked yet."""
    last: Any = messages[-1].parts[-1]
    return last.content if last.part_kind == "tool-return" else None


def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """It asks its tool where it is, and says so."""
    content = told(messages)
    if content is None:
        return ModelResponse(parts=[ToolCallPart("where", {})])
    if isinstance(content, str):  # what it did is not known, since it died while it did it
        return ModelResponse(parts=[TextPart(f"then in process {os.getpid()}")])
    if info.output_tools:
        return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, content)])
    return ModelResponse(parts=[TextPart(f"in process {content['process']}")])


async def think_aloud(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
    content = told(messages)
    if content is None:
        yield {0: DeltaToolCall("where", "{}")}
    else:
        yield "in process "
        yield str(content["process"])


model = FunctionModel(think, stream_function=think_aloud)
writer = Agent(model, deps_type=Library, name="writer")
judge = Agent(model, deps_type=Library, output_type=Verdict, name="judge")


@writer.tool
@judge.tool
def where(context: RunContext[Library]) -> dict[str, int | str]:
    died = Path(os.environ.get("DIES_ONCE", "/"))
    if not died.exists():
        died.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return {"process": os.getpid(), "shelf": context.deps.shelf}


stubborn = Agent(FunctionModel(lambda messages, info: stubbornly(messages)), name="stubborn")


def stubbornly(messages: list[ModelMessage]) -> ModelResponse:
    if prompt_of(messages) == "for ever":
        return ModelResponse(parts=[ToolCallPart("work", {})])
    return ModelResponse(parts=[TextPart(f"{prompt_of(messages)}, in process {os.getpid()}")])


def prompt_of(messages: list[ModelMessage]) -> str:
    last: Any = messages[-1].parts[-1]
    return str(last.content)


@stubborn.tool_plain
async def work() -> str:
    """It does not let itself be cancelled."""
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(100)


store: Store = SQLiteStore(os.environ["STORE"]) if "STORE" in os.environ else MemoryStore()
library = Library("fiction")
