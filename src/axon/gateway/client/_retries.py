"""When a request is made again, and after which pause."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import httpx2

from ._errors import ErrorAnswer, GatewayUnreachable

if TYPE_CHECKING:
    from tenacity import RetryCallState

ATTEMPTS = 5
"""How often a request is made at most, unless told otherwise."""
PAUSE, LONGEST = 0.05, 5.0
"""Seconds before the second attempt where nobody names them; each time twice as many, up to so many."""
JITTER = 0.25
"""Up to which part a pause is made longer, so that clients that failed together do not come back together."""

REFUSALS = frozenset({"Draining", "LimitExceeded", "MailboxFull", "MaxChildrenReached", "NoMembers", "NoProcess"})
"""What a gateway says of a request with which nothing was done, and that may do better soon."""
UNDER_WAY = frozenset({"ServerDied", "StoreUnavailable"})
"""What it says of one that may have begun: asked for again, a run goes on, or is answered from the journal."""
IN_BETWEEN = frozenset({502, 503, 504})
"""Statuses of a proxy in between that has no gateway behind it."""
NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Errors after which nothing can have been done."""


def is_passing(error: BaseException, *, idempotent: bool) -> bool:
    """Whether to ask again: after what will pass, if nothing was done yet or doing it twice is the same as once.

    What an agent's run itself has ended with does not pass: its key stands for that end from now on.
    """
    match error:
        case ErrorAnswer(error_type="", status=status):
            return idempotent and status in IN_BETWEEN
        case ErrorAnswer(error_type=kind, status=429 | 503 | None):
            return kind in REFUSALS or (idempotent and kind in UNDER_WAY)
        case GatewayUnreachable(__cause__=cause):
            return idempotent or isinstance(cause, NOT_SENT)
        case _:
            return False


def pause(state: RetryCallState) -> float:
    """Seconds until the next attempt, for tenacity."""
    return pause_after(None if state.outcome is None else state.outcome.exception(), state.attempt_number)


def pause_after(error: BaseException | None, attempt: int) -> float:
    """Seconds until the next attempt: as many as the gateway asks for, or twice as many each time, and a little more."""
    asked = error.retry_after if isinstance(error, ErrorAnswer) else None
    seconds = min(PAUSE * 2 ** (attempt - 1), LONGEST) if asked is None else asked
    return seconds + random.uniform(0, JITTER) * max(seconds, PAUSE)  # noqa: S311  # nothing secret
