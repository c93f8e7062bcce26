"""Runs behind the gateway: whose they are, that none is made twice, and that nobody's going away ends one."""

from __future__ import annotations

import asyncio

import pytest
from gateway_parts import ADA, BOB, READER, asks, talker
from pydantic_ai import AgentRunResult, RunCancelled

import axon
from axon import DeadlineExceeded, ServerDied
from axon.agent import MessageIdReused, TurnFailed
from axon.blueprint import InvalidDeps
from axon.gateway import (
    AgentNotFound,
    Draining,
    Forbidden,
    Gateway,
    LimitExceeded,
    Piece,
    Principal,
    RunNotFound,
    TooLarge,
    TooManyRuns,
)
from axon.store import MemoryStore
from axon.testing.models import Fail, Say


async def pieces(gateway: Gateway, who: Principal, run_id: str, after: str | None = None) -> list[Piece]:
    return [piece async for piece in await gateway.runs.follow(who, run_id, after)]


async def test_a_run_has_an_answer_and_an_id(gateway: Gateway) -> None:
    await gateway.serve(talker())
    run_id, result = await gateway.runs.run(ADA, "talker", asks())
    assert result.output == "one two three"
    assert run_id.startswith("talker:")


@pytest.mark.parametrize("is_durable", [False, True])
async def test_a_request_made_again_with_its_key_is_run_once(gateway: Gateway, is_durable: bool) -> None:
    await gateway.serve(talker(Say("once", after=1), store=MemoryStore() if is_durable else None))
    both = await asyncio.gather(*(gateway.runs.run(ADA, "talker", asks(), "k") for _ in range(2)))
    again = await gateway.runs.run(ADA, "talker", asks(), "k")
    assert [(id, result.output) for id, result in (*both, again)] == [("talker:k", "once")] * 3


@pytest.mark.parametrize("is_durable", [False, True])
async def test_a_key_belongs_to_one_message(gateway: Gateway, is_durable: bool) -> None:
    await gateway.serve(talker(store=MemoryStore() if is_durable else None))
    await gateway.runs.run(ADA, "talker", asks("hello"), "k")
    with pytest.raises(MessageIdReused):
        await gateway.runs.run(ADA, "talker", asks("goodbye"), "k")


async def test_a_run_that_was_taken_goes_on_by_itself(gateway: Gateway) -> None:
    await gateway.serve(talker())
    run_id = await gateway.runs.submit(ADA, "talker", asks())
    assert (await gateway.runs.status(ADA, run_id)).state == "running"
    assert gateway.intake.under_way == 1
    assert (await gateway.runs.result(ADA, run_id)).output == "one two three"
    assert (await gateway.runs.status(ADA, run_id)).state == "committed"
    assert await gateway.intake.drained(1)


async def test_without_a_store_the_last_outcomes_are_remembered(gateway: Gateway) -> None:
    script = [Fail(ValueError("no"), after=1) if n == 1 else Say(str(n)) for n in range(8)]
    await gateway.serve(talker(*script))
    ids = [await gateway.runs.submit(ADA, "talker", asks(), f"k{n}") for n in range(8)]
    await gateway.runs.result(ADA, ids[-1])
    assert (await gateway.runs.result(ADA, ids[0])).output == "0"
    assert [(await gateway.runs.status(ADA, id)).state for id in ids[:3]] == ["committed", "failed", "committed"]
    with pytest.raises(ValueError, match="no"):
        await gateway.runs.result(ADA, ids[1])
    (_, result), *_ = await pieces(gateway, ADA, ids[0])
    assert isinstance(result, AgentRunResult)
    assert result.output == "0"


async def test_a_run_belongs_to_its_token(gateway: Gateway) -> None:
    """Another token that asks for its id, or makes its key up, is in a name space of its own."""
    await gateway.serve(talker(Say("ada's"), Say("bob's")))
    run_id = await gateway.runs.submit(ADA, "talker", asks(), "k")
    for ask in (gateway.runs.status, gateway.runs.result, gateway.runs.follow, gateway.runs.cancel):
        with pytest.raises(RunNotFound):
            await ask(BOB, run_id)
    with pytest.raises(RunNotFound):
        await gateway.runs.steer(BOB, run_id, "say it to me")
    assert (await gateway.runs.run(BOB, "talker", asks(), "k"))[1].output == "bob's"
    assert (await gateway.runs.result(ADA, run_id)).output == "ada's"


@pytest.mark.parametrize("key", ["../bob/k", "bob/k", "", " ", "k" * 121, "k\n", "%2e%2e", "é"])
async def test_a_key_cannot_leave_the_name_space_of_its_token(gateway: Gateway, key: str) -> None:
    await gateway.serve(talker())
    if key:
        with pytest.raises(axon.InvalidOption, match="Idempotency-Key"):
            await gateway.runs.run(ADA, "talker", asks(), key)
    with pytest.raises(RunNotFound):
        await gateway.runs.status(ADA, f"talker:{key}")


