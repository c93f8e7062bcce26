"""A server that misbehaves as told: for tests of supervisors, shutdown and whoever depends on others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from ..errors import InvalidOption
from ..process import ExitReason, checked, checked_seconds, current, normal, send_after, trap_exit
from ..server import GenServer, Ignore, Stop, call, cast
from ._record import Record

Place: TypeAlias = Literal["init", "handler", "terminate"]
"""Where a server hangs."""


class ScriptedFailure(Exception):
    """A `Scripted` server failed as it was told."""


class History(Record[str]):
    """What happened to a `Scripted` server, over all its incarnations: `init 1`, `call ask 1`, `terminate 1 shutdown`.

    The number is that of the incarnation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.starts: int = 0
        """How often `init` was called."""
        self.released: asyncio.Event = asyncio.Event()

    async def until(self, line: str, *, timeout: float = 5.0) -> str:
        """Wait for this line, at most `timeout` seconds (default 5); then `AssertionError` shows what came."""
        return await self.until_found(lambda: line if line in self else None, timeout, repr(line))


@dataclass(frozen=True, slots=True)
class _Leave:
    """Its message to itself: the time of `exit_after` is over."""


class Scripted(GenServer[int]):
    """Does what its script says, the same in each incarnation, and writes down what happens to it.

        flaky = Scripted(fail_starts=2)
        async with Supervisor([Scripted(exit_after=1, exit_reason=ValueError("ink")), child(flaky, id="flaky")]):
            await flaky.history.until("ready 3")

    fail_starts: how many of its first starts fail, with `ScriptedFailure`. ignore: whether it chooses not to start.
    hang_in: where it waits for ever: in `init`, in each handler, or in `terminate`; a cancellation ends that, unless
    swallow_cancel is set: then only `release()` does. exit_after: seconds after which it ends by itself with
    exit_reason. traps_exit: default True. history: what happened; give several the same one for their order.

    Its state is the number of the incarnation. Every callback is a coroutine. Raises `InvalidOption`.
    """

    fail_starts: int = field(default=0, kw_only=True)
    ignore: bool = field(default=False, kw_only=True)
    hang_in: Place | None = field(default=None, kw_only=True)
    swallow_cancel: bool = field(default=False, kw_only=True)
    exit_after: float | None = field(default=None, kw_only=True)
    exit_reason: ExitReason = field(default=normal, kw_only=True)
    traps_exit: bool = field(default=True, kw_only=True)
    history: History = field(default_factory=History, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.fail_starts, bool) or not isinstance(self.fail_starts, int) or self.fail_starts < 0:
            raise InvalidOption("fail_starts", self.fail_starts, "a number of starts >= 0")
        if self.hang_in not in (None, *get_args(Place)):
            raise InvalidOption("hang_in", self.hang_in, "None, 'init', 'handler' or 'terminate'")
        if self.exit_after is not None:
            checked_seconds(self.exit_after, "exit_after")
        checked(self.exit_reason, "exit_reason")

    def release(self) -> None:
        """Let go on what hangs, in all incarnations, those that were declared dead included."""
        self.history.released.set()

    @call(timeout=None)
    async def ask(self, state: int) -> int:
        """The number of its incarnation."""
        self.history.add(f"call ask {state}")
        await self._maybe_hang("handler", state)
        return state

    @cast
    async def end(self, state: int, reason: ExitReason) -> None:
        """End now, with this reason."""
        self.history.add(f"cast end {state}")
        await self._maybe_hang("handler", state)
        raise Stop(reason)

    async def init(self) -> int:
        """Start, as the script says."""
        self.history.starts += 1
        number = self.history.starts
        self.history.add(f"init {number}")
        trap_exit(self.traps_exit)
        if self.ignore:
            raise Ignore
        if number <= self.fail_starts:
            raise ScriptedFailure(f"start {number} of {self.fail_starts} that fail")
        await self._maybe_hang("init", number)
        if self.exit_after is not None:
            send_after(self.exit_after, current(), _Leave())
        self.history.add(f"ready {number}")
        return number

    async def handle_info(self, state: int, message: object) -> None:
        """Write it down."""
        if isinstance(message, _Leave):
            raise Stop(self.exit_reason)
        self.history.add(f"info {state} {message!r}")
        await self._maybe_hang("handler", state)

    async def terminate(self, state: int, reason: ExitReason) -> None:
        """Write it down."""
        self.history.add(f"terminate {state} {reason!r}")
        await self._maybe_hang("terminate", state)

    async def _maybe_hang(self, place: Place, number: int) -> None:
        while self.hang_in == place and not self.history.released.is_set():
            try:
                await self.history.released.wait()
            except asyncio.CancelledError:
                self.history.add(f"cancelled {number}")
                if not self.swallow_cancel:
                    raise
