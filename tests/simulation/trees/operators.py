"""Children that are started, stopped, started again and deleted while they crash and fail to start."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import axon
from axon import AxonError, GenServer, NoProcess, Supervisor, call, cast, child
from axon.supervisor import Backoff, Restart
from axon.telemetry import ProcessExited, attach
from axon.testing import Faults, trouble

from .tree import Tree
from .witness import Witness


class Boom(Exception):
    """A failure."""


class Worker(GenServer[int]):
    witness: Witness

    async def init(self) -> int:
        self.witness.begin()
        await asyncio.sleep(random.choice([0, 0, 0.01]))
        if trouble():
            raise Boom
        return 0

    @call
    async def work(self, state: int) -> str:
        await asyncio.sleep(0)
        return "done"

    @cast
    def crash(self, state: int) -> None:
        raise Boom


@dataclass
class Operator:
    """Looks after children of its own, one operation after the other. A name `t…` is that of a temporary child."""

    witness: Witness
    app: Supervisor
    number: int
    made: int = 0

    async def live(self) -> None:
        for _ in range(2):
            self.made += 1
            restart: Restart = random.choice(["permanent", "transient", "temporary"])
            await self.look_after(f"{restart[0:2]}{self.number}{self.made}", restart)

    async def look_after(self, id: str, restart: Restart) -> None:
        path = f"app/{id}"
        seconds = random.choice([0.01, 0.05])
        backoff: Backoff | None = random.choice([None, lambda _: seconds])
        spec = child(Worker(self.witness), id=id, name=id, restart=restart, backoff=backoff)
        try:
            worker = await self.app.start_child(spec)
        except axon.StartFailed:
            self.witness.never.add(path)
            return
        for _ in range(4):
            await self.disturb(worker)
            match random.randrange(4):
                case 0:
                    if await self.said(self.app.terminate_child(id)) != "ChildNotFound":
                        self.is_stopped(path, worker)
                case 1:
                    was_stopped = path in self.witness.never and restart != "temporary"
                    if was_stopped:
                        self.witness.never.discard(path)
                    answer = await self.said(self.app.restart_child(id))
                    allowed = ["ok", "StartFailed"] if was_stopped else self.answers(restart)
                    self.witness.rule(answer in allowed, f"restart_child({id!r}) of a {restart} child said {answer}")
                    if was_stopped and answer == "StartFailed":
                        self.is_stopped(path, worker)
                case 2:
                    await self.disturb(worker)
                case _:
                    if restart != "temporary":
                        answer = await self.said(self.app.start_child(spec))
                        known = answer in ("ChildAlreadyStarted", "ChildAlreadyPresent")
                        self.witness.rule(known, f"start_child() of a child that is there said {answer}")
        await self.end(id, path, worker)

    def answers(self, restart: Restart) -> list[str]:
        """What `restart_child` may say of a child that nobody has stopped."""
        if restart == "temporary":
            return ["ChildRunning", "ChildNotFound"]
        ended = ["ok", "StartFailed"] if restart == "transient" else []
        return ["ChildRunning", "ChildRestarting", *ended]

    async def end(self, id: str, path: str, worker: Worker) -> None:
        gone = await self.said(self.app.terminate_child(id)) == "ChildNotFound"
        if not gone:
            self.is_stopped(path, worker)
            gone = await self.said(self.app.delete_child(id)) in ("ok", "ChildNotFound")
        self.witness.rule(gone, f"{id} cannot be deleted")
        self.witness.never.add(path)
        try:
            await worker.work()
            self.witness.rule(False, f"{id} answers after it was deleted")
        except NoProcess as error:
            self.witness.rule(error.restart_in is None, f"{id} was deleted, and yet: {error}")

    def is_stopped(self, path: str, worker: Worker) -> None:
        self.witness.rule(self.witness.is_dead(path) and axon.whereis(worker) is None, f"{path} was stopped and runs")
        self.witness.never.add(path)

    async def disturb(self, worker: Worker) -> None:
        for _ in range(random.randrange(3)):
            worker.crash()
            await asyncio.sleep(random.choice([0, 0, 0.01, 0.03]))

    async def said(self, operation: object) -> str:
        try:
            await operation  # type: ignore[misc]
        except AxonError as error:
            return type(error).__name__
        return "ok"


async def program(witness: Witness) -> None:
    def temporary_ended(event: ProcessExited) -> None:
        if event.path.startswith("app/te"):
            witness.never.add(event.path)

    attach(temporary_ended, ProcessExited)
    async with Supervisor([], max_restarts=10_000, name="app") as app:
        await asyncio.gather(*(Operator(witness, app, number).live() for number in range(2)))


TREE = Tree(name="operators", program=program, faults=Faults(kill=0.03, victims="app/*", late=0.01, trouble=0.2))
