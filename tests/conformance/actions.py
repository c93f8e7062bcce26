"""What a scripted process can be told to do, in Axon's words (oracle/SCENARIOS.md lists the actions)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from groups import act_on_group
from reasons import Crash, leave, parse, show
from world import Actions, World

import axon
from axon import process as axon_process

PATIENCE = 20_000
"""Milliseconds a caller waits, unless the scenario says otherwise."""
SILENT = object()
"""The answer of an action that its process sees nothing of."""


@dataclass(frozen=True)
class Do:
    """A message: what its receiver is to do."""

    actions: Actions


@dataclass
class Number:
    """The state of a server."""

    value: int = 0


def act_now(world: World, action: Sequence[Any]) -> bool:
    """Have the running process do it without waiting; False if it is an action that has to be awaited."""
    done = _now(world, action)
    if done is NotImplemented:
        return False
    _report(world, action, done)
    return True


async def act(world: World, action: Sequence[Any]) -> None:
    """Have the running process do it."""
    if not act_now(world, action):
        _report(world, action, await _in_time(world, action))


def _report(world: World, action: Sequence[Any], value: object) -> None:
    """An event says what the process saw of its action, and what the action is about: whom it asked, which name."""
    if value is not SILENT:
        verb, *arguments = action
        world.note(axon.current(), verb, *_about(verb, arguments), *([] if verb == "note" else [value]))


def _about(verb: str, arguments: Sequence[Any]) -> list[str]:
    match verb, arguments:
        case "start_monitor", [_, spec]:
            return _about("start", [spec])
        case _, [{"id": str(id)}, *_]:
            return [id]
        case _, [str(first), *_]:
            return [first]
        case _:
            return []


def _now(world: World, action: Sequence[Any]) -> object:
    match action:
        case ["note", _]:
            return None
        case ["crash", reason]:
            raise Crash(parse(reason))
        case ["exit", reason]:
            leave(parse(reason))
        case ["answer", name, value]:
            world.replies[name].set_result(value)
        case ["cast", to, actions]:
            world.handle(to).told(actions)
        case ["info", to, actions]:
            axon.send(world.target(to), Do(actions))
        case ["tell", to, text]:
            return _plainly(lambda: axon.send(world.target(to), text), ok=SILENT)
        case ["exit_to", to, reason]:
            axon.exit(world.target(to), parse(reason))
        case ["trap_exit", flag]:
            return axon_process.trap_exit(flag)
        case ["link", to]:
            return _plainly(lambda: axon.link(world.target(to)), "noproc")
        case ["unlink", to]:
            axon.unlink(world.target(to))
        case ["monitor", name, to]:
            world.monitors[name] = made = axon.monitor(world.target(to))
            world.named[made] = name
        case ["demonitor", name, *flush]:
            return axon.demonitor(world.monitors[name], flush=bool(flush))
        case ["alive", id]:
            return world.processes[id].reason is None
        case ["register", name, id]:
            return _plainly(lambda: axon.register(name, world.processes[id]), ok=True)
        case ["unregister", name]:
            return _plainly(lambda: axon.unregister(name), ok=True)
        case ["whereis", name]:
            found = axon.whereis(name)
            return None if found is None else world.id(found)
        case ["send_after" | "start_timer" as verb, name, ms, to, text]:
            arm = axon.send_after if verb == "send_after" else axon.start_timer
            world.timers[name] = timer = arm(ms / 1000, world.target(to), text)
            world.named[timer] = name
        case ["cancel_timer", name]:
            return axon.cancel_timer(world.timers[name]) is not None
        case ["read_timer", name]:
            return axon.read_timer(world.timers[name]) is not None
        case _:
            return act_on_group(world, action)
    return SILENT


async def _in_time(world: World, action: Sequence[Any]) -> object:
    match action:
        case ["wait", gate]:
            await world.wait_at(gate)
        case ["call", to, actions, *patience]:
            return await _tried(_ask(world, to, actions, *patience))
        case ["must_call", to, actions, *patience]:
            return await _ask(world, to, actions, *patience)
        case ["start" | "start_link" as verb, spec]:
            return await world.start(world, verb, spec)
        case ["start_monitor", name, spec]:
            return await world.start(world, name, spec)
        case ["stop_server", to, reason, *patience]:
            limit = patience[0] / 1000 if patience else None
            with world.waiting(limit):
                return await _tried(axon.stop(world.target(to), parse(reason), timeout=limit)) or "ok"
        case ["suspend" | "resume" as verb, to]:
            return await _tried((axon.suspend if verb == "suspend" else axon.resume)(world.target(to))) or "ok"
        case ["get_state", to]:
            return await _tried(_state(axon.get_state(world.target(to))))
        case ["replace_state", to, new]:
            return await _tried(_state(axon.replace_state(world.target(to), lambda _: _made(new))))
        case _:
            raise ValueError(f"no such action: {action}")
    return SILENT


async def _ask(world: World, to: str, actions: Actions, ms: int | Literal["infinity"] = PATIENCE) -> object:
    patience = None if ms == "infinity" else ms / 1000
    with world.waiting(patience):
        return await world.handle(to).ask(actions, patience)


def _made(state: Any) -> Number:
    match state:
        case {"crash": str(reason)}:
            raise Crash(parse(reason))
        case number:
            return Number(number)


async def _state(answer: Awaitable[object]) -> int:
    state = await answer
    assert isinstance(state, Number)
    return state.value


def _plainly(act: Callable[[], None], refused: str = "badarg", ok: object = "ok") -> object:
    try:
        act()
    except (axon.NoProcess, axon.NameTaken, axon.InvalidOption):
        return refused
    return ok


async def _tried(answer: Awaitable[Any]) -> Any:
    """The answer, or `{exit,R}` as OTP says it."""
    try:
        return await answer
    except axon.ServerDied as error:
        return f"{{exit,{show(error.reason)}}}"
    except axon.NoProcess:
        return "{exit,noproc}"
    except axon.CallTimeout:
        return "{exit,timeout}"
    except axon.CallCycle:
        return "{exit,calling_self}"
    except Crash as error:
        return f"{{exit,{show(error.reason)}}}"
