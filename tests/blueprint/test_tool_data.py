"""Tools as data: what is wrong with them is said when they are given, and otherwise they are tools like any other."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_ai import Agent, RunContext, Tool

import axon
from axon import InvalidOption
from axon.agent import tool_of
from axon.blueprint import TargetMismatch, Targets, ToolBlueprint, UnknownTarget, toolset_of
from tool_parts import Desk, book, definitions_of, outcome_of, stopped


async def days_between(first: date, last: date) -> int:
    """The number of days from one date to another."""
    return (last - first).days


async def whoami(ctx: RunContext[str]) -> str:
    return ctx.deps


OFFERED = Targets(
    functions={"book": book, "days_between": days_between, "calendar.days_between": days_between, "whoami": whoami},
    servers={"desk": Desk},
)
DATES = {
    "type": "object",
    "properties": {
        "first": {"type": "string", "format": "date", "description": "count from here"},
        "last": {"type": "string", "format": "date", "pattern": "^20"},
    },
    "required": ["first", "last"],
}


def blueprint(**fields: Any) -> ToolBlueprint:
    return ToolBlueprint.model_validate({"name": "tool", "target": {"function": "days_between"}, **fields})


def agent_of(*tools: ToolBlueprint, targets: Targets = OFFERED) -> Agent[Any, str]:
    return Agent(toolsets=[toolset_of(tools, targets)])


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = await axon.start(Desk(), name="desk")
    yield desk
    await stopped(desk)


# -- what they do


async def test_a_function_by_its_name() -> None:
    agent = agent_of(blueprint(parameters=DATES, description="Count."))
    assert await outcome_of(agent, "tool", {"first": "2030-01-01", "last": "2030-01-31"}) == ("success", 30)
    seen = (await definitions_of(agent))["tool"]
    assert (seen.description, seen.parameters_json_schema) == ("Count.", DATES)


@pytest.mark.parametrize("key", ["target", "handler"])
async def test_a_function_of_a_module_is_a_name_that_is_offered_and_nothing_is_imported(key: str) -> None:
    tool = ToolBlueprint.model_validate({"name": "tool", key: {"module": "calendar", "function": "days_between"}})
    assert (await outcome_of(agent_of(tool), "tool", {"first": "2030-01-01", "last": "2030-01-02"}))[1] == 1
    tool = ToolBlueprint.model_validate({"name": "tool", key: {"module": "antigravity", "function": "geohash"}})
    with pytest.raises(UnknownTarget, match=r"the function 'antigravity\.geohash', which is not offered"):
        agent_of(tool)
    assert "antigravity" not in sys.modules


async def test_a_function_may_take_the_context() -> None:
    agent = Agent(deps_type=str, toolsets=[toolset_of([blueprint(target={"function": "whoami"})], OFFERED)])
    assert (await definitions_of(agent))["tool"].parameters_json_schema["properties"] == {}


async def test_a_call_of_an_actor_by_its_registered_name(desk: Desk) -> None:
    agent = agent_of(blueprint(target={"server": "desk", "method": "book"}))
    assert await outcome_of(agent, "tool", {"guest": "Ann"}) == ("success", "1 single for Ann until None")
    assert await outcome_of(agent, "tool", {"guest": "Ann", "rooms": 9}) == ("failed", "NoRoom: 2 rooms are free")
    assert await desk.guests() == ["Ann"]


async def test_the_actor_is_looked_up_for_each_call() -> None:
    agent = agent_of(blueprint(target={"server": "desk", "method": "guests"}))
    assert await outcome_of(agent, "tool", {}) == ("failed", "Desk.guests is not available now. Nothing was done.")
    desk = await axon.start(Desk(), name="desk")
    assert await outcome_of(agent, "tool", {}) == ("success", [])
    await stopped(desk)
    other = await axon.start(axon.TaskSupervisor(), name="desk")
    assert await outcome_of(agent, "tool", {}) == (
        "failed",
        "Desk.guests is not available: its name belongs to another server. Nothing was done.",
    )
    await stopped(other)


async def test_arguments_are_held_to_the_schema_before_the_target_is_called() -> None:
    agent = agent_of(blueprint(parameters=DATES))
    assert await outcome_of(agent, "tool", {"first": "2030-01-01", "last": "1930-01-31"}) == (
        "retried",
        "The arguments do not fit: last: '1930-01-31' does not match '^20'",
    )
    assert (await outcome_of(agent, "tool", '{"first": "2030-01-01", "last": "1930-01-31"}'))[0] == "retried"
    how, problems = await outcome_of(agent, "tool", {"first": "soon", "last": "2030-01-31"})
    assert (how, problems[0]["loc"]) == ("retried", ["first"])


async def test_how_it_is_run_is_data_too() -> None:
    tool = blueprint(idempotent=True, requires_approval=True, sequential=True).tool(OFFERED)
    assert (tool.metadata, tool.requires_approval, tool.sequential) == ({"idempotent": True}, True, True)


def test_it_is_json() -> None:
    tool = blueprint(parameters=DATES, target={"server": "desk", "method": "book"})
    assert ToolBlueprint.model_validate_json(tool.model_dump_json()) == tool


# -- as in code

ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "guest": st.text(max_size=5) | st.integers(),
        "rooms": st.integers(0, 5) | st.sampled_from(["3", "three", None, 2.0, 2.5]),
        "kind": st.sampled_from(["single", "double", "triple", 1]),
        "until": st.none() | st.dates().map(str) | st.just("soon"),
        "extra": st.integers(),
    },
)


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("AXON_EXAMPLES", "40")))
@given(arguments=ARGUMENTS, as_text=st.booleans(), given_schema=st.booleans(), actor=st.booleans())
async def test_a_tool_as_data_is_the_same_tool_in_code(
    arguments: dict[str, Any], as_text: bool, given_schema: bool, actor: bool
) -> None:
    """The model sees the same of it, and is told the same, whatever it sends."""
    sent = json.dumps(arguments) if as_text else arguments
    desk = await axon.start(Desk(rooms=4), name="desk") if actor else None
    in_code: Tool[Any] = Tool(book) if desk is None else tool_of(desk.book)
    target = {"function": "book"} if desk is None else {"server": "desk", "method": "book"}
    schema = in_code.function_schema.json_schema if given_schema else None
    as_data = blueprint(name="book", parameters=schema, target=target)

    theirs, ours = Agent[Any, str](tools=[in_code]), agent_of(as_data)

    seen, shown = (await definitions_of(theirs))["book"], (await definitions_of(ours))["book"]
    assert (shown.description, shown.parameters_json_schema) == (seen.description, seen.parameters_json_schema)
    expected = await outcome_of(theirs, "book", sent)
    if desk is not None:
        await stopped(desk)
        desk = await axon.start(Desk(rooms=4), name="desk")
    assert await outcome_of(ours, "book", sent) == expected
    if desk is not None:
        await stopped(desk)


# -- what is refused


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"type": "room"}, r"parameters\n  Value error, parameters must be a JSON Schema \(type: 'room' is not valid"),
        ({"type": "array"}, "its type must be 'object'"),
        ({}, "its type must be 'object'"),
        ({"type": "object", "properties": 7}, "properties: 7 is not of type 'object'"),
        ({"type": "object", "$ref": "https://example.com"}, "it refers to 'https://example.com', which is not in it"),
    ],
)
def test_a_schema_that_is_none_is_refused_when_it_is_given(parameters: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        blueprint(parameters=parameters)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "no spaces"},
        {"name": ""},
        {"name": "x" * 65},
        {"target": {}},
        {"target": {"function": "book", "server": "desk"}},
        {"target": {"server": "desk"}},
        {"target": "book"},
        {"aim": {"function": "book"}},
    ],
)
def test_what_is_no_tool_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        blueprint(**fields)


@pytest.mark.parametrize(
    ("target", "what", "known"),
    [
        ({"function": "cook"}, "the function 'cook'", ("book", "calendar.days_between", "days_between", "whoami")),
        ({"server": "bar", "method": "book"}, "the server 'bar'", ("desk",)),
        ({"server": "desk", "method": "cook"}, "the method 'cook' of 'desk'", Ellipsis),
        ({"server": "desk", "method": "ring"}, "the method 'ring' of 'desk'", Ellipsis),
        ({"server": "desk", "method": "init"}, "the method 'init' of 'desk'", Ellipsis),
    ],
)
def test_a_target_that_is_not_offered_is_refused_with_those_that_are(target: Any, what: str, known: Any) -> None:
    with pytest.raises(UnknownTarget, match=what) as refused:
        toolset_of([blueprint(target=target)], OFFERED)
    calls = ("book", "crash", "guests", "wait", "wait_longer")
    assert (refused.value.tool, refused.value.known) == ("tool", calls if known is Ellipsis else known)
    with pytest.raises(UnknownTarget, match="but nothing") as refused:
        toolset_of([blueprint(target=target)], Targets())


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"first": {}}, "it needs last"),
        ({"first": {}, "last": {}, "middle": {}}, "it takes no middle, but first, last"),
    ],
)
def test_a_schema_that_does_not_fit_its_target_is_refused(properties: dict[str, Any], problem: str) -> None:
    with pytest.raises(TargetMismatch, match=problem) as refused:
        toolset_of([blueprint(parameters={"type": "object", "properties": properties})], OFFERED)
    assert refused.value.problem == problem


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidOption, match="tools of different names"):
        toolset_of([blueprint(), blueprint()], OFFERED)


@pytest.mark.parametrize(
    ("option", "value"),
    [("functions", {"book": 7}), ("functions", [book]), ("servers", {"desk": int}), ("servers", [Desk])],
)
def test_targets_that_cannot_be(option: str, value: Any) -> None:
    with pytest.raises(InvalidOption) as refused:
        Targets(**{option: value})
    assert refused.value.option == option


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(ValidationError, match=r"pip install 'axon-otp\[schemas\]'"):
        blueprint(parameters=DATES)
    assert blueprint().parameters is None
