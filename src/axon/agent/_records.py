"""What an agent writes into its journal: one record for each boundary that a turn crosses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturn, ToolReturnPart, UserContent
from pydantic_ai.tools import DeferredToolResults
from pydantic_ai.usage import RunUsage, UsageLimits
from pydantic_core import PydanticSerializationError, to_jsonable_python

from ..budget import BudgetRef
from ..store import ApprovalStatus, Codec, Entry, Record, Unreadable

Content: TypeAlias = str | list[UserContent]
"""A prompt as it is kept."""


class Boundary(StrEnum):
    """Every step that is written down before the next one begins; its value is the kind of its record in the store.

    A crash, a kill or a new deployment may come before or after each of them; tests and tools go through them all with
    `for boundary in Boundary`.
    """

    ACCEPTED = "accepted"
    """A message was taken: whatever happens now, its turn will be run, or its end told."""
    STARTED = "started"
    """A try at the turn begins."""
    RESPONSE = "response"
    """The model answered; its request and response are kept, and will not be made again."""
    TOOL_INTENDED = "tool_intended"
    """A tool is about to be run; until its end is kept, its effect is unknown."""
    TOOL_DONE = "tool_done"
    """It returned, and will not be run again."""
    TOOL_FAILED = "tool_failed"
    """It ended with a message for the model, or raised."""
    TOOL_UNKNOWN = "tool_unknown"
    """The model is told that nobody knows whether it took effect."""
    TOOL_DEFERRED = "tool_deferred"
    """It did nothing yet: it asked for an approval, or for somebody else to do it."""
    APPROVAL_ASKED = "approval_asked"
    """A row that anybody may decide was made."""
    APPROVAL_DECIDED = "approval_decided"
    """The decision, or that the time for it passed, was seen."""
    STEERED = "steered"
    """A message for the turn under way was taken."""
    CANCEL_ASKED = "cancel_asked"
    """Somebody wants the turn to end."""
    ATTEMPT_FAILED = "attempt_failed"
    """A try failed; what is done about it, `Action` says."""
    COMMITTED = "committed"
    """The turn is done: its messages are the conversation, its answer is kept."""
    ENDED = "ended"
    """The turn ended without an answer, and the conversation is as it was before it."""
    PAUSED = "paused"
    """The agent was stopped in order in the middle of the turn, which goes on with the next start."""
    RESET = "reset"
    """The conversation is to begin afresh, once the turns before this are over."""


@dataclass(frozen=True)
class Step:
    """The base of all records; `turn` is the id of the message whose turn it is."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    boundary: ClassVar[Boundary]
    turn: str


@dataclass(frozen=True)
class Hop:
    """A turn on whose behalf another one is; `agent` is what its journal is kept under, `path` that of its process."""

    agent: str
    turn: str
    path: str


@dataclass(frozen=True)
class Accepted(Step):
    boundary = Boundary.ACCEPTED
    prompt: Content | None
    fingerprint: str
    history: list[ModelMessage] | None = None
    deferred: DeferredToolResults | None = None
    limits: UsageLimits | None = None
    deps: Any = None
    due: float | None = None
    streamed: bool = False
    first: bool = False
    budget: BudgetRef | None = None
    inherited: bool = False
    hops: tuple[Hop, ...] = ()
    aside: bool = False
    settings: dict[str, Any] | None = None


@dataclass(frozen=True)
class Started(Step):
    boundary = Boundary.STARTED


@dataclass(frozen=True)
class Responded(Step):
    """The history is what it was up to `keep`, and then `messages`; `resend` is a request that follows them.

    `before` and `usage` are what the turn had used before and after the request, `delivered` the steering it carried.
    """

    boundary = Boundary.RESPONSE
    keep: int
    messages: list[ModelMessage]
    resend: ModelRequest | None
    before: RunUsage
    usage: RunUsage
    delivered: list[str]


@dataclass(frozen=True)
class ToolIntended(Step):
    boundary = Boundary.TOOL_INTENDED
    call: str
    tool: str


@dataclass(frozen=True)
class ToolDone(Step):
    boundary = Boundary.TOOL_DONE
    call: str
    part: ToolReturnPart | None
    returned: ToolReturn | None = None


