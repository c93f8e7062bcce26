"""Never run: what the type checkers must accept and know of groups, registries and topics."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar, assert_type

import axon
from axon import (
    GenServer,
    Group,
    GroupMonitor,
    Joined,
    Left,
    Process,
    PubSub,
    Registry,
    Supervisor,
    call,
    cast,
    child,
    group,
    lookup,
    monitor_scope,
    which_groups,
)
from axon.process import Address, Via
from axon.registry import Entry, Registered, Unregistered

T = TypeVar("T")
W = TypeVar("W", bound="Worker")


class Worker(GenServer[list[str]]):
    size: int = 1

    def init(self) -> list[str]:
        group(Worker, "pool").join(self)
        return []

    @call
    def work(self, state: list[str], word: str, *, times: int = 1) -> int:
        return len(word) * times

    @cast
    def tell(self, state: list[str], word: str, *, times: int = 1) -> None:
        state.extend([word] * times)

    @cast
    async def reset(self, state: list[str]) -> None: ...

    def handle_info(self, state: list[str], message: object) -> None:
        match message:
            case Joined(monitor, name, members) | Left(monitor, name, members):
                assert_type(monitor, GroupMonitor)
                assert_type(name, str)
                assert_type(members, tuple[Address, ...])
                for member in members:
                    if isinstance(member, Worker):
                        member.tell("welcome")
                    axon.send(member, "welcome")
            case Registered(key=key, process=process) | Unregistered(key=key, process=process):
                assert_type(key, object)
                assert_type(process, Process)
            case _:
                pass


class Fast(Worker):
    """A worker may be of a subclass."""


class Stack(GenServer[list[T]], Generic[T]):
    def init(self) -> list[T]:
        return []

    @cast
    def push(self, state: list[T], item: T) -> None: ...


# -- groups

POOL = group(Worker, "pool")  # a value: it may be made before there is a loop


async def groups(worker: Worker, fast: Fast, process: Process) -> None:
    assert_type(POOL, Group[Worker])
    assert_type(group(Worker, "pool", scope="other"), Group[Worker])
    POOL.join()
    POOL.join(worker, fast)
    assert_type(POOL.leave(worker, fast), bool)
    assert_type(POOL.members(), list[Worker])
    monitor, members = POOL.monitor()
    assert_type(monitor, GroupMonitor)
    assert_type(monitor.group, str | None)
    assert_type(members, list[Worker])
    assert_type(axon.demonitor(monitor), bool)
    assert_type(which_groups(scope="other"), list[str])
    everything, by_name = monitor_scope()
    assert_type(everything, GroupMonitor)
    assert_type(by_name, dict[str, list[Address]])

    processes = group(Process, "processes")
    processes.join(process, axon.current())
    assert_type(processes.members(), list[Process])


async def picks(key: Hashable, how: axon.registry.How) -> None:
    assert_type(POOL.pick(), Worker)
    assert_type(POOL.pick(how="least_mailbox"), Worker)
    assert_type(POOL.pick(how=how), Worker)
    assert_type(POOL.pick(key=key), Worker)
    assert_type(await POOL.pick(key=("room", 7)).work("a", times=2), int)
    assert_type(group(Process, "processes").pick(), Process)


async def broadcasts(stacks: Group[Stack[int]]) -> None:
    POOL.broadcast(Worker.tell, "word")
    POOL.broadcast(Worker.tell, word="word", times=2)
    POOL.broadcast(Worker.reset)
    POOL.broadcast(axon.send, "a message")
    group(Fast, "fast").broadcast(Worker.tell, "word")  # inherited
    group(Process, "processes").broadcast(axon.send, "a message")
    group(Process, "processes").broadcast(axon.exit, axon.shutdown)
    stacks.broadcast(Stack[int].push, 3)


async def generics(stack: Stack[int]) -> None:
    stacks = group(Stack[int], "stacks")
    assert_type(stacks, Group[Stack[int]])
    stacks.join(stack)
    stacks.pick().push(3)


def a_pool_of_any_workers(pool: Group[W], word: str) -> W:
    """Code that is generic over the class of the members."""
    pool.broadcast(Worker.tell, word)
    return pool.pick()


# -- registries


@dataclass
class Session:
    name: str


SESSIONS = Registry[str, Session]("sessions")
EVENTS = Registry[tuple[str, int], int]("events", keys="duplicate", listeners=["listener"])
MEMBERS = Registry[str, None]("members")


async def registries(worker: Worker, process: Process) -> None:
    SESSIONS.register("ann", Session("Ann"))
    MEMBERS.register("ann")
    MEMBERS.register("ann", None)
    SESSIONS.unregister("ann")
    assert_type(SESSIONS.lookup("ann"), list[Entry[Session]])
    for holder, session in SESSIONS.lookup("ann"):
        assert_type(holder, Process)
        assert_type(session, Session)
    for entry in EVENTS.lookup(("room", 7)):
        assert_type(entry.process, Process)
        assert_type(entry.value, int)
        assert_type(lookup(Worker, entry.process), Worker)
    assert_type(
        SESSIONS.update_value("ann", lambda session: Session(session.name.upper())), tuple[Session, Session] | None
    )
    assert_type(EVENTS.match(("room", 7), lambda value: value > 3), list[Entry[int]])
    assert_type(EVENTS.items(), list[tuple[tuple[str, int], Entry[int]]])
    assert_type(SESSIONS.keys(worker), list[str])
    assert_type(SESSIONS.keys("main"), list[str])
    assert_type(SESSIONS.values("ann", process), list[Session])
    assert_type(SESSIONS.count(), int)
    EVENTS.dispatch(("room", 7), lambda entries: print(sum(value for _, value in entries)))
    EVENTS.unregister_match(("room", 7), lambda value: value == 3)
    SESSIONS.meta["limit"] = 10


async def names() -> None:
    name = SESSIONS.via("ann")
    assert_type(name, Via)
    assert_type(SESSIONS.via("ann", Session("Ann")), Via)
    assert_type(await axon.start(Worker(), name=name), Worker)
    assert_type(lookup(Worker, name), Worker)
    assert_type(lookup(Worker, "main"), Worker)
    assert_type(axon.whereis(name), Process | None)
    async with Supervisor([child(Worker(), name=name), child(Worker(), id="x", name="x")]):
        axon.send(name, "a message")
        axon.send_after(1, name, "a message")
        assert_type(axon.monitor(name), axon.Monitor)
        axon.exit(name, axon.shutdown)
        await axon.stop(name)
    axon.register(name, axon.current())
    axon.unregister(name)


# -- topics


async def topics(news: PubSub, worker: Worker) -> None:
    news.subscribe("sports")
    news.broadcast("sports", ("goal", 1))
    news.broadcast_from(axon.current(), "sports", None)
    news.broadcast_from(worker, "sports", None)
    assert_type(news.subscribers("sports"), list[Process])
    news.unsubscribe("sports")
