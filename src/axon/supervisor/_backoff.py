"""How long to wait before a restart, by a tenacity wait strategy (an addition to OTP, off by default)."""

from __future__ import annotations

from typing import cast

from ..errors import InvalidOption
from ._children import Child


def backoff_delay(child: Child, now: float, stable_after: float) -> float:
    """Seconds to wait before the next start of this child; 0.0 without a backoff.

    Attempts count from 1 again once the child has run for longer than `stable_after` seconds.
    https://tenacity.readthedocs.io/en/latest/#waiting-before-retrying
    """
    if child.spec.backoff is None:
        return 0.0
    from tenacity import BaseRetrying, Future, RetryCallState

    if child.process is not None and now - child.started_at > stable_after:
        child.attempts = 0
    child.attempts += 1
    # A wait strategy reads the attempt and its outcome, never who retries.
    state = RetryCallState(cast("BaseRetrying", None), None, (), {})
    state.attempt_number = child.attempts
    if isinstance(child.failure, BaseException):
        state.outcome = Future(child.attempts)
        state.outcome.set_exception(child.failure)
    delay = child.spec.backoff(state)
    if not isinstance(delay, int | float) or not delay >= 0:
        raise InvalidOption("backoff", delay, "a strategy that returns seconds >= 0")
    return float(delay)
