"""A turn that is given to another agent: the conversation goes on there, and there is one answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agent_parts import now, texts_of
from pydantic import BaseModel
from pydantic_ai import Agent, RunCancelled, RunContext
from pydantic_ai.models.test import TestModel

import axon
from axon import CallCycle, NotStarted, ServerDied, Supervisor, UsageError, child
from axon.agent import AgentServer, hand_over, transfer_to
from axon.budget import Budget
from axon.store import MemoryStore
from axon.testing.models import CallTool, Part, Say, ScriptedModel

Server = AgentServer[object, str]


class Refund(BaseModel):
    euros: int


def agent(name: str, *outputs: Any) -> Agent[object, Any]:
    return Agent(name=name, output_type=[str, *outputs], instructions=f"You are {name}.")


def server(name: str, *script: Part, outputs: tuple[Any, ...] = (), **options: Any) -> AgentServer[object, Any]:
    return AgentServer(agent(name, *outputs), name=name, model=ScriptedModel(*script), **options)


async def test_the_conversation_goes_on_at_the_other_agent_and_the_asker_gets_its_answer() -> None:
    model = ScriptedModel(Say("You get it back."), Say("In a week."))
    billing = await axon.start(AgentServer(agent("billing"), model=model))
    triage = await axon.start(
        server(
            "triage",
            Say("Hello!"),
            CallTool("transfer_to_billing"),
            Say("You are welcome."),
            outputs=(transfer_to(billing),),
        )
    )
    await triage.run("Hi")
    result = await triage.run("I want my money back")
    assert result.output == "You get it back."
    assert (await triage.run("Thanks")).output == "You are welcome."
    assert texts_of(model.asked[0]) == ["Hi", "Hello!", "I want my money back"]
    assert getattr(model.asked[0][-1], "instructions", None) == "You are billing."
    assert (await billing.run("When?")).output == "In a week."
    assert texts_of(await billing.messages()) == [
        *("Hi", "Hello!", "I want my money back", "You get it back.", "When?", "In a week.")
    ]
    await axon.stop(triage)
    await axon.stop(billing)


async def test_the_model_may_say_a_word_to_the_other_one() -> None:
    model = ScriptedModel(Say("Yes."))
    billing = await axon.start(AgentServer(agent("billing"), model=model))
    call = CallTool("transfer_to_billing", {"message": "He is angry."})
    triage = await axon.start(server("triage", call, outputs=(transfer_to(billing),)))
    assert (await triage.run("Money!")).output == "Yes."
    assert texts_of(model.asked[0]) == ["Money!", "He is angry."]
    await axon.stop(triage)
    await axon.stop(billing)


async def test_a_program_hands_over_in_an_output_function_of_its_own() -> None:
    manager = await axon.start(
        AgentServer(Agent(name="manager", output_type=Refund), model=TestModel(custom_output_args={"euros": 7}))
    )

    async def escalate(ctx: RunContext[object], why: str) -> Refund:
        return await hand_over(ctx, manager, f"The clerk says: {why}")

    clerk = await axon.start(server("clerk", CallTool("final_result", {"why": "no idea"}), outputs=(escalate,)))
    assert (await clerk.run("Money!")).output == Refund(euros=7)
    assert texts_of(await manager.messages())[:2] == ["Money!", "The clerk says: no idea"]
    await axon.stop(clerk)
    await axon.stop(manager)


async def test_a_typed_answer_is_given_again_from_the_journal() -> None:
    store = MemoryStore()
    manager = await axon.start(
        AgentServer(Agent(name="manager", output_type=Refund), model=TestModel(custom_output_args={"euros": 7}))
    )
    clerk = server("clerk", CallTool("transfer_to_manager"), outputs=(transfer_to(manager),), store=store)
    async with Supervisor([child(clerk, id="clerk")]) as sup:
        handle = sup.get(Server, "clerk")
        first: object = (await handle.run("Money!", message_id="1")).output
        axon.exit(handle, axon.kill)
        again: object = (await handle.run("Money!", message_id="1")).output
        assert first == again == Refund(euros=7)
    await axon.stop(manager)


async def test_there_is_one_answer_whoever_is_killed_meanwhile() -> None:
    store = MemoryStore()
    model = ScriptedModel(Say("lost", after=50), Say("The one answer.", after=50))
    billing = AgentServer(agent("billing"), name="billing", model=model, store=store)
    async with Supervisor([child(billing, id="billing")], max_restarts=9) as sup:
        to = sup.get(Server, "billing")
        triage = server("triage", CallTool("transfer_to_billing"), outputs=(transfer_to(to),), store=store)
        asked = await sup.start_child(child(triage, id="triage"))
        running = asyncio.create_task(asked.run("Money!"))
        await asyncio.sleep(5)
        axon.exit(to, axon.kill)
        await asyncio.sleep(5)
        axon.exit(asked, axon.kill)
        assert (await running).output == "The one answer."
        assert len(model.asked) == 2
        assert texts_of(await to.messages()) == ["Money!", "The one answer."]
        assert len(await asked.messages()) == 3


async def test_what_the_other_one_fails_with_is_the_end_of_the_turn() -> None:
    billing = await axon.start(server("billing", Say("unsaid", after=50)))
    triage = await axon.start(
        server("triage", CallTool("transfer_to_billing"), Say("here"), outputs=(transfer_to(billing),))
    )
    running = asyncio.create_task(triage.run("Money!"))
    await asyncio.sleep(1)
    axon.exit(billing, axon.kill)
    with pytest.raises(ServerDied):
        await running
    assert await triage.messages() == []
    assert (await triage.run("Hello?")).output == "here"
    await axon.stop(triage)


async def test_the_other_ones_turn_ends_with_this_one_and_draws_on_its_budget() -> None:
    budget = Budget("acme", requests=9)
    billing = await axon.start(server("billing", CallTool("nothing"), Say("unsaid", after=50)))
    triage = await axon.start(
        server("triage", CallTool("transfer_to_billing"), outputs=(transfer_to(billing),), budget=budget)
    )
    running = asyncio.create_task(triage.run("Money!"))
    await asyncio.sleep(1)
    assert (await budget.balance()).spent.requests == 2
    await triage.cancel()
    with pytest.raises(RunCancelled):
        await running
    await asyncio.sleep(0.1)
    assert (await billing.status()).state == "idle"
    await axon.stop(triage)
    await axon.stop(billing)


async def test_a_turn_that_is_handed_round_in_a_circle_is_refused() -> None:
    async def back(ctx: RunContext[object]) -> str:
        return await hand_over(ctx, axon.lookup(Server, "triage"))

    billing = await axon.start(server("billing", CallTool("final_result"), outputs=(back,)))
    triage = await axon.start(server("triage", CallTool("transfer_to_billing"), outputs=(transfer_to(billing),)))
    with pytest.raises(CallCycle) as refused:
        await triage.run("Money!")
    assert len(refused.value.cycle) == 3
    assert now() < 1
    await axon.stop(triage)
    await axon.stop(billing)


async def test_it_is_refused_where_there_is_no_turn_or_no_agent_that_runs() -> None:
    with pytest.raises(NotStarted):
        transfer_to(server("billing"))
    billing = await axon.start(server("billing"))
    with pytest.raises(UsageError, match="output functions"):
        await agent("triage", transfer_to(billing)).run("go", model=ScriptedModel(CallTool("transfer_to_billing")))
    await axon.stop(billing)
