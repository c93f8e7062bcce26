"""Answers that are given again: an `AgentRunResult` from what the journal kept of it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any, Union, cast

from pydantic import TypeAdapter
from pydantic_ai import AgentRunResult, NativeOutput, PromptedOutput, TextOutput, ToolOutput
from pydantic_ai.messages import ModelMessage
from pydantic_ai.tools import DeferredToolRequests
from pydantic_core import PydanticSerializationError

from ._errors import AnswerNotKept, TurnFailed
from ._kept import Answer


class Outputs:
    """An agent's outputs, to JSON and back; `asks` says whether it asks for approvals by its output."""

    def __init__(self, spec: object) -> None:
        self._types = tuple(_types(spec))
        self.asks: bool = DeferredToolRequests in self._types
        self._any: TypeAdapter[Any] = TypeAdapter(Any)

    @property
    def type(self) -> Any:
        """Their type, all of them together."""
        return Union[self._types] if self._types else Any  # noqa: UP007

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.type)

    def text(self, output: object) -> str | None:
        """The output as JSON, None if it cannot be that."""
        try:
            return self._any.dump_json(output).decode()
        except PydanticSerializationError:
            return None

    def result(self, message_id: str, answer: Answer, messages: Sequence[ModelMessage]) -> AgentRunResult[Any]:
        """The result that was given before. Raises `TurnFailed` if there was none, `AnswerNotKept`.

        messages: the conversation now; the result has its own part of it, and none if the conversation was replaced.
        """
        if answer.how != "committed":
            raise TurnFailed(message_id, answer.how, answer.error)
        if answer.output is None:
            raise AnswerNotKept(message_id)
        return _results().validate_python(
            {
                "output": self._adapter.validate_json(answer.output),
                "messages": [] if answer.stop is None else list(messages[: answer.stop]),
                "new_message_index": answer.start or 0,
                "output_tool_name": answer.output_tool,
                "usage": answer.usage,
            }
        )


@cache
def _results() -> TypeAdapter[AgentRunResult[Any]]:
    """It takes 0.1 s to make, and is the same for all agents."""
    return TypeAdapter(AgentRunResult[Any])


def _types(spec: object) -> typing.Iterator[Any]:
    """The types behind an output specification: those of functions are what they return."""
    if isinstance(spec, ToolOutput):
        yield from _types(cast("object", spec.output))  # pyright: ignore[reportUnknownMemberType]
    elif isinstance(spec, NativeOutput | PromptedOutput):
        yield from _types(cast("object", spec.outputs))  # pyright: ignore[reportUnknownMemberType]
    elif isinstance(spec, TextOutput):
        yield from _types(cast("object", spec.output_function))  # pyright: ignore[reportUnknownMemberType]
    elif isinstance(spec, Sequence) and not isinstance(spec, str):
        for one in cast("Sequence[object]", spec):
            yield from _types(one)
    elif inspect.isroutine(spec):
        yield typing.get_type_hints(spec).get("return", Any)
    else:
        yield spec
