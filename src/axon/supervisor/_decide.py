"""What a supervisor does about an exit, as functions over plain data.

https://www.erlang.org/doc/system/sup_princ.html
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Literal, TypeAlias

from ..errors import ServerDied
from ..process import ExitReason, is_clean, shutdown
from ._spec import Restart

Strategy: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one"]
"""Who restarts when one child fails: it alone, all children, or it and those started after it."""
AutoShutdown: TypeAlias = Literal["never", "any_significant", "all_significant"]
"""Which ends of significant children end the supervisor."""


def is_restarted(restart: Restart, reason: ExitReason) -> bool:
    """Whether a child that ended with `reason` is to run again (rules A29–A31).

    A transient child that died of a call, because the server it asked was shut down, is not: in OTP its reason
    `{shutdown, {gen_server, call, _}}` has the shape of an orderly end. After any other end of that server it is.
    """
    if restart != "transient":
        return restart == "permanent"
    shut_down_with_callee = isinstance(reason, ServerDied) and reason.reason == shutdown
    return not is_clean(reason) and not shut_down_with_callee


def group(strategy: Strategy, ids: Iterable[str], failed: str) -> list[str]:
    """The ids a restart concerns, in start order (rules A36–A38): stop them from the back, start them from the front."""
    if strategy == "one_for_one":
        return [failed]
    all_ids = list(ids)
    return all_ids if strategy == "one_for_all" else all_ids[all_ids.index(failed) :]


def add_restart(restarts: deque[float], now: float, max_restarts: int, max_seconds: float) -> bool:
    """Record a restart at `now` among those that still count; returns whether they are too many.

    `max_restarts` within `max_seconds` are allowed, the next one is not; the window includes its ends (A46–A48).
    `restarts` is changed in place: it is in the order of time, so that each restart is added and dropped once.
    """
    restarts.append(now)
    while now - restarts[0] > max_seconds:
        restarts.popleft()
    return len(restarts) > max_restarts


def ends_supervisor(auto_shutdown: AutoShutdown, significant: bool, others_active: bool) -> bool:
    """Whether the end of a child that is not restarted ends its supervisor, too (rules A65–A68).

    `others_active`: whether another significant child runs or is being restarted.
    """
    if not significant or auto_shutdown == "never":
        return False
    return auto_shutdown == "any_significant" or not others_active
