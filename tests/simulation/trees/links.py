"""Processes of all kinds that link, watch and end each other: everybody is told once, and the truth."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import axon
from axon import Down, Exit, GenServer, Monitor, NoProcess, Process
from axon.process import receive, spawn, trap_exit
from axon.testing import Faults

from .tree import Tree
from .witness import Witness

SIZE = 5
REASONS = (axon.normal, axon.shutdown, axon.kill, ValueError("boom"))


@dataclass
class Crowd:
    witness: Witness
    members: list[Process] = field(default_factory=list[Process])
    watched: dict[Monitor, tuple[Process, Process]] = field(default_factory=dict[Monitor, tuple[Process, Process]])
    told: set[Monitor] = field(default_factory=set[Monitor])
    left: set[Monitor] = field(default_factory=set[Monitor])

    def take(self, message: object) -> None:
        """What a member does with a message."""
        match message:
            case Down(monitor, process, reason):
                rule = self.witness.rule
                rule(monitor not in self.told, f"a second Down of {process}")
                rule(monitor not in self.left, f"a Down of {process} after demonitor with flush")
                self.told.add(monitor)
                rule(process is None or process.reason is not None, f"{process} lives at its Down")
            case Exit(sender, reason):
                # Only an end, or a signal of somebody, sends one.
                self.witness.rule(reason is not None, f"an Exit of {sender} without a reason")
            case _ if callable(message):
                message()
            case _:
                pass

    def act(self) -> Callable[[], object]:
        """Something for one member to do to another."""
        other = random.choice(self.members)
        acts: list[Callable[[], object]] = [
            partial(self.link, other),
            partial(self.link, other),
            partial(self.monitor, other),
            partial(self.monitor, other),
            self.demonitor,
            partial(axon.unlink, other),
            partial(trap_exit, random.random() < 0.7),
            partial(axon.exit, other, random.choice(REASONS)),
            partial(axon.send, other, "hello"),
        ]
        return random.choice(acts)

    def link(self, other: Process) -> None:
        try:
            axon.link(other)
        except NoProcess:
            self.witness.rule(other.reason is not None, f"{other} lives and cannot be linked")

    def monitor(self, other: Process) -> None:
        me = axon.current()
        made = axon.monitor(other)
        if other is not me:
            self.watched[made] = me, other

    def demonitor(self) -> None:
        me = axon.current()
        mine = [made for made, (watcher, _) in self.watched.items() if watcher is me and made not in self.told]
        if mine:
            axon.demonitor(mine[0], flush=True)
            self.left.add(mine[0])


async def inbox(crowd: Crowd) -> None:
    while True:
        crowd.take(await receive())
        if random.random() < 0.2:
            await asyncio.sleep(0)


class Plain(GenServer[None]):
    crowd: Crowd

    def init(self) -> None:
        return None

    def handle_info(self, state: None, message: object) -> Awaitable[None] | None:
        self.crowd.take(message)
        return None


class Async(Plain):
    async def handle_info(self, state: None, message: object) -> None:
        await asyncio.sleep(0)
        self.crowd.take(message)


async def start(crowd: Crowd) -> Process:
    kind = random.choice([Plain, Async, None])
    if kind is None:
        return spawn(inbox, crowd)
    process = axon.whereis(await axon.start(kind(crowd)))
    return spawn(inbox, crowd) if process is None else process


async def program(witness: Witness) -> None:
    crowd = Crowd(witness)
    for _ in range(SIZE):
        crowd.members.append(await start(crowd))
        witness.observer.watch(crowd.members[-1])
    for _ in range(20):
        axon.send(random.choice(crowd.members), crowd.act())
        if random.random() < 0.3:
            await asyncio.sleep(random.choice([0, 0.01]))
    await asyncio.sleep(2)
    for process in crowd.members:
        if process.reason is not None:
            gone = (process.links, process.monitors, process.monitoring, process.waiting())
            witness.rule(gone == (None, None, None, 0), f"{process} is dead and has {gone}")
            continue
        witness.rule(not process.waiting(), f"{process} does not look at its mail")
        for peer in process.links or ():
            witness.rule(peer.reason is None and process in (peer.links or ()), f"{process} has half a link to {peer}")
    for made, (watcher, other) in crowd.watched.items():
        if watcher.reason is None and made not in crowd.left:
            witness.rule((made in crowd.told) == (other.reason is not None), f"{watcher} was not told of {other}")
    for process in crowd.members:
        axon.exit(process, axon.kill)


TREE = Tree(name="links", program=program, faults=Faults(kill=0.02, victims="[!O]*", late=0.01))
