"""The world as a file outside the store, and stores that kill their process where a test says.

Everything that happens is in the file in its order, and on the disk before the next thing happens, so that a test sees
what was done twice, whoever forgot it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from survivors import World

from axon.agent import idempotency_key
from axon.store import ApprovalRequest, PostgresStore, Record, SQLiteStore, Store
from axon.store._sql import SQLStore, Work  # to be killed in the middle of a transaction

T = TypeVar("T")

Moment = Literal["before", "after"]
NEXT = "the next"
"""Whatever is written next that was not there before: more than that the agent is up again, or a tool run again."""
PIECE = "a piece of a stream"


@dataclass
class Life:
    """What a process is to do. store: an expression. log: the file of what has happened. at, when: where it is killed.

    grants: whether it approves what it asks for. options: of the `AgentServer`. bell: a FIFO into which it writes a byte
    with everything that happens, default none. port: whether the agent lives in a process of its own, which is the one
    that is killed: a `forked` one, or an `executed` one. then: where those that follow it there are killed.
    """

    store: str
    log: str
    scenario: str = "turn"
    at: str = ""
    when: Moment = "before"
    grants: bool = True
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    bell: str = ""
    port: Literal["", "forked", "executed"] = ""
    then: Sequence[tuple[str, Moment]] = ()


class FileWorld(World):
    """The world as a file, which all lives write to."""

    def __init__(self, life: Life) -> None:
        super().__init__()
        self.life = life
        self._file = os.open(life.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._bell = os.open(life.bell, os.O_WRONLY) if life.bell else None

    def happens(self, *what: object) -> None:
        os.write(self._file, f"{json.dumps(what)}\n".encode())
        os.fsync(self._file)
        if self._bell is not None:
            os.write(self._bell, b".")

    def happened(self, *what: object) -> bool:
        return list(what) in [event[: len(what)] for event in read_log(self.life.log)]

    def deaths(self) -> int:
        return sum(event[0] == "killed" for event in read_log(self.life.log))

    async def comes_to(self, *what: object) -> None:
        while not self.happened(*what):  # noqa: ASYNC110  # another process may do it
            await asyncio.sleep(0.002)

    def request(self, place: int) -> None:
        self.happens("request", place)

    def effect(self, name: str) -> None:
        self.happens("effect", name, idempotency_key())

    def piece(self, number: int) -> None:
        if self.life.at == PIECE and number == 1:
            self.ends()

    def ends(self) -> None:
        """Here and now, for all threads."""
        self.happens("killed", self.life.at, self.life.when)
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()


def read_log(path: str) -> list[list[Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


class Ending(SQLStore):
    """Kills its process when it is to write what the life says: in the open transaction, or once that is committed."""

    world: FileWorld
    _strikes = False

    async def append(
        self,
        key: str,
        records: Sequence[Record],
        *,
        epoch: int,
        version: int,
        marker: str | None = None,
        approvals: Sequence[ApprovalRequest] = (),
    ) -> int:
        steps, life = [(record.kind, json.loads(record.body)) for record in records], self.world.life
        due = any(life.at == kind or (life.at == NEXT and self._is_new(kind, body)) for kind, body in steps)
        self._strikes = due and life.when == "before"
        done = await super().append(key, records, epoch=epoch, version=version, marker=marker, approvals=approvals)
        for kind, body in steps:
            self.world.happens("kept", kind, body["turn"], body.get("call"))
        self.world.happens("written", self.size())
        if due:
            self.world.ends()
        return done

    def size(self) -> int:
        """Bytes of the log, where there is one."""
        return 0

    def _is_new(self, kind: str, body: dict[str, Any]) -> bool:
        if kind == "tool_intended":
            return not self.world.happened("kept", kind, body["turn"], body["call"])
        return kind not in {"accepted", "started"}

    async def _do(self, key: str, work: Work[T], *, writes: bool = True) -> T:
        strikes, self._strikes = self._strikes, False
        if not strikes:
            return await super()._do(key, work, writes=writes)

        def and_no_more(db: Any) -> T:
            work(db)
            self.world.ends()
            raise AssertionError("it was killed")

        return await super()._do(key, and_no_more)


class EndingSQLite(Ending, SQLiteStore):
    def size(self) -> int:
        return Path(f"{self.path}-wal").stat().st_size


class EndingPostgres(Ending, PostgresStore):
    pass


def store_of(life: Life, world: FileWorld) -> Store:
    store: Ending = eval(life.store, {"SQLiteStore": EndingSQLite, "PostgresStore": EndingPostgres})
    store.world = world
    return store