@pytest.mark.parametrize("run_id", ["", ":", "talker", "talker:", ":k", "talker:never", "nobody:k", "a/b:k"])
async def test_a_run_that_is_not_there(gateway: Gateway, run_id: str) -> None:
    await gateway.serve(talker())
    with pytest.raises(RunNotFound):
        await gateway.runs.result(ADA, run_id)


async def test_what_a_token_may_not_do_is_not_done(gateway: Gateway) -> None:
    await gateway.serve(talker())
    for ask in (gateway.runs.run, gateway.runs.submit):
        with pytest.raises(Forbidden, match="'run'"):
            await ask(READER, "talker", asks())
    with pytest.raises(Forbidden):
        await gateway.runs.cancel(READER, "talker:k")
    with pytest.raises(AgentNotFound):
        await gateway.runs.run(ADA, "nobody", asks())


async def test_a_token_has_so_many_runs_at_a_time(gateway: Gateway) -> None:
    await gateway.serve(talker(Say("one", after=1), Say("two", after=1), Say("three")))
    who = Principal("eve", {"run", "read"}, concurrent_runs=2)
    first = await gateway.runs.submit(who, "talker", asks(), "1")
    second = asyncio.create_task(gateway.runs.run(who, "talker", asks()))
    await asyncio.sleep(0.1)
    with pytest.raises(LimitExceeded, match="concurrent_runs=2"):
        await gateway.runs.submit(who, "talker", asks())
    assert await gateway.runs.submit(who, "talker", asks(), "1") == first  # which is no new one
    await second
    assert (await gateway.runs.run(who, "talker", asks()))[1].output == "three"


async def test_deadline_of_a_request_is_that_of_its_run(gateway: Gateway) -> None:
    await gateway.serve(talker(Say("late", after=10), Say("later", after=10)))
    for key in (None, "k"):
        with pytest.raises(DeadlineExceeded):
            async with axon.deadline(1):
                await gateway.runs.run(ADA, "talker", asks(), key)
    await asyncio.sleep(0.1)
    assert (await gateway.runs.status(ADA, "talker:k")).state == "deadline"


async def test_a_run_is_steered_and_cancelled_by_its_id(gateway: Gateway) -> None:
    await gateway.serve(talker(Say("one", after=5), Say("two", after=5)))
    run_id = await gateway.runs.submit(ADA, "talker", asks())
    await asyncio.sleep(0.1)
    assert await gateway.runs.steer(ADA, run_id, "quickly")
    assert await gateway.runs.cancel(ADA, run_id)
    assert (await gateway.runs.status(ADA, run_id)).state == "cancelled"
    assert not await gateway.runs.cancel(ADA, run_id)
    assert not await gateway.runs.steer(ADA, run_id, "too late")
    with pytest.raises(RunCancelled):
        await gateway.runs.result(ADA, run_id)


async def test_it_is_followed_from_any_event_on(gateway: Gateway) -> None:
    await gateway.serve(talker())
    run_id = await gateway.runs.submit(ADA, "talker", asks())
    whole = await pieces(gateway, ADA, run_id)
    assert [item for _, item in whole[:-1]] == ["one ", "two ", "three"]
    last = whole[-1][1]
    assert isinstance(last, AgentRunResult)
    for n, (id, _) in enumerate(whole):
        assert [one for one, _ in await pieces(gateway, ADA, run_id, id)] == [one for one, _ in whole[n + 1 :]]
    with pytest.raises(axon.InvalidOption, match="after"):
        await gateway.runs.follow(ADA, run_id, "nonsense")


async def test_with_a_store_it_is_followed_over_a_crash_of_the_agent(gateway: Gateway) -> None:
    store = MemoryStore()
    words = Say("one two three", every=0.25)
    agent = await gateway.serve(talker(words, words, store=store))
    run_id = await gateway.runs.submit(ADA, "talker", asks())
    reading = asyncio.create_task(pieces(gateway, ADA, run_id))
    await asyncio.sleep(0.3)
    axon.exit(agent, axon.kill)
    *texts, (_, result) = await reading
    assert isinstance(result, AgentRunResult)
    assert [text for _, text in texts] == ["one ", "two ", "one ", "two ", "three"]
    assert {"crashed", "restarted", "goes on with a turn"} <= {
        entry.event for entry in gateway.agents.log(ADA, "talker").entries
    }


