"""Clients and servers: every call gets its own answer or a named error, and messages of one sender stay in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import axon
from axon import CallCycle, CallError, CallTimeout, GenServer, Reply, Supervisor, call, cast, child
from axon.testing import Faults, eventually, one_reply

from .tree import Tree
from .witness import Witness

CLERKS = 3


class Refused(Exception):
    """An error that is an answer."""


@dataclass
class Desk:
    busy: bool = False
    last: dict[int, int] = field(default_factory=dict[int, int])
    asked: list[tuple[str, Reply[str]]] = field(default_factory=list[tuple[str, Reply[str]]])


@dataclass
class Book:
    """What was handled, in all incarnations."""

    witness: Witness
    handled: set[str] = field(default_factory=set[str])


class Clerk(GenServer[Desk]):
    book: Book

    def init(self) -> Desk:
        self.book.witness.begin()
        return Desk()

    @contextmanager
    def _alone(self, state: Desk, text: str) -> Generator[None]:
        """One message at a time, each once, those of one sender in order."""
        rule = self.book.witness.rule
        rule(not state.busy, f"{text} is handled while another message is")
        rule(text not in self.book.handled, f"{text} is handled twice")
        self.book.handled.add(text)
        sender, number = map(int, text.split(":"))
        rule(state.last.get(sender, -1) < number, f"{text} is handled after {state.last.get(sender)} of its sender")
        state.last[sender] = number
        state.busy = True
        try:
            yield
        finally:
            state.busy = False

    @call
    def echo(self, state: Desk, text: str) -> str:
        with self._alone(state, text):
            return text

    @call(timeout=0.02)
    async def slowly(self, state: Desk, text: str, seconds: float) -> str:
        with self._alone(state, text):
            await asyncio.sleep(seconds)
        return text

    @call
    def later(self, state: Desk, text: str) -> Reply[str]:
        with self._alone(state, text):
            reply: Reply[str] = Reply()
            state.asked.append((text, reply))
        return reply

    @call
    def work(self, state: Desk, text: str, seconds: float) -> asyncio.Future[str]:
        with self._alone(state, text):
            return asyncio.create_task(asyncio.sleep(seconds, text))

    @call(raises=(Refused,))
    def refuse(self, state: Desk, text: str) -> str:
        with self._alone(state, text):
            raise Refused(text)

    @call
    async def relay(self, state: Desk, text: str, other: Clerk, inner: str) -> str:
        with self._alone(state, text), suppress(CallError):
            self.book.witness.rule(await other.echo(inner) == inner, f"{inner} got another's answer")
        return text

    @cast
    async def note(self, state: Desk, text: str) -> None:
        with self._alone(state, text):
            await asyncio.sleep(0)

    @cast
    def answer(self, state: Desk, text: str) -> None:
        with self._alone(state, text):
            asked, state.asked = state.asked, []
            for question, reply in asked:
                reply.set_result(question)

    @cast
    def crash(self, state: Desk, text: str) -> None:
        with self._alone(state, text):
            raise Refused(text)

    def handle_info(self, state: Desk, message: object) -> None:
        if isinstance(message, str):
            with self._alone(state, message):
                pass


class Client:
    """Sends numbered messages, one after the other."""

    def __init__(self, book: Book, clerks: list[Clerk], number: int) -> None:
        self.book, self.clerks, self.number = book, clerks, number
        self.sent = 0

    def text(self) -> str:
        self.sent += 1
        return f"{self.number}:{self.sent}"

    async def live(self, messages: int) -> None:
        for _ in range(messages):
            try:
                await self.send(random.choice(self.clerks))
            except CallCycle as error:
                self.book.witness.rule(False, f"a client is no server, and yet: {error}")
            except CallError as error:
                slow = isinstance(error, CallTimeout) and error.after > 1
                self.book.witness.rule(not slow, f"nobody is busy for so long: {error}")
                await asyncio.sleep(0.001)

    async def send(self, clerk: Clerk) -> None:
        text = self.text()
        match random.randrange(12):
            case 0 | 1:
                clerk.note(text)
            case 2:
                axon.send(clerk, text) if axon.whereis(clerk) else None
            case 3:
                clerk.crash(text) if random.random() < 0.3 else clerk.answer(text)
            case 4:
                clerk.answer(text)
                self.own(text := self.text(), await clerk.echo(text))
            case 5:
                async with axon.deadline(random.choice([0.0, 0.01, 1.0])):
                    self.own(text, await clerk.slowly(text, 0.01))
            case 6:
                await self.give_up(clerk, text)
            case 7:
                with_answer = asyncio.create_task(clerk.later(text))
                await asyncio.sleep(0.001)
                clerk.answer(self.text())
                self.own(text, await with_answer)
            case 8:
                self.own(text, await clerk.work(text, 0.01))
            case 9:
                try:
                    await clerk.refuse(text)
                    self.book.witness.rule(False, f"{text} was not refused")
                except Refused as refused:
                    self.own(text, str(refused))
            case 10:
                inner = Client(self.book, self.clerks, self.number * 1000 + self.sent).text()
                self.own(text, await clerk.relay(text, random.choice(self.clerks), inner))
            case _:
                self.own(text, await clerk.slowly(text, random.choice([0.0, 0.01, 0.03])))

    async def give_up(self, clerk: Clerk, text: str) -> None:
        asking = asyncio.create_task(clerk.slowly(text, 0.01) if random.random() < 0.5 else clerk.later(text))
        await asyncio.sleep(random.choice([0, 0, 0.005, 0.01]))
        asking.cancel()
        [answer] = await asyncio.gather(asking, return_exceptions=True)
        if isinstance(answer, str):
            self.own(text, answer)

    def own(self, text: str, answer: str) -> None:
        self.book.witness.rule(answer == text, f"{text} got the answer {answer}")


async def program(witness: Witness) -> None:
    book = Book(witness)
    specs = [child(Clerk(book), id=f"clerk{n}", name=f"clerk{n}") for n in range(CLERKS)]
    async with one_reply(), Supervisor(specs, name="app", max_restarts=10_000) as app:
        clerks = [app.get(Clerk, f"clerk{n}") for n in range(CLERKS)]
        clients = [Client(book, clerks, number) for number in range(1, 4)]
        await asyncio.gather(*(client.live(6) for client in clients))
        await eventually(lambda: all(axon.whereis(clerk) for clerk in clerks))


TREE = Tree(name="calls", program=program, faults=Faults(kill=0.03, victims="app/*", late=0.005))
