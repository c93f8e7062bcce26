"""A recorded tree as an Axon tree: its workers, its supervisors, and the recorder of what happens to them."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import axon
from axon import GenServer, Ignore, InvalidOption, Process, Stop, Supervisor, call, cast, handler
from axon.supervisor import ChildSpec, Shutdown, child
from axon.telemetry import ProcessExited, ProcessIgnored, ProcessStarted, ProcessStartFailed, attach
from canon import Event
from reasons import Atom, Crash, parse, show

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """One process of the tree; `handle` is its address."""

    path: str
    incarnation: int
    process: Process
    handle: GenServer[Any]


class Recorder:
    """What happens in one tree, as the recordings write it.

    Telemetry tells the path only; which incarnation it was, is known from those that entered `init`.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.attempts: Counter[str] = Counter()
        self.known: dict[Process, Known] = {}
        self.latest: dict[str, Known] = {}
        self._last_attempt: dict[str, Known] = {}
        self.answers: deque[str] = deque()
        """OTP's answers to requests to start a child, in the order of these: Axon's do not tell an ignored start."""
        self._ignored: set[Process] = set()
        self._up: dict[str, list[Known]] = {}

    def listen(self) -> Callable[[], None]:
        """Record from now on, until what is returned is called."""
        ends = [
            attach(self._started, ProcessStarted),
            attach(self._not_started, ProcessStartFailed, ProcessIgnored),
            attach(self._exited, ProcessExited),
        ]
        return lambda: [end() for end in ends].clear()

    def enter(self, handle: GenServer[Any]) -> int:
        """A process entered its `init`; returns which attempt at its path this is."""
        process = axon.current()
        path = _in_tree(process.path)
        self.attempts[path] += 1
        entry = Known(path, self.attempts[path], process, handle)
        self.known[process] = self._last_attempt[path] = entry
        return entry.incarnation

    def exit_received(self, sender: Process | None, reason: axon.ExitReason) -> None:
        me = self.known[axon.current()]
        origin = "outside" if sender is None else self.known[sender].path
        self._add("exit_received", me, reason=show(reason), **{"from": origin})

    def start_answered(self, id: str) -> None:
        """The running supervisor is about to answer the request to start its child `id`."""
        entry = self._last_attempt[f"{self.known[axon.current()].path}/{id}"]
        self.answers.append("{ok,undefined}" if entry.process in self._ignored else "{ok,pid}")

    def alive(self) -> list[Known]:
        return [entry for entry in self.known.values() if entry.process.reason is None]

    def _add(self, kind: str, entry: Known, **fields: Any) -> None:
        self.events.append({"event": kind, "path": entry.path, "incarnation": entry.incarnation, **fields})

    def _started(self, event: ProcessStarted) -> None:
        path = _in_tree(event.path)
        entry = self.latest[path] = self._last_attempt[path]
        self._up.setdefault(path, []).append(entry)
        self._add("started", entry)

    def _not_started(self, event: ProcessStartFailed | ProcessIgnored) -> None:
        entry = self._last_attempt[_in_tree(event.path)]
        if isinstance(event, ProcessIgnored):
            self._ignored.add(entry.process)
            self._add("ignored", entry)
        else:
            self._add("start_failed", entry, reason=show(event.reason))

    def _exited(self, event: ProcessExited) -> None:
        here = self._up.get(_in_tree(event.path), [])
        # A killed supervisor's children may still end when the new ones are up: the one that has just ended is meant.
        entry = next((known for known in here if known.process.reason is not None), None)
        if entry is None:
            return  # the driver's own exit, and processes of other trees
        here.remove(entry)
        if isinstance(entry.handle, Supervisor):
            self._add("supervisor_exit", entry, reason=show(event.reason))
        else:
            called = show(event.terminate_reason) if event.terminated else None
            fields = {"reason": show(event.reason), "terminate_called": event.terminated, "terminate_reason": called}
            self._add("terminated", entry, **fields)


