"""Processes that spend and are killed: a program that has loaded everything forks one for each life it is asked for."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
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
from forge import serve

T = TypeVar("T")

STEPS = 4
"""Requests of a turn."""
LEASE = 1.0
"""Seconds, so that a test need not wait for half a minute."""


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


def events(log: Path) -> list[list[Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def main() -> None:
    pydantic_ai.BANNER_ENABLED = False
    _ledger.LEASE = LEASE
    asyncio.run(agent_lives(Life("", os.devnull), MemoryStore()))  # loads and makes everything once
    serve(lambda life: live(Life(**life)))


if __name__ == "__main__":
    main()
