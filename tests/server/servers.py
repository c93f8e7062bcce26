"""What the tests of servers share: one server in three kinds, whose callbacks do what they are told.

In `Plain` every callback is a plain function, in `Async` a coroutine function that suspends, in `Ready` one that need
not. The rules are the same.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar, NoReturn, Protocol, TypeAlias, TypeVar

import pytest

import axon
from axon import ExitReason, GenServer, call, cast

G = TypeVar("G", bound=GenServer[Any])

State: TypeAlias = list[object]
Action: TypeAlias = Callable[[State], object]
"""What a callback is told to do. If it returns a coroutine, the callback awaits that (but for a plain cast)."""


class Boom(Exception):
    """The failure of these tests."""


class Start(Protocol):
    """`axon.start`, of a server that is killed when the test is over."""

    async def __call__(
        self, spec: G, *, name: str | None = None, timeout: float | None = None, mailbox: int | None = None
    ) -> G: ...


def nothing(state: State) -> None:
    """The action that does nothing."""


def note(value: object) -> Action:
    """The action that adds `value` to the state."""
    return lambda state: state.append(value)


def raising(error: BaseException) -> Action:
    """The action that fails."""

    def fail(state: State) -> NoReturn:
        raise error

    return fail


def sleeping(seconds: float) -> Action:
    """The action that takes its time."""
    return lambda state: asyncio.sleep(seconds)


class Plain(GenServer[State]):
    """Its state is the list of what it was told to note and of the messages that were sent to it."""

    begin: Action = nothing
    finish: Action = nothing
    ends: list[ExitReason] = field(default_factory=list[ExitReason])

    def init(self) -> Any:
        state: State = []
        self.begin(state)
        return state

    @call(timeout=None)
    def do(self, state: State, action: Action = nothing) -> object:
        return action(state)

    @call
    def echo(self, state: State, value: object) -> object:
        return value

    @cast
    def tell(self, state: State, action: Action) -> None:
        action(state)

    def handle_info(self, state: State, message: object) -> Any:
        return message(state) if callable(message) else state.append(message)

    def handle_continue(self, state: State, continuation: object) -> Any:
        return continuation(state) if callable(continuation) else state.append(continuation)

    def terminate(self, state: State, reason: ExitReason) -> Any:
        self.ends.append(reason)
        return self.finish(state)


class Async(Plain):
    """The same, with callbacks that suspend."""

    suspends: ClassVar[bool] = True

    async def init(self) -> Any:
        state: State = []
        await self._run(self.begin, state)
        return state

    @call(timeout=None)
    async def do(self, state: State, action: Action = nothing) -> object:
        return await self._run(action, state)

    @call
    async def echo(self, state: State, value: object) -> object:
        await self._run(nothing, state)
        return value

    @cast
    async def tell(self, state: State, action: Action) -> None:
        await self._run(action, state)

    async def handle_info(self, state: State, message: object) -> Any:
        await self._run(message if callable(message) else note(message), state)

    async def handle_continue(self, state: State, continuation: object) -> Any:
        await self._run(continuation if callable(continuation) else note(continuation), state)

    async def terminate(self, state: State, reason: ExitReason) -> Any:
        self.ends.append(reason)
        await self._run(self.finish, state)

    async def _run(self, action: Callable[[State], object], state: State) -> object:
        if self.suspends:
            await asyncio.sleep(0)
        value = action(state)
        return await value if inspect.iscoroutine(value) else value


class Ready(Async):
    """The same, with coroutines that need not suspend, unless what they are told to do does."""

    suspends: ClassVar[bool] = False


class TrappingPlain(Plain):
    trap_exit = True


class TrappingAsync(Async):
    trap_exit = True


class TrappingReady(Ready):
    trap_exit = True


each_kind = pytest.mark.parametrize("kind", [Plain, Async, Ready])
each_trapping_kind = pytest.mark.parametrize("kind", [TrappingPlain, TrappingAsync, TrappingReady])


def now() -> float:
    """The time of the loop in seconds; on virtual time since the test began."""
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Let everybody do what can be done without time passing."""
    await asyncio.sleep(0.001)


async def seen(server: Plain) -> list[object]:
    """What is in the server's state, once it has come to look at its mailbox."""
    state = await axon.get_state(server)
    assert isinstance(state, list)
    return list[object](state)


async def start_child(parent: Plain, spec: G, *, name: str | None = None) -> G:
    """Have `parent` start a server that is linked to it."""
    started: list[G] = []

    async def begin(state: State) -> None:
        started.append(await axon.start_link(spec, name=name))

    await parent.do(begin)
    return started[0]


def frames_of(error: BaseException) -> list[str]:
    """The functions that the error came through, the outermost first."""
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


async def reason_of(target: axon.process.Target) -> ExitReason:
    """Why the target ends, once it has."""
    return (await axon.wait_down(target)).reason
