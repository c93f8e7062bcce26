"""Servers that call each other along random ways: a call that would wait for itself is refused, no other one is."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from itertools import pairwise

import axon
from axon import CallCycle, CallError, GenServer, Process, call
from axon.testing import Faults

from .tree import Tree
from .witness import Witness


@dataclass
class Web:
    """Who waits for whom, as the servers say themselves."""

    witness: Witness
    nodes: list[Node] = field(default_factory=list["Node"])
    waiting: dict[str, str] = field(default_factory=dict[str, str])
    answered: int = 0
    refused: int = 0

    def is_true(self, cycle: tuple[str, ...]) -> None:
        """Each in the cycle waits for the next one."""
        for waiter, target in pairwise(cycle):
            told = self.waiting.get(waiter)
            self.witness.rule(told == target, f"{waiter} waits for {told}, the cycle {cycle} says for {target}")
        self.witness.rule(cycle[0] == cycle[-1], f"{cycle} is no cycle")


class Node(GenServer[None]):
    web: Web
    name: str

    def init(self) -> None:
        return None

    @call(timeout=None)
    async def walk(self, state: None, way: list[int]) -> int:
        """Call the first of the way and hand it the rest; a refused call ends the way."""
        if random.random() < 0.3:
            await asyncio.sleep(random.choice([0, 0.01]))
        if not way:
            return 1
        target = self.web.nodes[way[0]]
        if random.random() < 0.1:  # nobody waits here, so this can close no cycle
            aside = asyncio.create_task(self.aside(target, way[1:]))
            await asyncio.sleep(0)
            aside.cancel()
        self.web.waiting[self.name] = target.name
        try:
            if random.random() < 0.2:
                async with asyncio.timeout(0.015):
                    return 1 + await target.walk(way[1:])
            return 1 + await target.walk(way[1:])
        except CallCycle as error:
            self.web.is_true(error.cycle)
            self.web.refused += 1
            return 1
        except (CallError, TimeoutError):
            return 1
        finally:
            del self.web.waiting[self.name]

    async def aside(self, target: Node, way: list[int]) -> None:
        try:
            await target.walk(way)
        except CallCycle as error:
            self.web.witness.rule(False, f"a task of its own was refused: {error}")
        except (CallError, axon.ProcessDead):
            pass


async def walk(web: Web, size: int, length: int) -> None:
    for _ in range(2):
        way = [random.randrange(size) for _ in range(length)]
        try:
            await web.nodes[way[0]].walk(way[1:])
            web.answered += 1
        except CallCycle as error:
            web.witness.rule(False, f"who is no server was refused: {error}")
        except CallError:
            pass


async def program(witness: Witness, *, size: int, walkers: int, length: int) -> Web:
    """Everything is answered in the end: a cycle that was not refused would wait for ever."""
    web = Web(witness)
    for n in range(size):
        web.nodes.append(await axon.start(Node(web, f"n{n}"), name=f"n{n}"))
    processes: list[Process | None] = [axon.whereis(node) for node in web.nodes]
    await asyncio.gather(*(walk(web, size, length) for _ in range(walkers)))
    await asyncio.sleep(1)
    for process in processes:
        if process is not None:
            axon.exit(process, axon.kill)
    return web


async def small(witness: Witness) -> None:
    await program(witness, size=5, walkers=4, length=4)


TREE = Tree(name="graphs", program=small, faults=Faults(kill=0.01, victims="n*", late=0.01))
