"""What an error becomes on the wire: one table for HTTP, WebSocket and gRPC."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_ai import exceptions as raised
from pydantic_core import to_jsonable_python

from .. import errors, process
from ..agent import (
    AgentBusy,
    AnswerNotKept,
    EventsLost,
    FirstTokenTimeout,
    MessageIdReused,
    StreamStalled,
    TurnFailed,
    UnknownMessage,
)
from ..blueprint import InvalidDeps, TargetMismatch, UnknownTarget
from ..budget import BudgetExceeded
from ..store import AlreadyDecided, NoApproval, StoreUnavailable
from ..wire import BadMessage
from . import _errors as own

TOLD = (
    "option",
    "expected",
    "scope",
    "limit",
    "agent_id",
    "run_id",
    "module",
    "allowed",
    "tool",
    "known",
    "message_id",
    "how",
    "error",
    "resume_after",
    "restart_in",
    "after",
    "resource",
    "status_code",
)
"""What errors carry that helps a client, and shows nothing of anybody else."""
MISTAKES = 100
"""Mistakes in a request that are told one by one: there may be one in every two bytes."""
LONGEST = 2000
"""Characters of a message that are told."""
PAUSE = 1.0
"""Seconds after which a client may try again what was refused for now, unless something better is known."""

TABLE: Mapping[type[BaseException], tuple[int, str]] = MappingProxyType(
    {
        # the request
        ValidationError: (400, "INVALID_ARGUMENT"),
        errors.InvalidOption: (400, "INVALID_ARGUMENT"),  # and InvalidHistory, InvalidDeps, InvalidSchema, templates
        BadMessage: (400, "INVALID_ARGUMENT"),
        UnknownTarget: (400, "INVALID_ARGUMENT"),
        TargetMismatch: (400, "INVALID_ARGUMENT"),
        own.ModuleUnusable: (400, "INVALID_ARGUMENT"),
        own.InvalidToken: (401, "UNAUTHENTICATED"),
        own.Forbidden: (403, "PERMISSION_DENIED"),
        own.OriginNotAllowed: (403, "PERMISSION_DENIED"),
        own.ModuleNotAllowed: (403, "PERMISSION_DENIED"),
        own.AgentNotFound: (404, "NOT_FOUND"),
        own.RunnerNotServed: (404, "UNIMPLEMENTED"),
        own.RunNotFound: (404, "NOT_FOUND"),
        UnknownMessage: (404, "NOT_FOUND"),
        NoApproval: (404, "NOT_FOUND"),
        own.AgentExists: (409, "ALREADY_EXISTS"),
        errors.NameTaken: (409, "ALREADY_EXISTS"),
        MessageIdReused: (409, "ALREADY_EXISTS"),
        AgentBusy: (409, "FAILED_PRECONDITION"),
        AlreadyDecided: (409, "FAILED_PRECONDITION"),
        AnswerNotKept: (409, "FAILED_PRECONDITION"),
        EventsLost: (409, "OUT_OF_RANGE"),
        own.RequestTimeout: (408, "DEADLINE_EXCEEDED"),
        own.TooLarge: (413, "RESOURCE_EXHAUSTED"),
        own.ToolFailed: (422, "FAILED_PRECONDITION"),
        # too much
        own.LimitExceeded: (429, "RESOURCE_EXHAUSTED"),
        errors.MailboxFull: (429, "RESOURCE_EXHAUSTED"),
        errors.MaxChildrenReached: (429, "RESOURCE_EXHAUSTED"),
        BudgetExceeded: (429, "RESOURCE_EXHAUSTED"),
        raised.ModelRateLimitError: (429, "RESOURCE_EXHAUSTED"),
        raised.ModelQuotaExceededError: (429, "RESOURCE_EXHAUSTED"),
        raised.ConcurrencyLimitExceeded: (429, "RESOURCE_EXHAUSTED"),
        # not now
        own.Draining: (503, "UNAVAILABLE"),
        errors.NoProcess: (503, "UNAVAILABLE"),
        StoreUnavailable: (503, "UNAVAILABLE"),
        raised.ModelUnavailableError: (503, "UNAVAILABLE"),
        # its end
        raised.RunCancelled: (499, "CANCELLED"),
        raised.RunTimedOut: (504, "DEADLINE_EXCEEDED"),
        errors.DeadlineExceeded: (504, "DEADLINE_EXCEEDED"),
        errors.CallTimeout: (504, "DEADLINE_EXCEEDED"),
        raised.ModelTimeoutError: (504, "DEADLINE_EXCEEDED"),
        raised.ModelRequestTimeout: (504, "DEADLINE_EXCEEDED"),
        FirstTokenTimeout: (504, "DEADLINE_EXCEEDED"),
        StreamStalled: (504, "DEADLINE_EXCEEDED"),
        # the agent's own
        raised.UsageLimitExceeded: (500, "RESOURCE_EXHAUSTED"),
        Exception: (500, "INTERNAL"),
    }
)
"""HTTP status and gRPC code by class of error; the nearest class counts."""

ENDS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {"cancelled": (499, "CANCELLED"), "deadline": (504, "DEADLINE_EXCEEDED")}
)
"""Those of a turn that is over, by how it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error as a client sees it.

    error_type: the name of its class. message: its text. details: what is wrong where, for a validation error; else
    what a program needs to act. status: of HTTP. grpc: the name of gRPC's code. retry_after: seconds after which the
    same request may do better, None if it will not.
    """

    error_type: str
    message: str
    details: Any = None
    status: int = 500
    grpc: str = "INTERNAL"
    retry_after: float | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The error model of the protocol."""
        return {
            "status": "error",
            "error_type": self.error_type,
            "message": self.message,
            "details": self.details,
        }


