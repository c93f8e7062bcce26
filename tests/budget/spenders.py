"""Processes that spend and are killed: a program that has loaded everything forks one for each life it is asked for."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pydantic_ai
from pydantic_ai import Agent, ModelMessage, ModelResponse
from pydantic_ai.messages import TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from axon import Supervisor, child
from axon.agent import AgentServer
from axon.budget import Budget, BudgetExceeded, Limits, _ledger
from axon.store import ApprovalRequest, MemoryStore, PostgresStore, Record, SQLiteStore, Store
from axon.store._sql import SQLStore, Work  # to be killed in the middle of a transaction

T = TypeVar("T")

STEPS = 4
"""Requests of a turn."""
LEASE = 1.0
"""Seconds, so that a test need not wait for half a minute."""
LONGEST = 45
"""Seconds after which a life that hangs is ended."""


@dataclass
class Life:
    """What a process does. store: an expression. log: what was answered. at: which of the writes to the budget kills it,
    counted from 1; 0 for none. when: in the open transaction, or once it is committed.
    """

    store: str
    log: str
    kind: Literal["agent", "spender"] = "agent"
    at: int = 0
    when: Literal["before", "after"] = "before"


class Ending(SQLStore):
    """Kills its process at a write to the budget."""

    life: Life
    _writes = 0
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
        if not key.startswith("axon.budget/"):
            return await super().append(key, records, epoch=epoch, version=version, marker=marker, approvals=approvals)
        self._writes += 1
        due = self._writes == self.life.at
        if due:
            happens(self.life, "killed", any(b'"spend"' in record.body for record in records))
        self._strikes = due and self.life.when == "before"
        done = await super().append(key, records, epoch=epoch, version=version, marker=marker, approvals=approvals)
        if due:
            die()
        return done

    async def _do(self, key: str, work: Work[T], *, writes: bool = True) -> T:
        strikes, self._strikes = self._strikes, False

        def and_no_more(db: Any) -> T:
            work(db)
            die()
            raise AssertionError("it was killed")

        return await super()._do(key, and_no_more if strikes else work, writes=writes)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


class EndingSQLite(Ending, SQLiteStore):
    pass


class EndingPostgres(Ending, PostgresStore):
    pass


def store_of(life: Life) -> Store:
    store: Ending = eval(life.store, {"SQLiteStore": EndingSQLite, "PostgresStore": EndingPostgres})
    store.life = life
    return store


def happens(life: Life, *what: object) -> None:
    file = os.open(life.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{json.dumps(what)}\n".encode())
    os.close(file)


def worker() -> Agent[object, str]:
    agent: Agent[object, str] = Agent(name="worker")

    @agent.tool_plain(metadata={"idempotent": True})
    async def work() -> str:
        return "done"

    return agent


def model_of(life: Life) -> FunctionModel:
    async def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        place = sum(isinstance(message, ModelResponse) for message in messages) + 1
        tokens = 100 + place
        happens(life, "answered", tokens)
        part = TextPart("done") if place == STEPS else ToolCallPart("work", {}, tool_call_id=f"call-{place}")
        return ModelResponse([part], usage=RequestUsage(input_tokens=100, output_tokens=place))

    return FunctionModel(think)


async def agent_lives(life: Life, store: Store) -> None:
    """A turn of an agent on a share of the tenant's budget, from where the last life left it."""
    budget = Budget("acme", tokens=10_000, store=store)
    spec = AgentServer(worker(), name="w", model=model_of(life), store=store, budget=budget)
    async with Supervisor([child(spec, id="w")]) as sup:
        result = await sup.get(AgentServer[object, str], "w").run("go", message_id="go")
        happens(life, "outcome", result.output, result.usage.total_tokens)


async def spender_lives(life: Life, store: Store) -> None:
    """Spends until nothing is left, in a budget that others spend from at the same time."""
    budget = Budget("acme", requests=60, tokens=600, response=Limits(tokens=10), store=store)
    try:
        while True:
            async with budget.request() as request:
                await asyncio.sleep(0.001)
                happens(life, "answered", 10)
                request.used(tokens=10)
    except BudgetExceeded:
        happens(life, "outcome", (await budget.balance()).spent.tokens)


async def lives(life: Life) -> None:
    store = store_of(life)
    await (agent_lives if life.kind == "agent" else spender_lives)(life, store)
    await store.close()


def live(life: Life) -> None:
    """Live, and end the process."""
    try:
        asyncio.run(lives(life))
    except BaseException as error:
        happens(life, "error", repr(error))
        os._exit(1)
    os._exit(0)


class Nursery:
    """Starts lives, and says how they ended."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, life: Life) -> int:
        """A process that lives this life; returns its id. It must be waited for."""
        return self._ask(asdict(life))

    def wait(self, pid: int) -> int:
        """How the process ended: 0, or the number of a signal, negative."""
        return self._ask(pid)

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0

    def _ask(self, question: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def events(log: Path) -> list[list[Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def main() -> None:
    pydantic_ai.BANNER_ENABLED = False
    _ledger.LEASE = LEASE
    asyncio.run(agent_lives(Life("", os.devnull), MemoryStore()))  # loads and makes everything once
    for line in sys.stdin:
        question = json.loads(line)
        if isinstance(question, int):
            _, status = os.waitpid(question, 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            assert threading.active_count() == 1, "threads do not survive a fork"
            answer = os.fork()
            if answer == 0:
                signal.alarm(LONGEST)
                live(Life(**question))
        print(answer, flush=True)


if __name__ == "__main__":
    main()
