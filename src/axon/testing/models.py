"""A model that plays a script: texts, tool calls, errors, slow and stalled streams, all on the loop's own clock.

Importing this module loads pydantic-ai, which takes a second or two; `import axon.testing` does not.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel

from ..errors import InvalidOption
from ..process import checked_seconds


@dataclass(frozen=True, slots=True)
class Say:
    """A text, word by word in a stream. after: seconds before the first word; every: between two words."""

    text: str
    after: float = field(default=0.0, kw_only=True)
    every: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True, slots=True)
class CallTool:
    """A call of the tool `name` with these arguments. after: seconds before it comes."""

    name: str
    args: dict[str, Any] = field(default_factory=dict[str, Any])
    after: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True, slots=True)
class Fail:
    """The provider fails with this error, such as `ModelHTTPError(429, "m")`; in a stream after what came before it."""

    error: Exception
    after: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing comes for so many seconds, default for ever."""

    seconds: float | None = None


Part: TypeAlias = "Say | CallTool | Fail | Stall"
"""What a model can do; a response is one of these or several in order."""


class ScriptEnded(AssertionError):
    """The model was asked more often than its script has answers."""


class ScriptedModel(FunctionModel):
    """A model for tests that answers its requests, streamed or not, by a script: one entry per request, in order.

        model = ScriptedModel(CallTool("search", {"q": "otp"}), [Say("It is"), Stall(30), Say(" here.")])
        result = await agent.run("Where?", model=model)

    An entry is a part, or a list of parts that come in one response. Delays are those of the loop: on virtual time and
    in a simulation they take none, and a sync tool would need a thread, which a simulation refuses. `asked` holds
    the messages of every request. When the script has no entry left: `ScriptEnded`.
    """

    def __init__(self, *script: Part | Sequence[Part], name: str = "scripted") -> None:
        self.asked: list[list[ModelMessage]] = []
        self._script = [_checked(entry) for entry in script]
        super().__init__(self._respond, stream_function=self._stream, model_name=name)

    @property
    def is_done(self) -> bool:
        """Whether the whole script was played."""
        return len(self.asked) >= len(self._script)

    def _next(self, messages: list[ModelMessage]) -> tuple[Part, ...]:
        number = len(self.asked)
        self.asked.append(list(messages))
        if number >= len(self._script):
            raise ScriptEnded(f"request {number + 1}, and the script of {self.model_name!r} has {len(self._script)}")
        return self._script[number]

    async def _respond(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        request, parts = len(self.asked), list[TextPart | ToolCallPart]()
        for index, part in enumerate(self._next(messages)):
            await _wait_for(part)
            match part:
                case Say(text, every=every):
                    await asyncio.sleep(every * (len(_words(text)) - 1))
                    parts.append(TextPart(text))
                case CallTool(name, args):
                    parts.append(ToolCallPart(name, args, tool_call_id=_call_id(request, index)))
                case Fail(error):
                    raise error
                case Stall():
                    pass
        return ModelResponse(parts)

    async def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        request = len(self.asked)
        for index, part in enumerate(self._next(messages)):
            await _wait_for(part)
            match part:
                case Say(text, every=every):
                    for number, word in enumerate(_words(text)):
                        if number:
                            await asyncio.sleep(every)
                        yield word
                case CallTool(name, args):
                    yield {index: DeltaToolCall(name, json.dumps(args), tool_call_id=_call_id(request, index))}
                case Fail(error):
                    raise error
                case Stall():
                    pass


def _checked(entry: Part | Sequence[Part]) -> tuple[Part, ...]:
    parts = (entry,) if isinstance(entry, Say | CallTool | Fail | Stall) else tuple(entry)
    for part in parts:
        if not isinstance(part, Say | CallTool | Fail | Stall):
            raise InvalidOption("script", part, "made of Say, CallTool, Fail and Stall")
        if isinstance(part, Stall):
            checked_seconds(part.seconds or 0.0, "seconds")
        else:
            checked_seconds(part.after, "after")
    if not parts:
        raise InvalidOption("script", entry, "at least one part per response")
    return parts


async def _wait_for(part: Part) -> None:
    if not isinstance(part, Stall):
        if part.after:
            await asyncio.sleep(part.after)
    elif part.seconds is None:
        await asyncio.get_running_loop().create_future()
    else:
        await asyncio.sleep(part.seconds)


def _words(text: str) -> list[str]:
    words = text.split(" ")
    return [*(word + " " for word in words[:-1]), words[-1]]


def _call_id(request: int, index: int) -> str:
    return f"call-{request + 1}-{index + 1}"
