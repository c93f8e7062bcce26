"""Instructions as Jinja2 templates: they read the dependencies, strictly, and can do nothing else."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, computed_field
from pydantic_ai import Agent
from typing_extensions import TypedDict

import axon
from axon import InvalidOption
from axon.agent import AgentServer
from axon.blueprint import InvalidTemplate, Template, UnknownVariable
from axon.testing.models import Say, ScriptedModel
from tool_parts import stopped


@dataclass
class House:
    name: str
    today: date = date(2030, 1, 31)
    rooms: list[str] = field(default_factory=lambda: ["blue", "green"])
    _key: str = "secret"

    @property
    def size(self) -> int:
        return len(self.rooms)

    def burn(self) -> str:
        self.rooms.clear()
        return "burnt"


class Inn(BaseModel):
    name: str

    @computed_field
    def motto(self) -> str:
        return f"{self.name} first"


class Tent(TypedDict):
    name: str


RITZ = House("Ritz")


@pytest.mark.parametrize(
    ("text", "deps_type", "deps", "expected"),
    [
        ("The clerk of {{ name }}.", House, RITZ, "The clerk of Ritz."),
        ("{{ today }}: {{ today.strftime('%A') }}", House, RITZ, "2030-01-31: Thursday"),
        ("{% for room in rooms %}{{ room.upper() }} {% endfor %}", House, RITZ, "BLUE GREEN "),
        ("{{ size }} of {{ range(9) | length }}", House, RITZ, "2 of 9"),
        ("{% set n = rooms | first %}{{ n | title }}", House, RITZ, "Blue"),
        ("{% macro bold(x) %}**{{ x }}**{% endmacro %}{{ bold(name) }}", House, RITZ, "**Ritz**"),
        ("{{ name }}: {{ motto }}", Inn, Inn(name="Inn"), "Inn: Inn first"),
        ("{{ name }}", Tent, {"name": "Tent"}, "Tent"),
        ("{{ name }}", dict[str, str], {"name": "Anything"}, "Anything"),
        ("{{ name }}", None, RITZ, "Ritz"),
        ("{{ nick | default('none') }}", None, {}, "none"),
        ("{% if nick is defined %}{{ nick }}{% else %}no nick{% endif %}", None, {}, "no nick"),
        ("a text & nothing else <>", None, None, "a text & nothing else <>"),
    ],
)
def test_a_template_reads_the_fields_of_the_dependencies(text: str, deps_type: Any, deps: Any, expected: str) -> None:
    assert Template[Any](text, deps_type).render(deps) == expected


async def test_it_is_the_instructions_of_any_agent_rendered_for_each_run() -> None:
    agent = Agent(
        deps_type=House,
        instructions=Template("The clerk of {{ name }}.", House),
        model=ScriptedModel(Say("hi"), Say("hi")),
    )
    clerk = await axon.start(AgentServer(agent, deps=RITZ))
    first = await clerk.run("who are you?")
    second = await clerk.run("and now?", deps=House("Savoy"))
    asked = [message.instructions for message in second.all_messages() if message.kind == "request"]
    assert asked == ["The clerk of Ritz.", "The clerk of Savoy."]
    assert first.output == "hi"
    await stopped(clerk)


@pytest.mark.parametrize(
    ("deps_type", "known"),
    [(House, ("name", "rooms", "size", "today")), (Inn, ("motto", "name")), (Tent, ("name",)), (type(None), ())],
)
def test_an_unknown_variable_is_refused_when_the_type_tells_its_fields(deps_type: Any, known: tuple[str, ...]) -> None:
    with pytest.raises(UnknownVariable, match="'nmae' is undefined") as refused:
        Template("The clerk of {{ nmae }}.", deps_type)
    assert set(known) <= set(refused.value.known)
    assert isinstance(refused.value, InvalidOption)


async def test_otherwise_it_is_refused_at_the_run_and_the_agent_goes_on() -> None:
    deps_type: type[dict[str, str]] = dict
    agent = Agent(
        deps_type=deps_type, instructions=Template("The clerk of {{ name }}."), model=ScriptedModel(Say("hi"))
    )
    clerk = await axon.start(AgentServer(agent))
    with pytest.raises(UnknownVariable, match="'name' is undefined"):
        await clerk.run("who are you?", deps={"nmae": "Ritz"})
    assert (await clerk.run("who are you?", deps={"name": "Ritz"})).output == "hi"
    await stopped(clerk)


def test_what_is_inside_of_a_variable_is_looked_at_when_it_is_rendered() -> None:
    with pytest.raises(UnknownVariable, match="has no attribute 'yaer'"):
        Template("{{ today.yaer }}", House).render(RITZ)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ name", "line 1: unexpected end of template"),
        ("a\n{% if %}", "line 2: "),
        ("{{ name | nosuchfilter }}", "line 1: No filter named 'nosuchfilter'"),
        ("{% include 'other' %}", "it loads another template"),
        ("{% extends name %}", "it loads another template"),
    ],
)
def test_a_template_that_is_none_is_refused_when_it_is_given(text: str, problem: str) -> None:
    with pytest.raises(InvalidTemplate) as refused:
        Template(text)
    assert refused.value.problem.startswith(problem)


@pytest.mark.parametrize(
    "text",
    [
        "{{ burn() }}",
        "{{ self_.burn() }}",
        "{{ rooms.append('red') }}",
        "{{ rooms.clear() }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ name.__class__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self_._key }}",
        "{{ leak('x') }}",
        "{{ system('true') }}",
        "{{ '{0.__class__}'.format(name) }}",
        "{{ range(10**9) | list }}",
        "{{ 1 / 0 }}",
    ],
)
def test_a_template_cannot_act(text: str) -> None:
    house = House("Ritz")
    deps = {"self_": house, "burn": house.burn, "rooms": house.rooms, "name": "Ritz", "leak": open}
    deps["system"] = __import__("os").system
    with pytest.raises(InvalidTemplate):
        Template(text).render(deps)
    assert house.rooms == ["blue", "green"]


def test_what_is_private_is_not_there() -> None:
    with pytest.raises(UnknownVariable):
        Template("{{ _key }}", House)
    with pytest.raises(UnknownVariable):
        Template("{{ _key }}").render(RITZ)


@pytest.mark.slow
@given(st.text(), st.text(min_size=1))
def test_a_value_is_text_whatever_is_in_it(name: str, text: str) -> None:
    assert Template("{{ name }}").render({"name": name}) == name
    assert Template("{{ name }}").render({"name": "{{ " + text + " }}"}) == "{{ " + text + " }}"


def test_what_is_no_template() -> None:
    for wrong in (7, None, b"x"):
        text: Any = wrong
        with pytest.raises(InvalidOption):
            Template(text)
    assert repr(Template("{{ name }}")) == "Template('{{ name }}')"


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(InvalidOption, match=r"pip install 'axon-otp\[templates\]'"):
        Template("{{ name }}")
