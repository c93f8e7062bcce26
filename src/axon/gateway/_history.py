"""The conversation that a client brings: its own word, so that nothing in it acts with the rights of this program."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_ai.messages import ModelMessage, ModelResponse, sanitize_messages

from ..agent import InvalidHistory


def brought(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """Such a conversation as an agent may go on from.

    Without what this program or its provider would fetch with rights of their own: files by their ids or by other
    schemes than `http` and `https`, and downloads by this program. pydantic-ai warns of what it leaves out. System
    prompts stay, since answers have them, and agents take them from there. Raises `InvalidHistory`.
    https://ai.pydantic.dev/message-history/
    """
    last, calls = messages[-1] if messages else None, list[str]()
    if isinstance(last, ModelResponse):
        if last.state == "suspended":
            raise InvalidHistory("its provider has suspended the last response", len(messages))
        if last.state == "complete":  # then the agent refuses it, and says why
            calls = [call.tool_call_id for call in last.tool_calls]
    return sanitize_messages(
        messages, strip_system_prompts=False, strip_instructions=False, resolved_tool_call_ids=calls
    )
