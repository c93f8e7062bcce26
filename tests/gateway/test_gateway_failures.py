"""Errors on the wire: one table, which says what a client can do about each."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_ai import ModelHTTPError, ModelRetry, RunCancelled, UnexpectedModelBehavior
from pydantic_ai.exceptions import ModelRateLimitError

import axon
from axon import errors
from axon.agent import AgentBusy, EventsLost, InvalidHistory, MessageIdReused, TurnFailed
from axon.budget import BudgetExceeded
from axon.gateway import (
    AgentNotFound,
    Draining,
    Forbidden,
    InvalidToken,
    LimitExceeded,
    RequestTimeout,
    RunRequest,
    TooLarge,
    failure_of,
)


def unfit() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        RunRequest.model_validate({"message_history": 7, "prompt": ["secret"]})
    return caught.value


EXCEEDED = BudgetExceeded("acme", "usd", spent=Decimal(1), reserved=Decimal(0), granted=Decimal(1), opens_at=4e9)


@pytest.mark.parametrize(
    ("error", "error_type", "status", "grpc"),
    [
        (unfit(), "ValidationError", 400, "INVALID_ARGUMENT"),
        (errors.InvalidOption("x", 1, "2"), "InvalidOption", 400, "INVALID_ARGUMENT"),
        (InvalidHistory("it is empty", 0), "InvalidHistory", 400, "INVALID_ARGUMENT"),
        (InvalidToken(given=False), "InvalidToken", 401, "UNAUTHENTICATED"),
        (Forbidden("run"), "Forbidden", 403, "PERMISSION_DENIED"),
        (AgentNotFound("a"), "AgentNotFound", 404, "NOT_FOUND"),
        (MessageIdReused("k"), "MessageIdReused", 409, "ALREADY_EXISTS"),
        (AgentBusy("a"), "AgentBusy", 409, "FAILED_PRECONDITION"),
        (errors.NameTaken("a", "b", "c"), "NameTaken", 409, "ALREADY_EXISTS"),
        (EventsLost(3, "1.4"), "EventsLost", 409, "OUT_OF_RANGE"),
        (RequestTimeout(30.0), "RequestTimeout", 408, "DEADLINE_EXCEEDED"),
        (TooLarge("body", 1, "bytes"), "TooLarge", 413, "RESOURCE_EXHAUSTED"),
        (LimitExceeded("runs=1", 2.0), "LimitExceeded", 429, "RESOURCE_EXHAUSTED"),
        (errors.MailboxFull("a", 1, "m"), "MailboxFull", 429, "RESOURCE_EXHAUSTED"),
        (ModelRateLimitError("m", "slow down"), "ModelRateLimitError", 429, "RESOURCE_EXHAUSTED"),
        (EXCEEDED, "BudgetExceeded", 429, "RESOURCE_EXHAUSTED"),
        (RunCancelled("enough"), "RunCancelled", 499, "CANCELLED"),
        (TurnFailed("k", "cancelled", ""), "TurnFailed", 499, "CANCELLED"),
        (Draining(), "Draining", 503, "UNAVAILABLE"),
        (errors.NoProcess("a", restart_in=3.0), "NoProcess", 503, "UNAVAILABLE"),
        (errors.ServerDied("a", axon.shutdown), "ServerDied", 503, "UNAVAILABLE"),
        (errors.DeadlineExceeded("a"), "DeadlineExceeded", 504, "DEADLINE_EXCEEDED"),
        (TurnFailed("k", "deadline", ""), "TurnFailed", 504, "DEADLINE_EXCEEDED"),
        (errors.ServerDied("a", ValueError("no")), "ServerDied", 500, "INTERNAL"),
        (TurnFailed("k", "failed", ""), "TurnFailed", 500, "INTERNAL"),
        (ModelHTTPError(418, "m"), "ModelHTTPError", 500, "INTERNAL"),
        (UnexpectedModelBehavior("what?"), "UnexpectedModelBehavior", 500, "INTERNAL"),
        (ModelRetry("again"), "ModelRetry", 500, "INTERNAL"),
        (ValueError("no"), "ValueError", 500, "INTERNAL"),
    ],
)
def test_the_table_of_errors(error: Exception, error_type: str, status: int, grpc: str) -> None:
    failure = failure_of(error)
    assert (failure.error_type, failure.status, failure.grpc) == (error_type, status, grpc)
    assert failure.body == {
        "status": "error",
        "error_type": error_type,
        "message": failure.message,
        "details": failure.details,
    }
    assert (failure.retry_after is not None) == (status in (429, 503))


def test_a_validation_error_says_what_is_wrong_where_and_shows_no_value() -> None:
    failure = failure_of(unfit())
    details: list[dict[str, Any]] = failure.details
    assert {tuple(one["loc"]) for one in details} == {("message_history",), ("prompt",)}
    assert "secret" not in str(failure.body)


def test_what_passes_says_when_to_come_back() -> None:
    assert failure_of(LimitExceeded("runs=1", 2.5)).retry_after == 2.5
    assert failure_of(errors.NoProcess("a", restart_in=3.0)).retry_after == 3.0
    assert (failure_of(EXCEEDED).retry_after or 0) > 1e8
    assert failure_of(errors.MailboxFull("a", 1, "m")).retry_after == 1.0


def test_a_message_is_never_endless() -> None:
    assert len(failure_of(ValueError("x" * 1_000_000)).message) == 2000


def test_an_error_is_told_by_a_public_name() -> None:
    class _HTTPModelRateLimitError(ModelRateLimitError):
        pass

    assert failure_of(_HTTPModelRateLimitError("m", "slow down")).error_type == "ModelRateLimitError"
