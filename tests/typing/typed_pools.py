"""Never run: what the type checkers must know about pools of ports, and the mistakes with them that they must refuse."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import assert_type

from axon import GenServer, Supervisor, call, cast, child
from axon.port import PoolStatus, PortPool, Recycle, isolated, pool_status


class Parser(GenServer[None]):
    @call
    def words(self, state: None, text: str, *, most: int = 10) -> list[str]:
        return text.split()[:most]

    @cast
    def forget(self, state: None) -> None: ...


class Stemmer(Parser):
    @call
    def stem(self, state: None, word: str) -> str:
        return word


class Counter(GenServer[int]):
    @call
    def increment(self, state: int, by: int = 1) -> int:
        return state + by


async def measure(parser: Parser, text: str) -> int:
    return len(await parser.words(text)) + len(await parser.words(text, most=2))


def of_any_kind(pool: PortPool[Parser]) -> None: ...


async def asked() -> None:
    recycle = Recycle(max_age=3600, max_requests=1000, max_memory=2**30)
    async with PortPool(isolated(Parser()), size=4, recycle=recycle) as pool:
        assert_type(pool, PortPool[Parser])
        assert_type(await pool.ask(Parser.words, "to be"), list[str])
        assert_type(await pool.ask(Parser.words, text="to be", most=3), list[str])
        assert_type(await pool.ask(measure, "to be"), int)
        lent: AbstractAsyncContextManager[Parser] = pool.worker(key="ann", sticky="strict", wait_within=2)
        async with lent as parser:
            assert_type(parser, Parser)
            assert_type(await parser.words("to be"), list[str])
            parser.forget()
        await pool.resize(2)
        await pool.renew()
        assert_type(pool_status(pool), PoolStatus)
    spec = PortPool(child(isolated(Stemmer()), shutdown=10.0), choose="round_robin")
    assert_type(spec, PortPool[Stemmer])
    of_any_kind(spec)
    async with Supervisor([child(spec, id="stemmers")]) as sup:
        assert_type(sup.get(PortPool[Stemmer], "stemmers"), PortPool[Stemmer])


async def what_must_be_refused(pool: PortPool[Parser]) -> None:
    await pool.ask(Parser.words, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await pool.ask(Parser.words)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await pool.ask(Parser.words, "to be", least=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await pool.ask(Counter.increment)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await pool.ask(Stemmer.stem, "word")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await pool.ask(Parser.forget)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _count: int = await pool.ask(Parser.words, "to be")  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    pool.ask(Parser.words, "to be")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    pool.worker(key=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool.worker(sticky="always")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with pool.worker() as parser:
        await parser.stem("word")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    PortPool(Parser)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PortPool(isolated(Parser()), choose="best")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PortPool(isolated(Parser()), recycle=3600)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PortPool(isolated(Parser()), 4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
