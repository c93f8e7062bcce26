"""Asking a server that may be restarted meanwhile: what was not begun waits for the next incarnation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from ..errors import DeadlineExceeded, NoProcess, ServerDied
from ..process import deadline_at, killed
from ..server import slot_of
from ._errors import MCPCallLost, MCPUnavailable

if TYPE_CHECKING:
    from ._server import MCPServer

R = TypeVar("R")

LOOK_AGAIN = 0.02
"""Seconds after which an asker looks whether the restart that is under way is done."""


async def patiently(server: MCPServer, what: str, ask: Callable[[], Awaitable[R]], *, again: float) -> R:
    """Ask until there is an answer, while the owner is being restarted; so many times `again`, also after a call was lost.

    Raises what the answer raises; `MCPUnavailable` when the patience of the server's spec is at an end or no restart
    is due; `MCPCallLost`; `DeadlineExceeded`.
    """
    loop, path = asyncio.get_running_loop(), slot_of(server).path
    began: float | None = None
    while True:
        wait = LOOK_AGAIN
        cause: BaseException
        try:
            return await ask()
        except MCPUnavailable as unavailable:
            cause = unavailable.__cause__ or unavailable
        except MCPCallLost as lost:
            if again < 1:
                raise
            again, cause = again - 1, lost.__cause__ or lost
        except ServerDied as died:
            if died.target != path:
                raise  # the answer itself: a server that a hook of the call had asked
            if died.reason == killed:  # otherwise those whose calls had begun have been told so
                if again < 1:
                    raise MCPCallLost(path, what, died) from died
                again -= 1
            cause = died.__cause__ or died
        except NoProcess as absent:
            if absent.target != path:
                raise
            if absent.restart_in is None:
                raise MCPUnavailable(path, 0.0 if began is None else loop.time() - began, absent) from absent
            wait, cause = max(wait, absent.restart_in), absent
        began = loop.time() if began is None else began
        left = began + server.patience - loop.time()
        if left <= 0:
            raise MCPUnavailable(path, server.patience, cause) from cause
        await _wait(min(wait, left), path)


async def _wait(seconds: float, path: str) -> None:
    try:
        async with asyncio.timeout_at(deadline_at.get()):
            await asyncio.sleep(seconds)
    except TimeoutError:
        raise DeadlineExceeded(path) from None
