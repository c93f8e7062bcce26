"""JSON Schemas that come as data are checked when they are given."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from axon import InvalidOption
from axon.wire import InvalidSchema, JSONSchema, Problem

ROOM: dict[str, Any] = {
    "type": "object",
    "properties": {"beds": {"type": "integer", "minimum": 1}, "next": {"$ref": "#/$defs/guest"}},
    "required": ["beds"],
    "$defs": {"guest": {"type": "object", "properties": {"friends": {"type": "array", "items": {"$ref": "#"}}}}},
}


def test_a_value_is_checked_and_told_what_is_wrong_where() -> None:
    room = JSONSchema(ROOM)
    assert room.problems({"beds": 2}) == ()
    assert room.problems({}) == (Problem("", "'beds' is a required property"),)
    assert room.problems({"beds": 2, "next": {"friends": [{"beds": 0}]}}) == (
        Problem("next.friends.0.beds", "0 is less than the minimum of 1"),
    )


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ([], "it is no object"),
        ("object", "it is no object"),
        (None, "it is no object"),
        ({"type": "room"}, "type: 'room' is not valid under any of the given schemas"),
        ({"properties": {"beds": {"minimum": "one"}}}, "properties.beds.minimum: 'one' is not of type 'number'"),
        ({"required": "beds"}, "required: 'beds' is not of type 'array'"),
        ({"$ref": "#/$defs/nobody"}, "it refers to '#/$defs/nobody', which is not in it"),
        ({"items": {"$ref": "https://example.com/x.json"}}, "it refers to 'https://example.com/x.json', which is not"),
        ({"$ref": "file:///etc/passwd"}, "it refers to 'file:///etc/passwd', which is not in it"),
    ],
)
def test_what_is_no_schema_is_refused_when_it_is_given(schema: Any, problem: str) -> None:
    with pytest.raises(InvalidSchema) as refused:
        JSONSchema(schema, option="parameters")
    assert refused.value.option == "parameters"
    assert refused.value.problem.startswith(problem)
    assert isinstance(refused.value, InvalidOption)


def test_an_older_draft_is_what_it_says_it_is() -> None:
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True}
    assert JSONSchema(schema).problems(1) != ()
    with pytest.raises(InvalidSchema):
        JSONSchema({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})


def test_a_value_that_looks_like_a_reference_is_none() -> None:
    assert JSONSchema({"const": {"$ref": "elsewhere"}}).problems({"$ref": "elsewhere"}) == ()


def test_a_schema_that_refers_to_itself_for_ever_ends_in_a_problem() -> None:
    assert JSONSchema({"$ref": "#"}).problems(1) == (
        Problem("", "it is too deep, or the schema refers to itself for ever"),
    )


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(InvalidOption, match=r"pip install 'axon-otp\[schemas\]'"):
        JSONSchema({})
