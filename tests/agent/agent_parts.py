"""Models and agents for the tests of this room: they take time on the loop's clock, and say what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic_ai import Agent, ModelMessage, ModelRequest, ModelResponse
from pydantic_ai.messages import TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

Step: TypeAlias = "str | list[str] | Exception"
"""What a model answers: a text, calls of tools by name, or an error of its own."""


@dataclass
class Script:
    """A model that needs `takes` seconds for each answer and gives the `steps` in order, then the last one again.

    `seen` are the requests it got; `{prompt}` in a text is the last prompt.
    """

    steps: Sequence[Step]
    takes: float = 1.0
    seen: list[list[ModelMessage]] = field(default_factory=list[list[ModelMessage]])

    @property
    def model(self) -> FunctionModel:
        return FunctionModel(self._answer, stream_function=self._stream, model_name="script")

    def _step(self, messages: list[ModelMessage]) -> Step:
        self.seen.append(list(messages))
        step = self.steps[min(len(self.seen), len(self.steps)) - 1]
        return step.replace("{prompt}", last_prompt(messages)) if isinstance(step, str) else step

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        step = self._step(messages)
        await asyncio.sleep(self.takes)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, str):
            return ModelResponse(parts=[TextPart(step)])
        return ModelResponse(parts=[ToolCallPart(name, {}) for name in step])

    async def _stream(
        self, messages: list[ModelMessage], info: AgentInfo
    ) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
        step = self._step(messages)
        if isinstance(step, Exception):
            await asyncio.sleep(self.takes)
            raise step
        if isinstance(step, str):
            words = step.split(" ")
            for n, word in enumerate(words):
                await asyncio.sleep(self.takes / len(words))
                yield word if n == 0 else f" {word}"
        else:
            await asyncio.sleep(self.takes)
            for n, name in enumerate(step):
                yield {n: DeltaToolCall(name=name, json_args="{}", tool_call_id=f"call-{len(self.seen)}-{n}")}


def says(*steps: Step, takes: float = 1.0) -> FunctionModel:
    """A model with this script."""
    return Script(steps, takes).model


def last_prompt(messages: Sequence[ModelMessage]) -> str:
    prompts = prompts_of(messages)
    return prompts[-1] if prompts else ""


def prompts_of(messages: Sequence[ModelMessage]) -> list[str]:
    """What the user said, in order."""
    return [
        part.content
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, UserPromptPart) and isinstance(part.content, str)
    ]


def texts_of(messages: Sequence[ModelMessage]) -> list[str]:
    """The conversation as text: prompts and answers in order."""
    return [
        part.content
        for message in messages
        for part in message.parts
        if isinstance(part, UserPromptPart | TextPart) and isinstance(part.content, str)
    ]


def is_valid(messages: Sequence[ModelMessage]) -> bool:
    """Whether a model could go on from here: each tool call has one answer, and the last word is the model's."""
    asked: list[str] = []
    answered: list[str] = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                asked.append(part.tool_call_id)
            elif isinstance(part, ToolReturnPart):
                answered.append(part.tool_call_id)
    states = all(message.state == "complete" for message in messages)
    ends = not messages or isinstance(messages[-1], ModelResponse)
    return sorted(asked) == sorted(answered) and states and ends


def plain() -> Agent[object, str]:
    """An agent without tools and without a model."""
    return Agent(name="plain")


def now() -> float:
    return asyncio.get_running_loop().time()