@dataclass(frozen=True)
class ToolEnded(Step):
    boundary = Boundary.TOOL_FAILED
    call: str
    how: Literal["failed", "retry", "raised"]
    message: str


@dataclass(frozen=True)
class ToolUnknown(Step):
    boundary = Boundary.TOOL_UNKNOWN
    call: str


@dataclass(frozen=True)
class ToolDeferred(Step):
    boundary = Boundary.TOOL_DEFERRED
    call: str


@dataclass(frozen=True)
class ApprovalAsked(Step):
    boundary = Boundary.APPROVAL_ASKED
    calls: dict[str, str]


@dataclass(frozen=True)
class ApprovalDecided(Step):
    boundary = Boundary.APPROVAL_DECIDED
    call: str
    status: ApprovalStatus
    decision: str


@dataclass(frozen=True)
class Steered(Step):
    boundary = Boundary.STEERED
    steer: str
    content: Content
    fingerprint: str | None = None


@dataclass(frozen=True)
class CancelAsked(Step):
    boundary = Boundary.CANCEL_ASKED


@dataclass(frozen=True)
class AttemptFailed(Step):
    boundary = Boundary.ATTEMPT_FAILED
    error: str


@dataclass(frozen=True)
class Committed(Step):
    """`output` is JSON, None if the output cannot be JSON."""

    boundary = Boundary.COMMITTED
    keep: int
    messages: list[ModelMessage]
    output: str | None
    output_tool: str | None
    usage: RunUsage


@dataclass(frozen=True)
class Ended(Step):
    boundary = Boundary.ENDED
    how: Literal["failed", "cancelled", "deadline", "set aside"]
    error: str
    usage: RunUsage


@dataclass(frozen=True)
class Paused(Step):
    boundary = Boundary.PAUSED


@dataclass(frozen=True)
class Reset(Step):
    boundary = Boundary.RESET


STEPS: tuple[type[Step], ...] = (
    Accepted,
    Started,
    Responded,
    ToolIntended,
    ToolDone,
    ToolEnded,
    ToolUnknown,
    ToolDeferred,
    ApprovalAsked,
    ApprovalDecided,
    Steered,
    CancelAsked,
    AttemptFailed,
    Committed,
    Ended,
    Paused,
    Reset,
)
_CODECS: dict[str, Codec[Any]] = {step.boundary: Codec(step.boundary, step) for step in STEPS}


def encoded(step: Step) -> Record:
    """The record of a step. A tool may return anything: what JSON has no form for becomes text."""
    codec = _CODECS[step.boundary]
    try:
        return codec.record(step)
    except PydanticSerializationError:
        return codec.record(_plain(step))


def _plain(step: Step) -> Step:
    """The step with what its tools returned as JSON has it."""
    match step:
        case ToolDone(part=part, returned=returned):
            if part is not None:
                part = replace(part, content=_json(part.content))
            if returned is not None:
                value, data = _json(returned.return_value), _json(returned.metadata)
                returned = ToolReturn(value, content=returned.content, metadata=data)
            return replace(step, part=part, returned=returned)
        case Responded(messages=messages, resend=resend):
            return replace(
                step, messages=_plain_messages(messages), resend=_plain_messages([resend])[0] if resend else None
            )
        case Committed(messages=messages):
            return replace(step, messages=_plain_messages(messages))
        case _:
            return step


def _plain_messages(messages: Sequence[Any]) -> list[Any]:
    return [
        replace(message, parts=[_plain_part(part) for part in message.parts])
        if isinstance(message, ModelRequest)
        else message
        for message in messages
    ]


def _plain_part(part: Any) -> Any:
    if not isinstance(part, ToolReturnPart):
        return part
    return replace(part, content=_json(part.content))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _json(value: Any) -> Any:
    return to_jsonable_python(value, fallback=repr, bytes_mode="base64")


def decoded(entry: Entry) -> Step:
    """The step of a record. Raises `Unreadable`."""
    codec = _CODECS.get(entry.record.kind)
    if codec is None:
        raise Unreadable(entry.key, entry.version, f"its kind {entry.record.kind!r} is not known to this program")
    step: Step = codec.value(entry)
    return step
