"""Names: one live process each, free with its death, and taken again at once."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass

import axon
from axon import GenServer, NameTaken, NoProcess, Supervisor, call, child
from axon.process import receive, spawn
from axon.testing import Faults

from .tree import Tree
from .witness import Witness

NAMES = "abc"


class Holder(GenServer[None]):
    witness: Witness

    async def init(self) -> None:
        me = axon.current()
        self.witness.begin(alone=me.parent is not None)
        self.witness.rule(me.name is None or axon.whereis(me.name) is me, f"{me} starts without its name")
        await asyncio.sleep(random.choice([0, 0, 0.01]))

    @call
    def who(self, state: None) -> axon.Process:
        return axon.current()


@dataclass
class Town:
    witness: Witness

    async def newcomer(self) -> None:
        """Starts a server under a name, asks who is there, ends it, and takes its name at once."""
        for _ in range(3):
            name = random.choice(NAMES)
            before = axon.whereis(name)
            try:
                holder = await axon.start(Holder(self.witness), name=name, timeout=random.choice([None, 0.005]))
            except NameTaken:
                self.witness.rule(before is not None, f"{name!r} is taken, and nobody has it")
                continue
            except axon.StartFailed:
                self.witness.names_are_held()
                continue
            process = axon.whereis(holder)
            self.witness.rule(process is None or axon.whereis(name) is process, f"{name!r} leads elsewhere")
            with suppress(axon.CallError):
                self.witness.rule(await axon.lookup(Holder, name).who() is process, f"{name!r} is another")
            await asyncio.sleep(random.choice([0, 0, 0.01]))
            if random.random() < 0.5:
                axon.exit(holder, random.choice([axon.kill, axon.shutdown]))
            else:
                with suppress(axon.CallError):
                    await axon.stop(holder)
            await axon.wait_down(holder)
            self.witness.rule(axon.whereis(name) is not process, f"{name!r} leads to the dead")
            self.witness.names_are_held()

    async def wanderer(self) -> None:
        """A process without a name of its own, which takes one that is free and lets it go."""
        for _ in range(3):
            name, me = random.choice(NAMES), axon.current()
            free = axon.whereis(name) is None
            try:
                axon.register(name, me)
                self.witness.rule(free, f"{name!r} was given twice")
                await asyncio.sleep(random.choice([0, 0, 0.01]))
                axon.unregister(name)
            except NameTaken:
                self.witness.rule(not free, f"{name!r} is taken, and nobody has it")
            await asyncio.sleep(0)

    async def greeter(self) -> None:
        for n in range(5):
            name = random.choice(NAMES)
            there = axon.whereis(name)
            try:
                axon.send(name, n)
            except NoProcess:
                self.witness.rule(there is None, f"{name!r} is there and is not")
            await asyncio.sleep(random.choice([0, 0.01]))

    async def watcher(self) -> None:
        """Once it hears of a death the name is free, or has been taken by somebody who lives."""
        for _ in range(3):
            name = random.choice(NAMES)
            process = axon.whereis(name)
            if process is not None:
                axon.monitor(process)
                await receive(timeout=None, match=lambda message: isinstance(message, axon.Down))
                self.witness.rule(axon.whereis(name) is not process, f"{name!r} leads to the dead")
                self.witness.names_are_held()
            await asyncio.sleep(0)


async def program(witness: Witness) -> None:
    town = Town(witness)
    specs = [child(Holder(witness), id=f"w{name}", name=f"w{name}") for name in NAMES]
    try:
        async with Supervisor(specs, strategy="one_for_all", max_restarts=10_000, name="app") as app:
            lonely = [spawn(body) for body in (town.wanderer, town.greeter, town.watcher)]
            newcomers = [asyncio.create_task(town.newcomer()) for _ in range(3)]
            for name in NAMES:
                axon.exit(app.get(Holder, f"w{name}"), axon.kill)
                await asyncio.sleep(random.choice([0, 0.01]))
            await asyncio.gather(*newcomers)
            for process in lonely:
                axon.exit(process, axon.kill)
                await axon.wait_down(process)
    except axon.StartFailed:
        pass


TREE = Tree(name="names", program=program, faults=Faults(kill=0.03, victims="[!O]*[!p]", late=0.01))
