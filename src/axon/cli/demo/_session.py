"""What a demo writes down of itself, beside the journals of its agents, so that another process can go on with it."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

from axon.store import Codec, Journal, Store, Unreadable

from ._answer import Answer

KEY = "axon demo"
"""The journal of the demo itself."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that works on it, since when in seconds of the epoch."""

    pid: int = field(default_factory=os.getpid)
    since: float = field(default_factory=time.time)

    def __str__(self) -> str:
        return f"the demo with PID {self.pid}, started {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(self.since))}"


@dataclass(frozen=True, kw_only=True)
class Began:
    """A demo and everything it was asked for.

    `folder` is percent-encoded, since its name need not be text; `only` are the names in it that are looked at, None
    for all.
    """

    owner: Owner
    questions: list[str]
    folder: str
    only: tuple[str, ...] | None
    model: str
    faults: bool

    @property
    def path(self) -> str:
        """The folder."""
        return os.fsdecode(unquote_to_bytes(self.folder))


@dataclass(frozen=True, kw_only=True)
class TakenOver:
    """Another process goes on with it."""

    owner: Owner


@dataclass(frozen=True, kw_only=True)
class Given:
    """A question went to an agent, which keeps it."""

    question: int
    agent: str


@dataclass(frozen=True, kw_only=True)
class Struck:
    """A fault on purpose; written down before it strikes, so that it strikes once."""

    fault: str
    question: int
    agent: str


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What became of one question; `answer` is None if it was given up, and `error` says why.

    `requests` and `tool_calls` are what its turn took, in all processes together.
    """

    number: int
    question: str
    answer: Answer | None
    error: str | None
    agent: str
    attempts: int
    seconds: float
    requests: int
    tool_calls: int


@dataclass(frozen=True)
class Finished:
    """All is answered and told."""


Step: TypeAlias = Began | TakenOver | Given | Struck | Answered | Finished

_CODECS: dict[str, Codec[Any]] = {
    kind.__name__: Codec(kind.__name__, kind) for kind in (Began, TakenOver, Given, Struck, Answered, Finished)
}


@dataclass
class Session:
    """The demo that a store holds: the last one that was begun there.

    Attributes:
        run: how many demos were begun in this store, this one included.
        owner: who worked on it last.
        given: which agent has which question.

    """

    run: int = 0
    began: Began | None = None
    owner: Owner | None = None
    given: dict[int, str] = field(default_factory=dict[int, str])
    struck: list[Struck] = field(default_factory=list[Struck])
    answered: dict[int, Answered] = field(default_factory=dict[int, Answered])
    finished: bool = False

    @classmethod
    async def read(cls, store: Store) -> Session:
        """What the store holds, without taking it over. Raises `StoreError`."""
        return cls._of(await store.read(KEY))

    @classmethod
    def _of(cls, journal: Journal | None) -> Session:
        session = cls()
        for entry in () if journal is None else journal.entries:
            codec = _CODECS.get(entry.record.kind)
            if codec is None:
                raise Unreadable(entry.key, entry.version, f"its kind {entry.record.kind!r} is not known")
            session.apply(codec.value(entry))
        return session

    @property
    def unfinished(self) -> Began | None:
        """The demo there is to go on with."""
        return None if self.finished else self.began

    def apply(self, step: Step) -> None:
        """Take a step in."""
        match step:
            case Began():
                self.run, self.began, self.owner = self.run + 1, step, step.owner
                self.given, self.struck, self.answered, self.finished = {}, [], {}, False
            case TakenOver(owner=owner):
                self.owner = owner
            case Given(question=question, agent=agent):
                self.given[question] = agent
            case Struck():
                self.struck.append(step)
            case Answered(number=number):
                self.answered[number] = step
            case Finished():
                self.finished = True

    def key(self, agent: str) -> str:
        """What an agent of this demo is kept under."""
        return f"axon demo {self.run}/{agent}"


class Pen:
    """Writes a session's steps; whoever begins to write takes it over, and what an earlier one writes is refused."""

    def __init__(self, store: Store, session: Session) -> None:
        self.session = session
        self._store = store
        self._epoch = self._version = 0
        self._turn = asyncio.Lock()
        self._writing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take the session over. Raises `StoreError`."""
        journal = await self._store.open(KEY)
        self._epoch, self._version = journal.epoch, journal.version

    async def note(self, step: Step) -> None:
        """Write a step down. Raises `Stale` when another process has taken the session over.

        Who is cancelled meanwhile, as the tool of an agent that is killed, leaves a step that is being written: it is
        written, and what follows goes behind it.
        """
        writing = asyncio.create_task(self._write(step))
        self._writing.add(writing)
        writing.add_done_callback(self._written)
        await asyncio.shield(writing)

    def _written(self, writing: asyncio.Task[None]) -> None:
        self._writing.discard(writing)
        if not writing.cancelled():
            writing.exception()  # looked at here, for its writer may have been cancelled

    async def _write(self, step: Step) -> None:
        record = _CODECS[type(step).__name__].record(step)
        async with self._turn:
            self._version = await self._store.append(KEY, [record], epoch=self._epoch, version=self._version)
            self.session.apply(step)
