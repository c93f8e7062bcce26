"""Errors decide: what becomes of a turn, by the class of the error that ended its try."""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias, cast, get_args

from pydantic_ai import exceptions as raised

from ..budget import BudgetError
from ..errors import AxonError, InvalidOption
from ..store import StoreUnavailable
from ._errors import FirstTokenTimeout, StreamStalled

Action: TypeAlias = Literal["retry", "fail", "crash"]
"""What is done about an error.

`retry`: wait for as long as the provider says, or a little longer each time, and go on from the last checkpoint.
`fail`: the turn is over, whoever asked gets the error, the agent goes on. `crash`: the agent's process fails with it:
its supervisor counts it and decides, and the next incarnation goes on from the last checkpoint.
"""

ACTIONS: Mapping[type[BaseException], Action] = MappingProxyType(
    {
        # the provider is in trouble, and says so
        raised.ModelRateLimitError: "retry",
        raised.ModelUnavailableError: "retry",  # and ModelOverloadedError
        raised.ModelServerError: "retry",
        raised.ModelConnectionError: "retry",  # and ModelTimeoutError
        raised.ModelRequestTimeout: "retry",
        raised.ModelAPIError: "retry",  # such as a body that is no JSON
        FirstTokenTimeout: "retry",
        StreamStalled: "retry",
        # we are
        raised.ConcurrencyLimitExceeded: "retry",
        StoreUnavailable: "retry",  # that of a budget, or of a tool
        # budgets, deadlines and cancellations are clean ends
        raised.UsageLimitExceeded: "fail",
        raised.ModelQuotaExceededError: "fail",  # HTTP 429, too, and waiting does not help
        raised.RunCancelled: "fail",  # and RunTimedOut
        BudgetError: "fail",
        # the same again would fail the same way
        raised.ModelRequestRejectedError: "fail",  # authentication, not found, context window
        raised.AgentRunError: "fail",  # behaviour of the model, content filters, what pydantic-ai adds later
        raised.UserError: "fail",
        AxonError: "fail",
        # everything else is a fault of a tool, a hook or a validator
        Exception: "crash",
    }
)
"""What an agent with a store does; the nearest class counts. `on_error=` comes before it."""

LONGEST_PAUSE = 60.0
"""Seconds between two tries at most, unless the provider says otherwise."""


def action_for(error: BaseException, own: Mapping[type[BaseException], Action], *, durable: bool) -> Action:
    """What to do about an error. Without a store all that `own` does not name fails: there is nothing to go on from."""
    mine = _nearest(error, own)
    if mine is not None:
        return mine
    if not durable:
        return "fail"
    if isinstance(error, BaseExceptionGroup):  # of a fallback: one member that may pass is enough
        members = cast("BaseExceptionGroup[BaseException]", error).exceptions
        found = {action_for(member, own, durable=True) for member in members}
        return next(action for action in ("retry", "crash", "fail") if action in found)
    if type(error) is raised.ModelHTTPError:  # of no category
        hint = error.provider_retry_hint
        passes = error.status_code in (408, 409, 425, 429) or error.status_code >= 500
        return "retry" if (passes if hint is None else hint) else "fail"
    return _nearest(error, ACTIONS) or "crash"


def _nearest(error: BaseException, table: Mapping[type[BaseException], Action]) -> Action | None:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)


def pause_after(error: BaseException, attempt: int) -> float:
    """Seconds to wait before the next try: what the provider asks for, else 1, 2, 4 …; and a little more, by chance, so
    that not all agents come back at once.
    """
    asked: object = getattr(error, "retry_after", None)
    seconds = float(asked) if isinstance(asked, int | float) else min(LONGEST_PAUSE, 2.0 ** (attempt - 1))
    return seconds * random.uniform(1.0, 1.25)  # noqa: S311


def checked_actions(table: object) -> None:
    """Raise `InvalidOption` for an `on_error=` that is no table of actions."""
    if not isinstance(table, Mapping):
        raise InvalidOption("on_error", table, "a mapping from classes of errors to 'retry', 'fail' or 'crash'")
    for kind, action in cast("Mapping[object, object]", table).items():
        if not _is_error_class(kind):
            raise InvalidOption("on_error", kind, "made of classes of errors")
        if action not in get_args(Action):
            raise InvalidOption("on_error", action, "made of 'retry', 'fail' and 'crash'")


def _is_error_class(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)