async def test_without_a_store_a_crash_is_told(gateway: Gateway) -> None:
    agent = await gateway.serve(talker())
    run_id = await gateway.runs.submit(ADA, "talker", asks())
    reading = asyncio.create_task(pieces(gateway, ADA, run_id))
    await asyncio.sleep(0.3)
    axon.exit(agent, axon.kill)
    with pytest.raises(ServerDied):
        await reading


async def test_a_failed_run_asked_for_again_is_told_so_and_not_run(gateway: Gateway) -> None:
    await gateway.serve(talker(Fail(RuntimeError("no")), store=MemoryStore(), on_error={RuntimeError: "fail"}))
    with pytest.raises(RuntimeError, match="no"):
        await gateway.runs.run(ADA, "talker", asks(), "k")
    with pytest.raises(TurnFailed, match="no"):
        await gateway.runs.run(ADA, "talker", asks(), "k")
    assert await gateway.runs.submit(ADA, "talker", asks(), "k") == "talker:k"


async def test_when_the_intake_is_closed_nothing_new_is_taken_and_the_rest_ends(gateway: Gateway) -> None:
    await gateway.serve(talker())
    run_id = await gateway.runs.submit(ADA, "talker", asks())
    gateway.intake.close()
    with pytest.raises(Draining):
        await gateway.runs.run(ADA, "talker", asks())
    assert not await gateway.intake.drained(0.1)
    assert await gateway.intake.drained()
    assert (await gateway.runs.result(ADA, run_id)).output == "one two three"


async def test_what_is_too_large_or_does_not_fit_is_refused_before_anything_is_done() -> None:
    async with Gateway(max_history=2) as gateway:
        await gateway.serve(talker(deps_type=int))
        message = {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "hi"}]}
        with pytest.raises(TooLarge, match="at most 2 messages"):
            await gateway.runs.run(ADA, "talker", asks(message_history=[message] * 3))
        with pytest.raises(InvalidDeps):
            await gateway.runs.run(ADA, "talker", asks(deps={"key": 1}))
        assert gateway.intake.under_way == 0


async def test_only_so_many_runs_are_under_way_at_once_whoever_asks() -> None:
    """They wait for their turn in memory, with all that they bring."""
    async with Gateway(max_runs=2) as gateway:
        await gateway.serve(talker(Say("one"), Say("two"), Say("three")))
        first, second = [await gateway.runs.submit(who, "talker", asks()) for who in (ADA, BOB)]
        with pytest.raises(TooManyRuns, match="max_runs=2"):
            await gateway.runs.submit(BOB, "talker", asks())
        with pytest.raises(TooManyRuns):
            await gateway.runs.run(ADA, "talker", asks())
        await gateway.runs.result(ADA, first)
        await gateway.runs.result(BOB, second)
        await asyncio.sleep(0.1)
        assert (await gateway.runs.run(ADA, "talker", asks()))[1].output == "three"


async def test_what_an_agent_does_for_one_token_is_not_shown_to_another() -> None:
    """Others see that it is busy, and with how much; not with what, nor for whom."""
    async with Gateway() as gateway:
        await gateway.serve(talker())
        run_id = await gateway.runs.submit(ADA, "talker", asks("my card is 4111"), "k")
        await asyncio.sleep(0.1)
        for info in (await gateway.agents.info(READER, "talker"), *await gateway.agents.infos(BOB)):
            assert "4111" not in info.model_dump_json()
            assert "ada" not in info.model_dump_json()
            assert info.status is not None
            assert info.status.state == "thinking"
        own = (await gateway.agents.info(ADA, "talker")).status
        assert own is not None
        assert (own.prompt, own.message_id) == ("my card is 4111", "ada/k")
        await gateway.runs.result(ADA, run_id)


async def test_a_run_is_told_nothing_of_those_beside_it() -> None:
    async with Gateway() as gateway:
        agent = await gateway.serve(talker(Say("one two", every=5), Say("three four", every=5)))
        aside = asyncio.create_task(agent.run("the program's own", aside=True))
        run_id = await gateway.runs.submit(ADA, "talker", asks(), "k")
        await asyncio.sleep(0.1)
        doing = (await gateway.runs.status(ADA, run_id)).doing
        assert doing is not None
        assert [(one.prompt, one.message_id) for one in doing.asides] == [(None, "")]
        await aside


async def test_the_log_tells_others_that_a_run_failed_and_not_of_what_it_was_about() -> None:
    async with Gateway() as gateway:
        await gateway.serve(talker(Fail(ValueError("no such guest: Mr Smith"))))
        run_id = await gateway.runs.submit(ADA, "talker", asks(), "k")
        with pytest.raises(ValueError, match="Smith"):
            await gateway.runs.result(ADA, run_id)
        await asyncio.sleep(0.1)
        line = gateway.agents.log(READER, "talker").entries[-1]
        assert (line.event, line.data) == ("run failed", {"run_id": run_id, "error": "ValueError"})
