"""From the messages of the proto to those of the gateway, and back."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError
from pydantic_ai import AgentRunResult
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_core import InitErrorDetails, PydanticCustomError, from_json, to_json

from .._requests import RunRequest, Usage
from . import synapse_pb2

MOST = 2**31 - 1
"""What an int32 holds."""
EVENT_ID = re.compile(r"[0-9]{1,18}\.[0-9]{1,18}")


def request_of(message: synapse_pb2.RunRequest) -> RunRequest:
    """What a message asks for. Raises `ValidationError`, which says in which field what is wrong."""
    given: dict[str, Any] = {"prompt": message.prompt}
    for name in ("message_history", "model_settings", "deps"):
        if message.HasField(name):
            given[name] = _value(name, getattr(message, name))
    if message.idempotency_key:
        given["idempotency_key"] = message.idempotency_key
    return RunRequest.model_validate(given)


def after_of(message: synapse_pb2.RunRequest) -> str | None:
    """The event that a stream is to go on behind. Raises `ValidationError`."""
    after = message.last_event_id
    if after and EVENT_ID.fullmatch(after) is None:
        raise _invalid("last_event_id", PydanticCustomError("event_id", "It should be the event_id of a chunk"))
    return after or None


def _value(name: str, text: str) -> Any:
    try:
        return from_json(text)
    except ValueError as error:
        problem = PydanticCustomError("json_invalid", "Invalid JSON: {error}", {"error": str(error)})
        raise _invalid(name, problem) from error


def _invalid(name: str, problem: PydanticCustomError) -> ValidationError:
    details = InitErrorDetails(type=problem, loc=(name,), input=None)
    return ValidationError.from_exception_data(RunRequest.__name__, [details])


def response_of(result: AgentRunResult[Any], run_id: str) -> synapse_pb2.RunResponse:
    """The answer of a run: a text as it is, anything else as JSON."""
    output: object = result.output
    used = Usage.of(result.usage)
    return synapse_pb2.RunResponse(
        result=output if isinstance(output, str) else to_json(output, fallback=repr).decode(),
        usage=synapse_pb2.Usage(
            request_tokens=min(MOST, used.request_tokens),
            response_tokens=min(MOST, used.response_tokens),
            total_tokens=min(MOST, used.total_tokens),
            requests=min(MOST, used.requests),
            tool_calls=min(MOST, used.tool_calls),
        ),
        messages=ModelMessagesTypeAdapter.dump_json(result.all_messages()).decode(),
        structured=not isinstance(output, str),
        run_id=run_id,
    )
