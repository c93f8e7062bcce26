"""What a process of the kill table does with its life: it runs the survivor in a store, until it is killed, or done."""

from __future__ import annotations

import asyncio
import os
import resource
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

import pydantic_ai
import pydantic_ai.models
from pydantic_ai import Agent, ModelMessage, ModelResponse, RunCancelled, RunContext
from pydantic_ai.exceptions import ApprovalRequired
from pydantic_ai.models.function import AgentInfo, FunctionModel
from survivors import STEPS, World, survivor, thinking, told
from worlds import EndingSQLite, FileWorld, Life, store_of

import axon
from axon import Supervisor, child
from axon.agent import AgentServer, TurnFailed, approve, deny
from axon.port._spec import interface_of  # which takes a second to make, once in a program
from axon.store import AlreadyDecided, Store
from forge import serve

R = TypeVar("R")

PLAN = [*STEPS[:-1], ["unlock"], STEPS[-1]]
"""What the model says: one step more than the survivor's own, for a tool that asks for its approval by itself."""


class Hiccup(Exception):
    """An error of a provider, after which one tries again soon."""

    retry_after = 0.01


def agent_of(world: World, pace: float) -> Agent[object, str]:
    agent = survivor(world, pace)

    @agent.tool_plain
    async def hold() -> str:
        world.effect("hold")
        if isinstance(world, FileWorld):
            await world.comes_to("released")
        return "held"

    @agent.tool
    async def unlock(ctx: RunContext[object]) -> str:
        if not ctx.tool_call_approved:
            raise ApprovalRequired
        world.effect("unlock")
        return "unlocked"

    return agent


# -- what the program does with its agent; it may have done a part of it in an earlier life

Server = AgentServer[object, str]
Scenario = Callable[[Server, FileWorld], Awaitable[Any]]


async def surely(ask: Callable[[], Awaitable[R]]) -> R:
    """The answer of whoever is there next, for what nobody is attached to."""
    while True:
        try:
            return await ask()
        except axon.CallError:  # there is nobody, or its start takes its time
            await asyncio.sleep(0.002)


async def until(agent: Server, state: str, of: str, asking: asyncio.Task[Any]) -> bool:
    """Wait until the agent is in this state with this message; returns False if that is over."""
    while not asking.done():
        status = await surely(agent.status)
        if status.message_id == of and status.state == state:
            return True
        await asyncio.sleep(0.002)
    return False


async def turn(agent: Server, world: FileWorld) -> Any:
    return await agent.run("go", message_id="go")


async def stream(agent: Server, world: FileWorld) -> Any:
    """Its reader comes back after each death, with the id of the last event that it has read."""
    read: list[str] = []

    async def to_the_end() -> None:
        events = agent.run_stream_events("go", message_id="go", after=read[-1] if read else None)
        async for _ in events:
            assert events.last_event_id not in read, "no event is read twice"
            read.append(events.last_event_id or "")

    await surely(to_the_end)
    return await agent.run("go", message_id="go")


async def steered(agent: Server, world: FileWorld) -> Any:
    """Something is said to the turn while the model thinks for the first time."""
    asking = asyncio.create_task(agent.run("go", message_id="go"))
    await until(agent, "thinking", "go", asking)
    telling = asyncio.create_task(agent.run("and hurry", message_id="hurry"))
    await world.comes_to("kept", "steered")
    world.happens("go on")
    result = await asking
    assert (await telling).output == result.output
    return result


async def cancelled(agent: Server, world: FileWorld) -> Any:
    """The first turn is cancelled while the model thinks, then there is another one."""
    asking = asyncio.create_task(agent.run("wait", message_id="wait"))
    if await until(agent, "thinking", "wait", asking):
        await surely(lambda: agent.cancel(message_id="wait"))
    with suppress(RunCancelled, TurnFailed):
        await asking
        raise AssertionError("it was cancelled")
    world.happens("go on")
    return await turn(agent, world)


async def stopped(agent: Server, world: FileWorld) -> Any:
    """The program is stopped in order while a tool runs; the next one is not."""
    if world.life.at != "paused":
        return await turn(agent, world)
    asking = asyncio.create_task(agent.run("go", message_id="go"))
    await until(agent, "tool", "go", asking)
    with suppress(axon.ServerDied):
        await axon.stop(agent)
    return await asking  # of its next process, if it has one of its own


async def reset(agent: Server, world: FileWorld) -> Any:
    """The conversation begins afresh before the second turn."""
    await agent.run("before", message_id="before")
    while not world.happened("kept", "reset"):
        await surely(agent.status)  # there is somebody who may hear it; if he dies before it is kept nobody has
        deaths = world.deaths()
        agent.reset()
        while not world.happened("kept", "reset") and world.deaths() == deaths:  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.002)
    return await turn(agent, world)


SCENARIOS: dict[str, Scenario] = {
    "turn": turn,
    "stream": stream,
    "steered": steered,
    "cancelled": cancelled,
    "hiccup": turn,
    "held": turn,
    "stopped": stopped,
    "reset": reset,
}


