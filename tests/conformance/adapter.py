"""A recorded tree as an Axon tree: its workers and its supervisors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reasons import Atom, Crash, leave, parse
from recorder import Recorder

import axon
from axon import GenServer, Ignore, InvalidOption, Stop, Supervisor, call, cast, handler
from axon.supervisor import ChildSpec, Shutdown, child

Spec = Mapping[str, Any]

# -- workers

Verb = Literal["get", "add", "crash", "stop", "raise", "link", "unlink"]


@dataclass(frozen=True)
class Do:
    """What a step has a worker do: `reason` for those that end it, `peer` for those that concern another worker."""

    verb: Verb
    reason: axon.ExitReason = axon.normal
    peer: GenServer[Any] | None = None


UNKNOWN = Do("crash", Atom("function_clause"))
"""What a request does that its server has no clause for; in Axon the types refuse it, so the servers here play it."""


@dataclass
class Worked:
    incarnation: int
    casts: int = 0


class Worker(GenServer[Worked]):
    """A recorded worker, with plain handlers where nothing has to be awaited."""

    recorder: Recorder
    spec: Spec

    def init(self) -> Worked | Awaitable[Worked]:
        return self.begin()

    def begin(self) -> Worked:
        nth = self.recorder.enter(self)
        axon.process.trap_exit(self.spec.get("trap_exit", False))
        _act_out(self.spec.get("init", "ok"), nth)
        return Worked(nth)

    @call(timeout=None)
    def asked(self, state: Worked, do: Do) -> object:
        return self.act(state, do)

    @call(timeout=None)
    async def asked_to_call(self, state: Worked, peer: GenServer[Any], do: Do) -> object:
        assert isinstance(peer, Worker | Tree)
        return await peer.asked(do)

    @cast
    def told(self, state: Worked, do: Do) -> None:
        self.act(state, do)

    def handle_info(self, state: Worked, message: object) -> Awaitable[None] | None:
        self.informed(state, message)
        return None

    def informed(self, state: Worked, message: object) -> None:
        match message:
            case axon.Exit(sender, reason):
                self.recorder.exit_received(sender, reason)
            case Do():
                self.act(state, message)
            case _:
                raise AssertionError(f"nobody sent this: {message!r}")

    def act(self, state: Worked, do: Do) -> object:
        match do.verb:
            case "get":
                return {"incarnation": state.incarnation, "casts": state.casts}
            case "add":
                state.casts += 1
            case "crash":
                raise Crash(do.reason)
            case "stop":
                axon.stop_self(do.reason)
                return "stopped"
            case "raise":
                leave(do.reason)
            case "link" | "unlink":
                assert do.peer is not None
                (axon.link if do.verb == "link" else axon.unlink)(do.peer)
                return "ok"
        return None

    def terminate(self, state: Worked, reason: axon.ExitReason) -> Awaitable[None] | None:
        return self.end()

    def end(self) -> Awaitable[None] | None:
        how = self.spec.get("terminate", "ok")
        if "sleep_ms" in how:
            return asyncio.sleep(how["sleep_ms"] / 1000)
        _act_out(how, 0)
        return None


class AsyncWorker(Worker):
    """The same worker with `async` handlers, each of which lets others run before it does anything."""

    async def init(self) -> Worked:
        await asyncio.sleep(0)
        return self.begin()

    @call(timeout=None)
    async def asked(self, state: Worked, do: Do) -> object:
        await asyncio.sleep(0)
        return self.act(state, do)

    @cast
    async def told(self, state: Worked, do: Do) -> None:
        await asyncio.sleep(0)
        self.act(state, do)

    async def handle_info(self, state: Worked, message: object) -> None:
        await asyncio.sleep(0)
        self.informed(state, message)

    async def terminate(self, state: Worked, reason: axon.ExitReason) -> None:
        await asyncio.sleep(0)
        await (self.end() or asyncio.sleep(0))


def _act_out(what: str | Mapping[str, Any], nth: int) -> None:
    """What `init` does at the nth attempt, and `terminate` always."""
    behaviour: Mapping[str, Any] = {what: None} if isinstance(what, str) else what
    reason = parse(behaviour.get("reason", "init_failed"))
    for name, given in behaviour.items():
        match name:
            case "ok" | "reason":
                pass
            case "ignore":
                raise Ignore
            case "fail":
                raise Stop(parse(given))
            case "crash":
                raise Crash(parse(given))
            case "exit":
                leave(parse(given))
            case "fail_first_n":
                _fail(nth <= given, Stop(reason))
            case "fail_after_n_starts":
                _fail(nth > given, Stop(reason))
            case "fail_on":
                _fail(nth in given, Stop(reason))
            case "crash_on":
                _fail(nth in given, Crash(reason))
            case "ignore_on":
                _fail(nth in given, Ignore())
            case _:
                raise ValueError(f"no such behaviour: {what!r}")


def _fail(fails: bool, error: Exception) -> None:
    if fails:
        raise error


# -- supervisors


class Tree(Supervisor):
    """A recorded supervisor.

    OTP checks the specifications of the children when the supervisor starts, Axon already when it is made. A tree
    with a bad one is made without its children here, and `refused` is raised at the time of its start.
    """

    recorder: Recorder = field(kw_only=True)
    refused: InvalidOption | None = field(kw_only=True, default=None)

    async def init(self) -> Any:
        self.recorder.enter(self)
        if self.refused is not None:
            raise Stop(self.refused)
        return await super().init()

    @call(timeout=None, raises=(axon.AxonError,))
    async def _start_child(self, state: Any, spec: ChildSpec[GenServer[Any]]) -> GenServer[Any]:
        handle: GenServer[Any] = await handler(Supervisor._start_child)(self, state, spec)
        self.recorder.start_answered(spec, spec.id)
        return handle

    @call(timeout=None, raises=(axon.AxonError,))
    async def restart_child(self, state: Any, id: str) -> None:
        await handler(Supervisor.restart_child)(self, state, id)
        self.recorder.start_answered(id, id)

    @call(timeout=None)
    def asked(self, state: Any, do: Do) -> object:
        raise Crash(UNKNOWN.reason)

    @cast
    def told(self, state: Any, do: Do) -> None:
        raise Crash(UNKNOWN.reason)


@dataclass(frozen=True)
class Builder:
    """Makes trees whose workers are of one class."""

    recorder: Recorder
    worker: type[Worker]

    def tree(self, spec: Spec) -> Tree:
        options: dict[str, Any] = {
            "strategy": spec.get("strategy", "one_for_one"),
            "max_restarts": spec.get("intensity", 1),
            "max_seconds": spec.get("period", 5),
            "auto_shutdown": spec.get("auto_shutdown", "never"),
            "recorder": self.recorder,
        }
        children: list[ChildSpec[GenServer[Any]]] = []
        made = Tree(children, **options)
        for given in spec.get("children", ()):  # one at a time: the first bad one is the one OTP names
            try:
                children.append(self.child(given))
                made = Tree(children, **options)
            except InvalidOption as error:
                return Tree([], refused=error, **options)
        return made

    def child(self, spec: Spec) -> ChildSpec[GenServer[Any]]:
        """Raises `InvalidOption` where OTP answers with an error."""
        is_tree = spec.get("type", "supervisor" if "children" in spec else "worker") == "supervisor"
        return child(
            self.tree(spec) if is_tree else self.worker(self.recorder, spec),
            id=spec["id"],
            restart=spec.get("restart", "permanent"),
            shutdown=_shutdown(spec.get("shutdown")),
            significant=spec.get("significant", False),
        )


def _shutdown(given: int | Literal["brutal_kill", "infinity"] | None) -> Shutdown | None:
    return given / 1000 if isinstance(given, int) else given
