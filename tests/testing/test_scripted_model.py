"""`ScriptedModel`: a model that does what the script says, streamed or not, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ToolReturnPart

from axon import InvalidOption, UsageError
from axon.testing import simulate
from axon.testing.models import CallTool, Fail, Say, ScriptedModel, ScriptEnded, Stall

agent = Agent()


@agent.tool_plain
async def look_up(name: str) -> str:
    if name == "nobody":
        raise ModelRetry("there is nobody of that name")
    return f"{name} is here"


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_text_is_the_answer() -> None:
    assert (await agent.run("Hello", model=ScriptedModel(Say("Good morning")))).output == "Good morning"


async def test_a_tool_is_called_and_its_answer_comes_back_to_the_model() -> None:
    model = ScriptedModel(CallTool("look_up", {"name": "Ann"}), Say("She is here."))
    result = await agent.run("Where is Ann?", model=model)
    assert result.output == "She is here."
    [answer] = [part for part in model.asked[1][-1].parts if isinstance(part, ToolReturnPart)]
    assert answer.content == "Ann is here"
    assert model.is_done


async def test_several_parts_come_in_one_response() -> None:
    model = ScriptedModel(
        [Say("Let me see."), CallTool("look_up", {"name": "Ann"}), CallTool("look_up", {"name": "Bob"})], Say("Both.")
    )
    await agent.run("Who is here?", model=model)
    assert [part.content for part in model.asked[1][-1].parts if isinstance(part, ToolReturnPart)] == [
        "Ann is here",
        "Bob is here",
    ]


async def test_a_stream_comes_word_by_word_at_its_pace() -> None:
    model = ScriptedModel(Say("one two three", after=5, every=2))
    async with agent.run_stream("Count", model=model) as stream:
        seen = [(now(), text) async for text in stream.stream_text(delta=True, debounce_by=None)]
    assert seen == [(5, "one "), (7, "two "), (9, "three")]


async def test_without_a_stream_it_takes_as_long() -> None:
    await agent.run("Count", model=ScriptedModel(Say("one two three", after=5, every=2)))
    assert now() == 9


async def test_a_tool_call_is_streamed_too() -> None:
    model = ScriptedModel(CallTool("look_up", {"name": "Ann"}), Say("Yes."))
    async with agent.run_stream("Ann?", model=model) as stream:
        assert await stream.get_output() == "Yes."


@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
async def test_the_provider_fails_with_the_error_given(status: int) -> None:
    with pytest.raises(ModelHTTPError) as caught:
        await agent.run("Hello", model=ScriptedModel(Fail(ModelHTTPError(status, "scripted"), after=3)))
    assert (caught.value.status_code, now()) == (status, 3)


async def test_a_stream_breaks_after_what_came_before() -> None:
    model = ScriptedModel([Say("It is "), Fail(ConnectionError("reset"))])
    seen: list[str] = []
    with pytest.raises(ConnectionError):
        async with agent.run_stream("Where?", model=model) as stream:
            async for text in stream.stream_text(delta=True, debounce_by=None):
                seen.append(text)  # noqa: PERF401  # kept when it breaks
    assert "".join(seen) == "It is "


async def test_a_stall_lasts_as_long_as_it_says() -> None:
    async with agent.run_stream("?", model=ScriptedModel([Say("a"), Stall(30), Say("b")])) as stream:
        assert await stream.get_output() == "ab"
    assert now() == 30


async def test_a_stall_without_a_time_is_for_ever() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1e6):
            await agent.run("?", model=ScriptedModel(Stall()))


async def test_more_requests_than_answers_are_an_error_that_says_so() -> None:
    model = ScriptedModel(CallTool("look_up", {"name": "Ann"}))
    with pytest.raises(ScriptEnded, match="request 2, and the script of 'scripted' has 1"):
        await agent.run("?", model=model)


@pytest.mark.parametrize(
    ("option", "mistake"),
    [
        ("script", lambda: ScriptedModel("hello")),  # type: ignore[arg-type]
        ("script", lambda: ScriptedModel([])),
        ("after", lambda: ScriptedModel(Say("x", after=-1))),
        ("seconds", lambda: ScriptedModel(Stall(-1))),
    ],
)
def test_a_wrong_script_is_refused_when_it_is_made(option: str, mistake: Callable[[], object]) -> None:
    with pytest.raises(InvalidOption, match=option):
        mistake()


def test_it_plays_in_a_simulation() -> None:
    async def main() -> tuple[str, float]:
        model = ScriptedModel(CallTool("look_up", {"name": "nobody"}), Say("Nobody.", after=60))
        return (await agent.run("?", model=model)).output, now()

    assert {simulate(main, seed) for seed in range(5)} == {("Nobody.", 60.0)}


def test_a_plain_tool_has_a_thread_which_a_simulation_refuses() -> None:
    plain = Agent()

    @plain.tool_plain
    def look_up_too() -> str:
        return "here"

    async def main() -> None:
        await plain.run("?", model=ScriptedModel(CallTool("look_up_too"), Say("Here.")))

    with pytest.raises(UsageError, match="no threads"):
        simulate(main, 1)
