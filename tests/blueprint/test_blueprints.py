"""Whole agents as data: from a plain dict to a supervised server, and what is wrong with it is said at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_ai import Agent, RunContext

import axon
from axon import InvalidOption, Supervisor, child
from axon.agent import AgentServer
from axon.blueprint import (
    AgentBlueprint,
    InvalidDeps,
    InvalidTemplate,
    Targets,
    UnknownTarget,
    UnknownVariable,
    deps_from,
    structured_dict,
)
from axon.store import MemoryStore
from axon.testing.models import Say, ScriptedModel
from axon.wire import InvalidSchema, JSONSchema
from tool_parts import Desk, book, calling, definitions_of, stopped, told

CLERK: dict[str, Any] = {
    "name": "clerk",
    "model": "test",
    "instructions": {"template": "You are the clerk of {{ house }}. Today is {{ today }}."},
    "deps": {"house": "Ritz", "today": "2030-01-31"},
    "deps_schema": {
        "type": "object",
        "properties": {"house": {"type": "string"}, "today": {"type": "string"}},
        "required": ["house"],
    },
    "tools": [
        {"name": "book", "target": {"server": "desk", "method": "book"}},
        {"name": "book_elsewhere", "description": "Book in another house.", "target": {"function": "book"}},
    ],
    "result_schema": {
        "type": "object",
        "properties": {"rooms": {"type": "integer", "minimum": 1}},
        "required": ["rooms"],
    },
}


async def house_rules(ctx: RunContext[dict[str, Any]]) -> str:
    return f"The rules of {ctx.deps['house']}."


OFFERED = Targets(functions={"book": book, "house_rules": house_rules}, servers={"desk": Desk})


def clerk(**fields: Any) -> AgentBlueprint:
    return AgentBlueprint.model_validate({**CLERK, **fields})


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = await axon.start(Desk(), name="desk")
    yield desk
    await stopped(desk)


def instructions_of(result: Any) -> str:
    return str(result.all_messages()[0].instructions)


async def test_a_plain_dict_is_a_whole_agent(desk: Desk) -> None:
    blueprint = AgentBlueprint.model_validate_json(json.dumps(CLERK))
    model = calling(("book", {"guest": "Ann"}), ("final_result", {"rooms": 0}), ("final_result", {"rooms": 1}))
    async with Supervisor([child(blueprint.spec(OFFERED, model=model), id="clerk")]) as sup:
        agent = sup.get(AgentServer[dict[str, Any], dict[str, Any]], "clerk")
        assert axon.lookup(AgentServer, "clerk") == agent

        result = await agent.run("A room for Ann")

        assert result.output == {"rooms": 1}
        assert instructions_of(result) == "You are the clerk of Ritz. Today is 2030-01-31."
        first, wrong, _ = told(result.all_messages())
        assert first == ("success", "1 single for Ann until None")
        assert wrong[0] == "retried"
        assert "0 is less than the minimum of 1" in str(wrong[1])
        assert await desk.guests() == ["Ann"]


async def test_the_model_of_the_blueprint_is_a_name() -> None:
    agent = await axon.start(AgentBlueprint(name="echo", model="test").spec())
    assert (await agent.run("hello")).output == "success (no tool calls)"
    await stopped(agent)


async def test_a_run_may_bring_dependencies_as_data() -> None:
    agent = await axon.start(clerk(tools=[], result_schema=None).spec(OFFERED, model=ScriptedModel(Say("hi"))))
    result = await agent.run("hello", deps=deps_from(agent, {"house": "Savoy", "today": "now"}))
    assert instructions_of(result) == "You are the clerk of Savoy. Today is now."
    with pytest.raises(InvalidDeps, match="house: 7 is not of type 'string'"):
        deps_from(agent, {"house": 7})
    with pytest.raises(UnknownVariable, match="'today' is undefined"):  # which the schema allows
        await agent.run("hello", deps=deps_from(agent, {"house": "Savoy"}))
    await stopped(agent)


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ("You are {{ not }} a template.", "You are {{ not }} a template."),
        ({"function": "house_rules"}, "The rules of Ritz."),
        ({"template": "{{ house | upper }}"}, "RITZ"),
    ],
)
async def test_instructions_are_a_text_a_function_or_a_template(instructions: Any, expected: str) -> None:
    blueprint = clerk(instructions=instructions, tools=[], result_schema=None)
    agent = await axon.start(blueprint.spec(OFFERED, model=ScriptedModel(Say("hi"))))
    assert instructions_of(await agent.run("hello")) == expected
    await stopped(agent)


@pytest.mark.slow
async def test_with_a_store_it_goes_on_after_a_kill_with_its_dependencies_and_its_result() -> None:
    store = MemoryStore()
    model = ScriptedModel(Say("thinking", after=10), Say("thinking", after=10))
    spec = clerk(tools=[], result_schema=None).spec(OFFERED, model=model, store=store)
    async with Supervisor([child(spec, id="clerk")]) as sup:
        agent = sup.get(AgentServer[Any, Any], "clerk")
        deps = deps_from(agent, {"house": "Savoy", "today": "now"})
        asking = asyncio.create_task(agent.run("hello", deps=deps, message_id="1"))
        await asyncio.sleep(5)
        axon.exit(agent, axon.kill)
        assert instructions_of(await asking) == "You are the clerk of Savoy. Today is now."
    assert len(model.asked) == 2

    structured = clerk(tools=[]).spec(OFFERED, model=calling(("final_result", {"rooms": 2})), store=MemoryStore())
    async with Supervisor([child(structured, id="clerk")]) as sup:
        agent = sup.get(AgentServer[Any, Any], "clerk")
        assert (await agent.run("hello", message_id="1")).output == {"rooms": 2}
        axon.exit(agent, axon.kill)
        await asyncio.sleep(1)
        assert (await agent.run("hello", message_id="1")).output == {"rooms": 2}


def test_it_is_json() -> None:
    assert AgentBlueprint.model_validate_json(clerk().model_dump_json()) == clerk()
    assert AgentBlueprint.model_json_schema()["required"] == ["name"]


# -- on top of an agent in code


@dataclass
class House:
    name: str
    opened: date


class Ours:
    """An agent with instructions, a tool and a type of its own."""

    agent = Agent(deps_type=House, instructions="Be polite.", name="ours")


@Ours.agent.tool
async def age(ctx: RunContext[House]) -> int:
    return 2030 - ctx.deps.opened.year


async def test_a_blueprint_adds_to_an_agent_in_code_which_stays_as_it_is() -> None:
    blueprint = AgentBlueprint.model_validate(
        {
            "name": "clerk",
            "instructions": {"template": "You are the clerk of {{ name }}."},
            "deps": {"name": "Ritz", "opened": "1906-05-24"},
            "tools": [{"name": "book", "target": {"function": "book"}}],
            "result_schema": CLERK["result_schema"],
        }
    )
    model = calling(("age", {}), ("book", {"guest": "Ann"}), ("final_result", {"rooms": 1}))
    agent = await axon.start(blueprint.spec(OFFERED, agent=Ours.agent, model=model))
    result = await agent.run("hello")
    assert result.output == {"rooms": 1}
    assert instructions_of(result).split("\n\n") == ["Be polite.", "You are the clerk of Ritz."]
    assert [what for _, what in told(result.all_messages())][:2] == [124, "1 single for Ann until None"]
    await stopped(agent)
    assert list(await definitions_of(Ours.agent)) == ["age"]


def test_its_own_dependencies_count() -> None:
    with pytest.raises(UnknownVariable, match="'house' is undefined; there is name, opened"):
        AgentBlueprint.model_validate({"name": "clerk", "instructions": {"template": "{{ house }}"}}).spec(
            agent=Ours.agent
        )
    with pytest.raises(InvalidDeps, match="opened: Input should be a valid date") as refused:
        AgentBlueprint(name="clerk", deps={"name": "secret", "opened": "long ago"}).spec(agent=Ours.agent)
    assert "secret" not in str(refused.value)
    assert [problem.where for problem in refused.value.problems] == ["opened"]
    with pytest.raises(InvalidOption, match="deps_schema must be None for an agent in code"):
        clerk().spec(OFFERED, agent=Ours.agent)


def test_dependencies_from_data_are_of_the_agents_type() -> None:
    assert deps_from(Ours.agent, {"name": "Ritz", "opened": "1906-05-24"}) == House("Ritz", date(1906, 5, 24))
    assert deps_from(Agent(), {"anything": 1}) == {"anything": 1}
    with pytest.raises(InvalidDeps, match="which cannot be made of data"):
        deps_from(Agent(deps_type=asyncio.Lock), {})


# -- what is refused


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"name": ""}, "name"),
        ({"model": 7}, "model"),
        ({"instructions": {"text": "x"}}, "instructions"),
        ({"deps": ["x"]}, "deps"),
        ({"deps_schema": {"type": "house"}}, "deps_schema"),
        ({"result_schema": {"type": "integer"}}, "result_schema"),
        ({"result_schema": {"type": "object", "properties": 7}}, "result_schema"),
        ({"tools": [{"name": "x"}]}, "tools"),
        ({"tools": [{"name": "x", "target": {"function": "f"}, "parameters": {"type": "room"}}]}, "tools"),
        ({"tools": CLERK["tools"] * 2}, ""),
        ({"prompt": "x"}, "prompt"),
    ],
)
def test_what_is_no_blueprint_says_where(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as refused:
        clerk(**fields)
    assert {str((*problem["loc"], "")[0]) for problem in refused.value.errors()} == {where}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"instructions": {"function": "cook"}}, UnknownTarget),
        ({"instructions": {"template": "{{ hous }}"}}, UnknownVariable),
        ({"instructions": {"template": "{{ house"}}, InvalidTemplate),
        ({"tools": [{"name": "x", "target": {"function": "cook"}}]}, UnknownTarget),
        ({"deps": {"house": 7}}, InvalidDeps),
        ({"deps": {}}, InvalidDeps),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_starts(fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        clerk(**fields).spec(OFFERED)


def test_an_output_that_refers_to_itself_is_refused() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}}}}
    with pytest.raises(InvalidSchema):
        structured_dict(JSONSchema(schema))
