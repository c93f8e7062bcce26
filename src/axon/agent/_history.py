"""Conversations that come from outside: what no model could go on from is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolReturnPart

from ._errors import InvalidHistory


def check_history(messages: Sequence[ModelMessage], *, prompted: bool) -> None:
    """Raise `InvalidHistory` if the beginning is cut off, or a prompt would come between a tool call and its answer.

    prompted: whether a new prompt is to follow. What a cancelled run left is fine: pydantic-ai closes its open calls.
    """
    asked: set[str] = set()
    for message in messages:
        if isinstance(message, ModelResponse):
            asked.update(call.tool_call_id for call in message.tool_calls)
            continue
        for part in message.parts:
            if isinstance(part, ToolReturnPart) and part.tool_call_id not in asked:
                raise InvalidHistory(
                    f"the answer of tool call {part.tool_call_id!r} comes without the call: the beginning is cut off",
                    len(messages),
                )
    last = messages[-1] if messages else None
    if prompted and isinstance(last, ModelResponse) and last.state == "complete" and last.tool_calls:
        call = last.tool_calls[0]
        raise InvalidHistory(
            f"the tool call {call.tool_call_id!r} of {call.tool_name!r} at the end has no answer: go on without a "
            "prompt, give deferred_tool_results, or repair it with pydantic_ai.messages.repair_messages",
            len(messages),
        )
    if prompted and isinstance(last, ModelRequest) and last.state == "complete" and not last.parts:
        raise InvalidHistory("it ends in an empty request", len(messages))
