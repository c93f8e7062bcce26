"""The steps of a scenario, taken by the process that is the parent of the tree's root."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextvars import Context
from typing import Any

from adapter import UNKNOWN, AsyncWorker, Builder, Do, Tree, Verb, Worker
from canon import Event, canonical, canonical_value, is_list
from reasons import parse, refusal, show
from recorder import Known, Recorder

import axon
from axon.server import ServerProcess

Step = Mapping[str, Any]

POLL = 0.001
"""Seconds between two looks at the tree. On virtual time such a sleep ends when nobody can run."""
PATIENCE = 60.0
"""Seconds after which a tree that does not come to rest is an error."""

_REFUSED: dict[type[axon.ChildError], str] = {
    axon.ChildNotFound: "not_found",
    axon.ChildRunning: "running",
    axon.ChildRestarting: "restarting",
    axon.ChildAlreadyPresent: "already_present",
    axon.ChildAlreadyStarted: "already_started",
}

_EXITS: dict[str, tuple[Verb, str]] = {"stop": ("stop", "cast"), "raise": ("raise", "cast"), "reply": ("stop", "call")}
"""What a worker is to do, and how it is told, by the scenario's word for it."""


class Id(str):
    """The id of a child, as one object that is no other's."""

    __slots__ = ()


class Driver:
    """Runs one scenario; `trace` is what happened, in canonical order unless `raw`."""

    def __init__(self, scenario: Step, *, async_handlers: bool, raw: bool) -> None:
        self.scenario = scenario
        self.raw = raw
        self.recorder = Recorder()
        self.builder = Builder(self.recorder, AsyncWorker if async_handlers else Worker)
        self.trace: list[Event] = []

    async def run(self) -> None:
        """The whole scenario; to be spawned as a process of its own."""
        axon.process.trap_exit(True)
        end_recording = self.recorder.listen()
        await self._close({}, 0, await self._start())
        for a, b in self.scenario.get("links", ()):
            await self._take({"op": "link", "a": a, "b": b})
        await self._quiet()
        for number, step in enumerate(self.steps(), 1):
            await self._close(step, number, await self._take(step))
        alive = sorted([known.path, known.incarnation] for known in self.recorder.alive())
        self.trace.append({"event": "final", "alive": alive})
        end_recording()
        for known in self.recorder.alive():
            axon.exit(known.process, axon.kill)
        await self._quiet()

    def steps(self) -> Iterable[Step]:
        """The steps; each is asked for when all is quiet after the one before it."""
        steps: Sequence[Step] = self.scenario.get("steps", ())
        return steps

    async def _close(self, step: Step, number: int, value: Any) -> None:
        await self._quiet()
        if is_list(value):  # `held`: some answers came only when the supervisor went on
            value = [await part if isinstance(part, asyncio.Task) else part for part in value]
        observed, self.recorder.events = self.recorder.events, []
        self.trace += observed if self.raw else canonical(self.scenario, step, observed)
        self.trace.append({"event": "result", "step": number, "value": value if self.raw else canonical_value(value)})

    async def _quiet(self) -> None:
        """Wait until every process waits for a message, so that time stands still between steps but for `wait`."""
        await self._until(lambda: not any(_is_busy(known) for known in self.recorder.alive()))

    async def _until(self, holds: Callable[[], bool]) -> None:
        for _ in range(round(PATIENCE / POLL)):
            await asyncio.sleep(POLL)
            if holds():
                return
        raise TimeoutError("the tree does not come to rest")

    # -- steps

    async def _start(self) -> str:
        try:
            await axon.start_link(self.builder.tree(self.scenario["tree"]), name="root")
        except axon.StartFailed as failure:
            return f"{{error,{show(failure.reason)}}}"
        return "{ok,pid}"

    async def _take(self, step: Step) -> Any:
        match step["op"]:
            case "wait":
                await asyncio.sleep(step["ms"] / 1000)
                return "ok"
            case "parent_exit":
                return self._signal("root", parse(step["reason"]), axon.exit)
            case "kill":
                return self._signal(step["target"], axon.kill, _from_outside)
            case "exit_signal":
                return self._signal(step["target"], parse(step["reason"]), _from_outside)
            case "stop":
                return await self._stop(step.get("target", "root"), parse(step.get("reason", "normal")))
            case "call":
                return await self._tell(step["target"], Do("get"), "call")
            case "cast":
                return await self._tell(step["target"], Do("add"), "cast")
            case "crash":
                return await self._tell(step["target"], Do("crash", parse(step["reason"])), step.get("via", "cast"))
            case "exit":
                verb, via = _EXITS[step.get("how", "stop")]
                return await self._tell(step["target"], Do(verb, parse(step["reason"])), via)
            case "link" | "unlink" as verb:
                return await self._tie(verb, step["a"], step["b"])
            case "call_via":
                return await self._call_via(step["from"], step["to"], step.get("do", "get"))
            case "held":
                return await self._held(step["sup"], step["ops"])
            case _:
                known = self._alive(step["sup"])
                return "noproc" if known is None else await self._ask_supervisor(known, step)

    def _alive(self, path: str) -> Known | None:
        known = self.recorder.latest.get(path)
        return known if known is not None and known.process.reason is None else None

    def _signal(self, path: str, reason: axon.ExitReason, send: Callable[[axon.Process, axon.ExitReason], None]) -> str:
        known = self._alive(path)
        if known is None:
            return "noproc"
        send(known.process, reason)
        return "ok"

    async def _stop(self, path: str, reason: axon.ExitReason) -> Any:
        known = self._alive(path)
        if known is None:
            return "noproc"
        return await _or_exit(_stopped(known, reason))

    async def _tell(self, path: str, do: Do, via: str) -> Any:
        known = self._alive(path)
        if known is None:
            return "noproc"
        server = _server(known)
        if via == "call":
            return await _or_exit(server.asked(do))
        if via == "info":
            axon.send(server, do)
        else:
            server.told(do)
        return "ok"

    async def _tie(self, verb: Verb, a: str, b: str) -> Any:
        one, other = self._alive(a), self._alive(b)
        if one is None or other is None:
            return "noproc"
        return await _server(one).asked(Do(verb, peer=_server(other)))

    async def _call_via(self, a: str, b: str, what: Any) -> Any:
        caller, callee = self._alive(a), self.recorder.latest.get(b)
        if caller is None or callee is None:
            return "noproc"
        match what:
            case {"crash": reason}:
                do = Do("crash", parse(reason))
            case {"exit": reason}:
                do = Do("raise", parse(reason))
            case _:
                do = Do("get")
        server = _server(caller)
        if isinstance(server, Tree):
            return await _or_exit(server.asked(UNKNOWN))
        return await _or_exit(server.asked_to_call(_server(callee), do))

    async def _ask_supervisor(self, known: Known, step: Step) -> Any:
        tree = _server(known)
        if isinstance(tree, Worker):  # started under an id that was a supervisor's
            return await _or_exit(tree.asked(UNKNOWN))
        try:
            return await _or_exit(self._ask(tree, step))
        except axon.ChildError as error:
            return f"{{error,{_REFUSED[type(error)]}}}"
        except axon.StartFailed as failure:
            return f"{{error,{show(failure.reason)}}}"
        except axon.InvalidOption as error:
            return f"{{error,{refusal(error)}}}"

    async def _ask(self, tree: Tree, step: Step) -> Any:
        match step["op"]:
            case "terminate_child":
                await tree.terminate_child(step["id"])
                return "ok"
            case "delete_child":
                await tree.delete_child(step["id"])
                return "ok"
            case "restart_child":
                child = Id(step["id"])
                await tree.restart_child(child)
                return self.recorder.answers.pop(id(child))
            case "start_child":
                spec = self.builder.child(step["spec"])
                await tree.start_child(spec)
                return self.recorder.answers.pop(id(spec))
            case "which_children":
                shown = {"running": "pid", "stopped": "undefined", "restarting": "restarting"}
                return [
                    {"id": info.id, "child": shown[info.status], "type": info.type}
                    for info in await tree.which_children()
                ]
            case "count_children":
                counts = await tree.count_children()
                return {field: getattr(counts, field) for field in ("specs", "active", "supervisors", "workers")}
            case op:
                raise ValueError(f"no such step: {op}")

    async def _held(self, path: str, ops: Sequence[Step]) -> Any:
        """All ops while the supervisor takes no message; then it goes on with what they left in its mailbox."""
        known = self._alive(path)
        if known is None:
            return "noproc"
        await axon.suspend(known.handle)
        values = [await self._held_op(op) for op in ops]
        await axon.resume(known.handle)
        return values

    async def _held_op(self, op: Step) -> Any:
        if "target" not in op:
            answer = asyncio.create_task(self._take(op), context=Context())
            await asyncio.sleep(POLL)  # the question is in the mailbox then
            return answer
        known = self._alive(op["target"])
        if known is None:
            return "noproc"
        value = await self._take(op)
        await self._until(lambda: known.process.reason is not None)
        return value


def _is_busy(known: Known) -> bool:
    assert isinstance(known.process, ServerProcess)
    return known.process.busy


def _server(known: Known) -> Worker | Tree:
    assert isinstance(known.handle, Worker | Tree)
    return known.handle


def _from_outside(target: axon.Process, reason: axon.ExitReason) -> None:
    """An exit signal from nobody, where one from the driver would be the root's parent speaking."""
    Context().run(axon.exit, target, reason)


async def _stopped(known: Known, reason: axon.ExitReason) -> str:
    await axon.stop(known.handle, reason)
    return "ok"


async def _or_exit(answer: Coroutine[Any, Any, Any]) -> Any:
    """The answer, or `{exit,R}` if it did not come: R is what the callee died of."""
    try:
        return await answer
    except axon.ServerDied as error:
        return f"{{exit,{show(error.reason)}}}"
