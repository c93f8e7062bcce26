"""A turn exists so that a model without memory can tell from its messages what it has done since the question."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_ai.messages import ModelMessage, TextContent, ToolCallPart, ToolReturnPart, UserPromptPart

from ._research import Found, Read

_FEEDBACK = re.compile(r"<pyai:(?:retry_feedback|validation_errors)>")
_FOUND = TypeAdapter(Found)
_READ = TypeAdapter(Read)

T = TypeVar("T")


@dataclass
class ToolCall:
    """A call of this turn; `outcome` is pydantic-ai's, or "unanswered"."""

    name: str
    arguments: Mapping[str, object]
    outcome: str = "unanswered"
    content: str = ""


@dataclass
class Turn:
    """What has happened since the last user prompt.

    Attributes:
        question: the text of that prompt.
        calls: the calls since then by id, in order.

    """

    question: str = ""
    calls: dict[str, ToolCall] = field(default_factory=dict[str, ToolCall])

    def named(self, name: str) -> list[ToolCall]:
        """The calls of one tool."""
        return [call for call in self.calls.values() if call.name == name]

    @property
    def found(self) -> list[Found]:
        """What the searches that went well gave."""
        return _results(_FOUND, self.named("search"))

    @property
    def read(self) -> list[Read]:
        """What the reads that went well gave."""
        return _results(_READ, self.named("read_lines"))


def last_turn(messages: Sequence[ModelMessage]) -> Turn:
    """The turn that the last user prompt began."""
    turn = Turn()
    for message in messages:
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                text = _text(part)
                # A complaint about the last response comes as a user prompt too, in a fence of pydantic-ai's.
                if not _FEEDBACK.search(text):
                    turn = Turn(text)
            elif isinstance(part, ToolCallPart):
                turn.calls[part.tool_call_id] = ToolCall(part.tool_name, part.args_as_dict())
            elif isinstance(part, ToolReturnPart) and (call := turn.calls.get(part.tool_call_id)):
                call.outcome = part.outcome
                call.content = part.model_response_str(wrap_if_error=False)
    return turn


def _text(prompt: UserPromptPart) -> str:
    if isinstance(prompt.content, str):
        return prompt.content
    pieces = (item.content if isinstance(item, TextContent) else item for item in prompt.content)
    return "\n".join(piece for piece in pieces if isinstance(piece, str))


def _results(adapter: TypeAdapter[T], calls: Sequence[ToolCall]) -> list[T]:
    results: list[T] = []
    for call in calls:
        if call.outcome == "success":
            try:
                results.append(adapter.validate_json(call.content))
            except ValidationError:
                # A journal or a hook may have put something else in its place: as good as no result.
                continue
    return results