def failure_of(error: BaseException) -> Failure:
    """What a client is told of an error."""
    status, grpc = _place(error)
    return Failure(
        error_type=next(kind.__name__ for kind in type(error).__mro__ if not kind.__name__.startswith("_")),
        message=_message(error),
        details=_details(error),
        status=status,
        grpc=grpc,
        retry_after=_retry_after(error) if status in (429, 503) else None,
    )


def _place(error: BaseException) -> tuple[int, str]:
    if isinstance(error, TurnFailed):
        return ENDS.get(error.how, (500, "INTERNAL"))
    if isinstance(error, errors.ServerDied) and isinstance(error.reason, process.Reason):
        return 503, "UNAVAILABLE"  # it did not fail: it was stopped or killed
    if isinstance(error, errors.StartFailed) and isinstance(error.__cause__, Exception):
        return _place(error.__cause__)
    return next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), (500, "INTERNAL"))


def _message(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return f"{error.title}: {error.error_count()} validation error{'s' * (error.error_count() != 1)}"
    text = str(error) or type(error).__name__
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _details(error: BaseException) -> Any:
    """What is wrong where, without the values: they may be large, or secret."""
    if isinstance(error, ValidationError):
        if error.error_count() > MISTAKES:
            return None
        return error.errors(include_url=False, include_context=False, include_input=False)
    if isinstance(error, InvalidDeps | BadMessage):
        return [{"loc": problem.where.split("."), "msg": problem.what} for problem in error.problems]
    found = {name: getattr(error, name) for name in TOLD if getattr(error, name, None) is not None}
    return to_jsonable_python(found, fallback=repr) or None


def _retry_after(error: BaseException) -> float:
    for name in ("retry_after", "restart_in"):
        seconds: object = getattr(error, name, None)
        if isinstance(seconds, int | float) and math.isfinite(seconds):
            return max(0.0, float(seconds))
    opens_at: object = getattr(error, "opens_at", None)
    if isinstance(opens_at, int | float):
        return max(PAUSE, opens_at - time.time())
    return PAUSE
