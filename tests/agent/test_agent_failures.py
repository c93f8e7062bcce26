"""A run that fails fails its caller, with the original error, and not the agent."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

import pytest
from agent_parts import Script, now, plain, says, texts_of
from pydantic_ai import (
    Agent,
    ModelHTTPError,
    ModelRequestTimeout,
    ModelRetry,
    ModelSettings,
    UnexpectedModelBehavior,
    UserError,
)
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel

import axon
from axon.agent import AgentServer, ExitRefused, RunInterrupted


class Broken(Exception):
    """A defect of a tool."""


async def after_a_failure(
    make: Callable[[], Agent[object, str]], script: Script, error: type[BaseException]
) -> BaseException:
    """Run once well, once badly, and once well again; returns the error of the second run."""
    script.steps = ["{prompt}!", *script.steps, "{prompt}!"]
    agent = await axon.start(AgentServer(make(), model=script.model))
    incarnation = axon.whereis(agent)
    await agent.run("before")

    with pytest.raises(error) as raised:
        await agent.run("bad")

    assert texts_of(await agent.messages()) == ["before", "before!"], "as it was"
    assert (await agent.run("after")).output == "after!"
    assert texts_of(await agent.messages()) == ["before", "before!", "after", "after!"]
    assert axon.whereis(agent) is incarnation, "it is the same process"
    await axon.stop(agent)
    return raised.value


async def test_an_error_of_the_model() -> None:
    error = ModelHTTPError(503, "script", "overloaded")
    assert await after_a_failure(plain, Script([error]), ModelHTTPError) is error


async def test_z7_a_tool_that_calls_sys_exit_ends_its_run_and_not_the_program() -> None:
    """Argument parsers do it."""

    async def convert() -> str:
        sys.exit(2)

    error = await after_a_failure(agent_with(convert), Script([["look"]]), ExitRefused)
    assert str(error) == "the tool 'look' tried to end the program with SystemExit(2); only its run has ended"
    assert isinstance(error.__cause__, SystemExit)


async def test_z7_nor_does_a_model_that_calls_it() -> None:
    def leave(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        sys.exit("no licence")

    agent = await axon.start(AgentServer(plain(), model=FunctionModel(leave)))
    with pytest.raises(ExitRefused, match="no licence"):
        await agent.run("hello")
    await axon.stop(agent)


def agent_with(tool: Callable[[], Awaitable[str]]) -> Callable[[], Agent[object, str]]:
    def make() -> Agent[object, str]:
        agent = Agent[object, str](name="tools")
        agent.tool_plain(name="look")(tool)
        return agent

    return make


async def test_an_error_of_a_tool() -> None:
    error = Broken("the disk is on fire")

    async def look() -> str:
        raise error

    assert await after_a_failure(agent_with(look), Script([["look"]]), Broken) is error


async def test_an_error_of_one_of_two_tools_ends_the_other() -> None:
    ended: list[str] = []

    async def look() -> str:
        await asyncio.sleep(1)
        raise Broken

    def make() -> Agent[object, str]:
        agent = agent_with(look)()

        @agent.tool_plain
        async def wait() -> str:
            try:
                await asyncio.sleep(100)
            finally:
                ended.append("wait")
            return "never"

        return agent

    await after_a_failure(make, Script([["look", "wait"]]), Broken)
    assert ended == ["wait"]
    assert now() < 10


async def test_an_output_that_no_retry_makes_valid() -> None:
    def make() -> Agent[object, str]:
        agent = Agent[object, str](retries={"output": 1})

        @agent.output_validator
        def check(output: str) -> str:
            if not output.endswith("!"):
                raise ModelRetry("louder")
            return output

        return agent

    error = await after_a_failure(make, Script(["no", "no"]), UnexpectedModelBehavior)
    assert isinstance(error.__cause__, BaseException)


async def test_an_agent_without_a_model_tells_its_caller() -> None:
    writer = await axon.start(AgentServer(plain()))
    with pytest.raises(UserError, match="model"):
        await writer.run("hello")
    assert (await writer.status()).state == "idle"
    await axon.stop(writer)


async def test_a_cancellation_that_nobody_asked_for_is_a_failure_of_the_run() -> None:
    async def look() -> str:
        raise asyncio.CancelledError("from a library")

    error = await after_a_failure(agent_with(look), Script([["look"]]), RunInterrupted)
    assert isinstance(error.__cause__, asyncio.CancelledError)


async def test_a_tool_that_cancels_its_own_task_is_a_failure_of_the_run() -> None:
    async def look() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)
        return "never"

    await after_a_failure(agent_with(look), Script([["look"]]), RunInterrupted)


async def test_a_timeout_of_a_tool_is_an_error_like_any_other() -> None:
    async def look() -> str:
        async with asyncio.timeout(1):
            await asyncio.sleep(100)
        return "never"

    await after_a_failure(agent_with(look), Script([["look"]]), TimeoutError)


async def test_what_failed_runs_used_is_counted() -> None:
    writer = await axon.start(AgentServer(plain(), model=says(["nonsense"], takes=0)))
    with pytest.raises(UnexpectedModelBehavior):
        await writer.run("go")
    assert (await writer.usage()).requests == 2
    assert await writer.messages() == []
    await axon.stop(writer)


async def test_a_model_request_that_hangs_fails_after_two_minutes() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("never", takes=1e6)))
    with pytest.raises(ModelRequestTimeout):
        await writer.run("hello?")
    assert now() == 120
    await axon.stop(writer)


@pytest.mark.parametrize(("seconds", "model_settings"), [(7.0, None), (50.0, ModelSettings(request_timeout=7))])
async def test_the_limit_of_a_model_request_can_be_set(seconds: float, model_settings: ModelSettings | None) -> None:
    writer = await axon.start(
        AgentServer(plain(), model=says("never", takes=1e6), request_timeout=seconds, model_settings=model_settings)
    )
    with pytest.raises(ModelRequestTimeout):
        await writer.run("hello?")
    assert now() == 7
    await axon.stop(writer)


async def test_a_limit_in_the_agents_own_settings_stays() -> None:
    agent = Agent(says("never", takes=1e6), model_settings=ModelSettings(request_timeout=300))
    writer = await axon.start(AgentServer(agent))
    with pytest.raises(ModelRequestTimeout):
        await writer.run("hello?")
    assert now() == 300
    await axon.stop(writer)


async def test_without_a_limit_a_model_request_may_take_for_ever() -> None:
    writer = await axon.start(AgentServer(plain(), model=says("there", takes=1e6), request_timeout=None))
    assert (await writer.run("hello?")).output == "there"
    await axon.stop(writer)
