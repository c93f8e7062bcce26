"""Never run: mistakes with groups, registries and topics that the type checkers must refuse; see `refused.py`."""

from __future__ import annotations

import axon
from axon import GenServer, Process, PubSub, Registry, call, cast, child, group, lookup


class Worker(GenServer[None]):
    def init(self) -> None: ...

    @call
    def work(self, state: None, word: str) -> int:
        return len(word)

    @cast
    def tell(self, state: None, word: str) -> None: ...


class Other(GenServer[None]):
    def init(self) -> None: ...

    @cast
    def tell(self, state: None, word: str) -> None: ...


async def wrong_members(worker: Worker, other: Other, process: Process) -> None:
    pool = group(Worker, "pool")
    pool.join(other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool.join(process)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool.join([worker])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool.leave("worker")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    group(Process, "processes").join(worker)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    group(Worker(), "pool")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    group(int, "pool")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    group(Worker, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _others: list[Other] = pool.members()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


async def wrong_broadcasts() -> None:
    pool = group(Worker, "pool")
    pool.broadcast(Worker.tell)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    pool.broadcast(Worker.tell, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool.broadcast(Worker.tell, "a", "b")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    pool.broadcast(Worker.work, "a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool.broadcast(Other.tell, "a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    group(Process, "processes").broadcast(Worker.tell, "a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_picks() -> None:
    pool = group(Worker, "pool")
    pool.pick(how="random")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    pool.pick("ann")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    pool.pick(key=["ann"])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    pool.pick(how="least_mailbox", key="ann")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    _other: Other = pool.pick()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


async def wrong_registrations(worker: Worker) -> None:
    registry = Registry[str, int]("numbers")
    registry.register(3, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    registry.register("ann", "three")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    registry.register("ann")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    registry.lookup(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    registry.update_value("ann", str)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    registry.via("ann", "three")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _texts: list[str] = registry.values("ann", worker)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    Registry[list[str], int]("lists")  # type: ignore[type-var]  # pyright: ignore[reportInvalidTypeArguments]
    Registry[str, int]("numbers", keys="double")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Registry[str, int]()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def wrong_names(registry: Registry[str, int]) -> None:
    await axon.start(Worker(), name=("sessions", "ann"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    child(Worker(), id=registry.via("ann"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lookup(Worker, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    axon.demonitor(axon.current())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_topics(news: PubSub) -> None:
    news.subscribe(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    news.broadcast("sports")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    PubSub("news")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