def _in_tree(path: str) -> str:
    """The path below the driver, which is the parent of the root."""
    return path.partition("/")[2]


# -- workers

Verb = Literal["get", "add", "crash", "stop", "raise", "link", "unlink"]


@dataclass(frozen=True)
class Do:
    """What a step has a worker do: `reason` for those that end it, `peer` for those that concern another worker."""

    verb: Verb
    reason: axon.ExitReason = axon.normal
    peer: Worker | Tree | None = None


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
    def asked(self, state: Worked, do: Do) -> Any:
        return self.act(state, do)

    @call(timeout=None)
    async def asked_to_call(self, state: Worked, peer: Worker | Tree, do: Do) -> Any:
        return await peer.asked(do)

    @cast
    def told(self, state: Worked, do: Do) -> None:
        self.act(state, do)

    def handle_info(self, state: Worked, message: object) -> Awaitable[None] | None:
        return self.informed(state, message)

    def informed(self, state: Worked, message: object) -> None:
        match message:
            case axon.Exit(sender, reason):
                self.recorder.exit_received(sender, reason)
            case Do():
                self.act(state, message)
            case _:
                raise AssertionError(f"nobody sent this: {message!r}")

    def act(self, state: Worked, do: Do) -> Any:
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
                _exit(do.reason)
            case "link" | "unlink":
                assert do.peer is not None
                (axon.link if do.verb == "link" else axon.unlink)(do.peer)
                return "ok"
        return None

    def terminate(self, state: Worked, reason: axon.ExitReason) -> Awaitable[None] | None:
        return self.end()

    def end(self) -> Awaitable[None] | None:
        how = self.spec.get("terminate", "ok")
        if isinstance(how, dict) and "sleep_ms" in how:
            return asyncio.sleep(how["sleep_ms"] / 1000)
        _act_out(how, 0)
        return None


class AsyncWorker(Worker):
    """The same worker with `async` handlers, each of which lets others run before it does anything."""

    async def init(self) -> Worked:
        await asyncio.sleep(0)
        return self.begin()

    @call(timeout=None)
    async def asked(self, state: Worked, do: Do) -> Any:
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


def _exit(reason: axon.ExitReason) -> None:
    """Leave a callback as Erlang's `exit(R)` does."""
    raise reason if isinstance(reason, BaseException) else Stop(reason)


def _act_out(what: Any, nth: int) -> None:
    """What `init` does at the nth attempt, and `terminate` always (INIT and TERMINATE of SCENARIO.md)."""
    reason = parse(what.get("reason", "init_failed")) if isinstance(what, dict) else axon.normal
    match what:
        case "ok":
            return
        case "ignore":
            raise Ignore
        case {"fail": text}:
            raise Stop(parse(text))
        case {"crash": text}:
            raise Crash(parse(text))
        case {"exit": text}:
            _exit(parse(text))
        case {"fail_first_n": n} if nth <= n:
            raise Stop(reason)
        case {"fail_after_n_starts": n} if nth > n:
            raise Stop(reason)
        case {"fail_on": attempts} if nth in attempts:
            raise Stop(reason)
        case {"crash_on": attempts} if nth in attempts:
            raise Crash(reason)
        case {"ignore_on": attempts} if nth in attempts:
            raise Ignore
        case {"fail_first_n": _} | {"fail_after_n_starts": _} | {"fail_on": _} | {"crash_on": _} | {"ignore_on": _}:
            return
        case _:
            raise ValueError(f"no such behaviour: {what!r}")


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
        self.recorder.start_answered(spec.id)
        return handle

    @call(timeout=None, raises=(axon.AxonError,))
    async def restart_child(self, state: Any, id: str) -> None:
        await handler(Supervisor.restart_child)(self, state, id)
        self.recorder.start_answered(id)

    @call(timeout=None)
    def asked(self, state: Any, do: Do) -> Any:
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
