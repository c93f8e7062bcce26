"""The processes of a recorded scenario on Axon: servers, with plain or `async` handlers, and inbox loops."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Awaitable, Callable, Sequence
from inspect import iscoroutine
from typing import Any

from actions import Do, Number, act, act_now
from groups import changed
from reasons import parse, show
from world import Actions, Spec, Start, World

import axon
from axon import GenServer, Ignore, Reply, Stop, call, cast, handler
from axon.process import receive, spawn, spawn_link, spawn_monitor, trap_exit
from axon.registry import Joined, Left


def received(world: World, message: object) -> None:
    """Report what came that was no order."""
    me = axon.current()
    match message:
        case axon.Exit(sender, reason):
            world.note(me, "exit", world.id(sender), show(reason))
        case axon.Down(monitor, _, reason):
            target = monitor.target
            about = f"@{target}" if isinstance(target, str) else world.id(target.__axon_process__())
            world.note(me, "down", world.named[monitor], about, show(reason))
        case axon.IdleTimeout():
            world.note(me, "idle")
        case axon.Timeout(timer, text):
            world.note(me, "timer", world.named[timer], text)
        case Joined() | Left():
            changed(world, message)
        case str():
            world.note(me, "got", message)
        case _:
            raise AssertionError(f"nobody sent this: {message!r}")


# -- servers


class Turn:
    """One callback: it does its actions, which leave here what it shall return."""

    def __init__(self, world: World, state: Number, answer: object = "ok") -> None:
        self._world = world
        self._state = state
        self._value = state.value
        self._answer = answer
        self._answers = False
        self._stop: axon.ExitReason | None = None
        self._ignore = False

    def take(self, actions: Actions) -> Any:
        """Do all of them, and return what the callback shall; from the first that has to be awaited on, a coroutine."""
        for done, action in enumerate(actions):
            if not self._act_now(action):
                return self._take_rest(actions[done:])
        return self._outcome()

    async def _take_rest(self, actions: Actions) -> Any:
        for action in actions:
            if not self._act_now(action):
                await act(self._world, action)
        return self._outcome()

    def _act_now(self, action: Sequence[Any]) -> bool:
        match action:
            case ["add", number]:
                self._value += number
            case ["state"]:
                self._world.note(axon.current(), "state", self._value)
            case ["reply", value]:
                self._answer, self._answers = value, True
            case ["later", name]:
                self._world.replies[name] = reply = Reply[object]()
                self._answer, self._answers = reply, True
            case ["stop", reason]:
                self._stop = parse(reason)
            case ["ignore"]:
                self._ignore = True
            case ["continue", actions]:
                axon.continue_with(actions)
            case ["idle", ms]:
                axon.idle_after(ms / 1000)
            case _:
                return act_now(self._world, action)
        return True

    def _outcome(self) -> object:
        self._state.value = self._value  # only now: in OTP a callback that crashes leaves the state as it was
        if self._ignore:
            raise Ignore
        if self._stop is not None and not self._answers:
            raise Stop(self._stop)
        if self._stop is not None:
            axon.stop_self(self._stop)
        return self._answer


class Scripted(GenServer[Number]):
    """A server that does what it is told, with plain handlers where nothing has to be awaited."""

    world: World
    spec: Spec

    def init(self) -> Any:
        self.world.enter(self.spec["id"], axon.current())
        self.world.handles[self.spec["id"]] = self
        trap_exit(self.spec.get("trap_exit", False))
        state = Number()
        return Turn(self.world, state, state).take(self.spec.get("init", ()))

    @call(timeout=None)
    def asked(self, state: Number, actions: Actions) -> Any:
        return Turn(self.world, state).take(actions)

    def ask(self, actions: Actions, seconds: float | None) -> Awaitable[object]:
        return call(timeout=seconds)(handler(type(self).asked))(self, actions)

    @cast
    def told(self, state: Number, actions: Actions) -> None:
        # A handler may return a coroutine, but for a cast the house's hints do not say so.
        return typing.cast("None", Turn(self.world, state).take(actions))

    def handle_info(self, state: Number, message: object) -> Any:
        if isinstance(message, Do):
            return Turn(self.world, state).take(message.actions)
        received(self.world, message)
        return Turn(self.world, state).take(self.spec.get("info", ()))

    def handle_continue(self, state: Number, continuation: Any) -> Any:
        return Turn(self.world, state).take(continuation)

    def terminate(self, state: Number, reason: axon.ExitReason) -> Any:
        self.world.note(axon.current(), "terminate", show(reason))
        return Turn(self.world, state).take(self.spec.get("terminate", ()))


class AsyncScripted(Scripted):
    """The same with `async` handlers, each of which lets others run before it does anything."""

    async def init(self) -> Any:
        return await _soon(super().init)

    @call(timeout=None)
    async def asked(self, state: Number, actions: Actions) -> Any:
        return await _soon(handler(Scripted.asked), self, state, actions)

    @cast
    async def told(self, state: Number, actions: Actions) -> None:
        await _soon(handler(Scripted.told), self, state, actions)

    async def handle_info(self, state: Number, message: object) -> Any:
        await _soon(super().handle_info, state, message)

    async def handle_continue(self, state: Number, continuation: Any) -> Any:
        await _soon(super().handle_continue, state, continuation)

    async def terminate(self, state: Number, reason: axon.ExitReason) -> Any:
        await _soon(super().terminate, state, reason)


async def _soon(function: Callable[..., Any], *args: Any) -> Any:
    await asyncio.sleep(0)
    value = function(*args)
    return await value if iscoroutine(value) else value


# -- plain processes


async def inbox(world: World, spec: Spec) -> None:
    """A process that takes its messages itself."""
    trap_exit(spec.get("trap_exit", False))
    while True:
        message = await receive()
        if not isinstance(message, Do):
            received(world, message)
            continue
        for action in message.actions:
            if action == ["return"]:
                return
            await act(world, action)


# -- starting


def starting(server: type[Scripted]) -> Start:
    """What starts processes, servers of this class among them."""

    async def start(world: World, how: str, spec: Spec | str) -> str:
        spec = {"id": spec} if isinstance(spec, str) else spec
        if spec.get("kind") == "plain":
            _start_inbox(world, how, spec)
            return "ok"
        begin = axon.start_link if how == "start_link" else axon.start
        limit = None if "timeout" not in spec else spec["timeout"] / 1000
        try:
            with world.waiting(limit):
                await begin(server(world, spec), name=spec.get("name"), timeout=limit)
        except axon.Ignored:
            return "ignore"
        except axon.NameTaken:
            return "{error,already_started}"
        except axon.StartFailed as failure:
            return f"{{error,{show(failure.reason)}}}"
        return "ok"

    return start


def _start_inbox(world: World, how: str, spec: Spec) -> None:
    match how:
        case "start":
            process = spawn(inbox, world, spec)
        case "start_link":
            process = spawn_link(inbox, world, spec)
        case name:
            process, world.monitors[name] = spawn_monitor(inbox, world, spec)
            world.named[world.monitors[name]] = name
    world.enter(spec["id"], process)
