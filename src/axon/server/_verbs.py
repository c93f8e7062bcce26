"""What a callback can say besides its answer: ignore, continue, and be told when nothing comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InvalidOption
from ..process import ExitReason, acting, checked, checked_seconds, normal

if TYPE_CHECKING:
    from ._process import ServerProcess


class Ignore(Exception):
    """Raise it in `init`: this server chooses not to start, and that is no failure."""


@dataclass(frozen=True, slots=True)
class IdleTimeout:
    """No message came for the time given to `idle_after`, in seconds."""

    seconds: float


def _server(function: str) -> ServerProcess:
    from ._process import ServerProcess

    me = acting(function)
    if isinstance(me, ServerProcess) and me.in_callback and me.task in (None, asyncio.current_task()):
        return me
    raise InvalidOption(function, me, "used in a callback of a GenServer, and not in a task that it started")


def stop_self(reason: ExitReason = normal) -> None:
    """End this server with `reason` after the present callback.

    What the handler then returns is the answer, delivered when `terminate` has run (OTP's `{stop, R, Reply, S}`).
    """
    me = _server("stop_self")
    me.stopping, me.calm = checked(reason), False


def continue_with(continuation: object) -> None:
    """Run `handle_continue(state, continuation)` right after this callback, before any message that waits.

    From `init`: after the starter has its handle. https://www.erlang.org/doc/man/gen_server#Module:handle_continue-2
    """
    me = _server("continue_with")
    me.continuations, me.calm = [*(me.continuations or ()), continuation], False


def idle_after(seconds: float) -> None:
    """Get `IdleTimeout(seconds)` in `handle_info` if no message comes for that long after this callback.

    Any message cancels it, and only a callback that calls `idle_after` arms it again.
    """
    me = _server("idle_after")
    me.idle_seconds, me.calm = checked_seconds(seconds, "seconds"), False
