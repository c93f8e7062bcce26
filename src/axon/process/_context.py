"""On whose behalf code runs: the running process, its deadline and its callers, each in a context variable.

Every process has a fresh `contextvars.Context` of its own, so these (and everybody else's variables) never leak
from a starter into what it starts: https://docs.python.org/3/library/contextvars.html
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias, cast

from ..errors import NotInProcess
from ..telemetry import running as _running

if TYPE_CHECKING:
    from ._process import Process
    from ._runtime import Runtime

running: ContextVar[Process | None] = cast("ContextVar[Process | None]", _running)
"""The process whose code runs."""


class Nobody:
    """Who sends from a place where nobody has been looked for yet."""

    runtime: ClassVar[None] = None
    sends_in: ClassVar[None] = None
    reason: ClassVar[None] = None


NOBODY: Final = Nobody()
"""Who sends where `here` was not looked up yet."""
here: ContextVar[Process | Runtime | Nobody] = ContextVar("axon_here", default=NOBODY)
"""Who sends from here: the running process or, for plain coroutines, the runtime; nobody until the first request.

It is asked for at every request: asyncio takes 100 ns to say which loop runs, this 20.
"""
deadline_at: ContextVar[float | None] = ContextVar("axon_deadline", default=None)
"""Until when, in the loop's time, the requests made here matter."""
Callers: TypeAlias = "tuple[Process, Callers] | None"
"""The caller, and its callers: a chain, since each hop adds one and may be the 100,000th."""

calling: ContextVar[Callers] = ContextVar("axon_callers", default=None)
"""On whose behalf the present message is handled."""


def is_blank(context: Context) -> bool:
    """Whether there is nothing in a process's context but the process itself."""
    return len(context) == 1 or (len(context) == 2 and here in context)


def current() -> Process:
    """The process whose code is running (Erlang's `self()`). Raises `NotInProcess` in a plain coroutine."""
    process = running.get()
    if process is None:
        raise NotInProcess("current")
    return process


def acting(function: str, instead: str = "") -> Process:
    """The running process, alive, for a function that acts in its name."""
    process = running.get()
    if process is None:
        raise NotInProcess(function, instead)
    process.refuse_if_dead()
    return process


def callers() -> tuple[Process, ...]:
    """On whose behalf the running process handles its present message: the caller first, then its caller.

    Calls extend the chain and tasks inherit it; a cast is on nobody's behalf, since its sender does not wait. Like
    Elixir's `$callers`:
    https://hexdocs.pm/elixir/Task.html#module-ancestor-and-caller-tracking
    """
    found: list[Process] = []
    rest = calling.get()
    while rest is not None:
        caller, rest = rest
        found.append(caller)
    return tuple(found)


def ancestors() -> tuple[Process, ...]:
    """Who started the running process: its parent first, then the parent's parent (OTP's `$ancestors`)."""
    found: list[Process] = []
    process = current().parent
    while process is not None:
        found.append(process)
        process = process.parent
    return tuple(found)