def model_of(life: Life, world: FileWorld, pace: float) -> FunctionModel:
    model = thinking(world, [["hold"], "done"] if life.scenario == "held" else PLAN, pace)
    function: Any = model.function

    async def gated(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        await world.comes_to("go on")
        answer: ModelResponse = await function(messages, info)
        return answer

    async def hiccups(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) > 2 and not world.happened("hiccup"):
            world.happens("hiccup")
            raise Hiccup
        answer: ModelResponse = await function(messages, info)
        return answer

    if life.scenario in {"steered", "cancelled", "down", "given up"}:
        return FunctionModel(gated)
    return FunctionModel(hiccups) if life.scenario == "hiccup" else model


def options_of(life: Life) -> dict[str, Any]:
    return {"attempts": 10, "when_busy": "steer" if life.scenario == "steered" else "queue", **life.options}


def server_of(life: Life, world: FileWorld, store: Store, pace: float) -> Server:
    return AgentServer(
        agent_of(world, pace),
        model=model_of(life, world, pace),
        name="survivor",
        store=store,
        on_error={Hiccup: "retry"},
        **options_of(life),
    )


async def granting(agent: Server) -> None:
    """Approve what is asked for, as soon as it is."""
    while True:
        for id in (await surely(agent.status)).approvals:
            with suppress(AlreadyDecided, axon.CallError):
                await agent.approve(id, by="a program")
        await asyncio.sleep(0.002)


async def agent_lives(life: Life, world: FileWorld, pace: float = 0.005) -> None:
    store = store_of(life, world)
    async with Supervisor([child(server_of(life, world, store, pace), id="one")], max_restarts=1000) as sup:
        await agent_works(life, world, sup.get(Server, "one"))
    await store.close()


async def agent_works(life: Life, world: FileWorld, agent: Server) -> None:
    others = [asyncio.create_task(granting(agent))] if life.grants else []
    try:
        result = await SCENARIOS[life.scenario](agent, world)
    finally:
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    outcome = {
        "told": told(await surely(agent.messages)),
        "result": told(result.all_messages()),
        "output": result.output,
        "requests": result.usage.requests,
    }
    world.happens("outcome", outcome)


async def owner_lives(life: Life, world: FileWorld, pace: float = 0.005) -> None:
    """An agent that nobody restarts."""
    store = store_of(life, world)
    agent = await axon.start(server_of(life, world, store, pace))
    try:
        await agent_works(life, world, agent)
    finally:
        with suppress(axon.NoProcess):
            await axon.stop(agent)
        await store.close()


async def short_of_room(life: Life, world: FileWorld, pace: float = 0.005) -> None:
    """The disk is full in the middle of a turn, and later it is not."""
    store = store_of(life, world)
    assert isinstance(store, EndingSQLite)
    agent = await axon.start(server_of(life, world, store, pace))
    with no_room(store, by_the_system=life.scenario == "a limit of the system"):
        try:
            await turn(agent, world)
        except axon.ServerDied as died:
            world.happens("full", type(died.reason).__name__)
    agent = await axon.start(server_of(life, world, store, pace))
    await agent_works(replace(life, scenario="turn"), world, agent)
    await axon.stop(agent)
    await store.close()


@contextmanager
def no_room(store: EndingSQLite, *, by_the_system: bool) -> Generator[None]:
    """There is no room for more than a few pages."""
    if by_the_system:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (store.size() + 30_000, most))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    else:
        link: Any = store._links[0][0]
        (pages,) = link._db.execute("pragma page_count").fetchone()
        link._db.execute(f"pragma max_page_count = {pages + 1}")
        yield  # a new connection knows of no limit


async def decider_lives(life: Life, world: FileWorld) -> None:
    """Somebody else, who has the store alone, decides what is asked for."""
    store = store_of(life, world)
    for row in await store.approvals():
        if row.pending or row.status == "expired":
            decided = await (approve if life.scenario == "approves" else deny)(store, row.id, by="somebody else")
            world.happens("decided", decided.id, decided.status)
    await store.close()


WAYS: dict[str, Callable[[Life, FileWorld], Coroutine[Any, Any, None]]] = {
    "approves": decider_lives,
    "denies": decider_lives,
    "held": owner_lives,
    "a full file": short_of_room,
    "a limit of the system": short_of_room,
}


def way_of(life: Life) -> Callable[[Life, FileWorld], Coroutine[Any, Any, None]]:
    if life.port:
        from port_lives import ported_lives

        return ported_lives
    return WAYS.get(life.scenario, agent_lives)


def live(life: Life) -> None:
    """Live, and end the process."""
    world = FileWorld(life)
    try:
        asyncio.run(way_of(life)(life, world))
    except BaseException as error:
        world.happens("error", type(error).__name__, str(error), traceback.format_exc())
        os._exit(1)
    os._exit(0)


def warm() -> None:
    """Load and make everything once, in a world that is nobody's."""
    from survivors import AskingStore, grant_everything

    pydantic_ai.BANNER_ENABLED = False
    pydantic_ai.models.ALLOW_MODEL_REQUESTS = False

    async def turns() -> None:
        store, world = AskingStore(), World()
        spec = AgentServer(agent_of(world, 0.0), model=thinking(world, PLAN, 0.0), name="warm", store=store)
        async with Supervisor([child(spec, id="one")]) as sup:
            granting = asyncio.create_task(grant_everything(store))
            result = await stream(sup.get(Server, "one"), FileWorld(Life("", os.devnull)))
            told(result.all_messages())
            granting.cancel()
            interface_of(spec)

    asyncio.run(turns())


if __name__ == "__main__":
    warm()
    serve(lambda life: live(Life(**life)))
