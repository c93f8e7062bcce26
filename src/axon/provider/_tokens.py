"""How large a request is, before it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolCallPart, ToolReturnPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

CHARACTERS = 4
"""Of a text that make one token, about."""


def tokens_of(
    messages: Sequence[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
) -> int:
    """The tokens a request will use, about.

    What the last response says it used is exact for all before it; the rest is a token for every four characters of its
    texts. `max_tokens` is what providers set aside for the answer, so it counts. Files and pictures are not counted.
    """
    known, rest = 0, list[ModelMessage]()
    for message in reversed(messages):
        if isinstance(message, ModelResponse) and message.usage.total_tokens:
            known = message.usage.total_tokens
            break
        rest.append(message)
    characters = sum(len(text) for message in rest for text in _texts(message))
    if not known:
        characters += sum(len(text) for text in _head(messages, parameters))
    return max(1, known + -(-characters // CHARACTERS) + _set_aside(settings))


def _set_aside(settings: ModelSettings | None) -> int:
    return cast("Mapping[str, Any]", settings or {}).get("max_tokens") or 0


def _texts(message: ModelMessage) -> Iterable[str]:
    for part in message.parts:
        content: object = getattr(part, "content", None)
        if isinstance(part, ToolCallPart):
            yield part.tool_name
            yield part.args_as_json_str()
        elif isinstance(part, ToolReturnPart):
            yield part.model_response_str()
        elif isinstance(content, str):
            yield content
        elif isinstance(content, list | tuple):
            yield from (item for item in cast("Sequence[object]", content) if isinstance(item, str))


def _head(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> Iterable[str]:
    """What stands before the conversation: instructions and tools."""
    last = messages[-1] if messages else None
    if isinstance(last, ModelRequest) and last.instructions:
        yield last.instructions
    for tool in (*parameters.function_tools, *parameters.output_tools):
        yield tool.description or ""
        yield json.dumps(tool.parameters_json_schema)
