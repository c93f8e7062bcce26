"""From a signature to the model of its message and to JSON Schema; what no message can stand for is refused by name."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from datetime import date
from threading import Lock
from typing import Any

import pytest
from desks import BookShelf, DateStack, Desk, Guest, Stack
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

import axon
from axon import GenServer, InvalidHandler, InvalidOption, stream
from axon.wire import Interface, NotOnWire, method_of


def test_a_handler_has_a_model_named_and_typed_with_its_defaults_and_its_docstring() -> None:
    model = method_of(Desk.book).model

    assert model.__name__ == "book"
    assert model.__doc__ == "Book rooms for a guest."
    assert model.model_validate_json('{"guest": {"name": "Ann", "born": "2000-01-31"}}').model_dump() == {
        "guest": Guest("Ann", date(2000, 1, 31)).__dict__,
        "rooms": 1,
    }
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        model.model_validate({"guest": {"name": "Ann"}, "rooms": 0})


def test_the_json_schema_of_the_arguments() -> None:
    schema = method_of(Desk.book).arguments_schema
    assert schema["required"] == ["guest"]
    assert schema["properties"]["rooms"] == {"default": 1, "minimum": 1, "title": "Rooms", "type": "integer"}
    assert schema["description"] == "Book rooms for a guest."
    assert schema["additionalProperties"] is False


def test_the_json_schema_of_the_answer() -> None:
    assert method_of(Desk.book).answer_schema == {"type": "integer"}
    assert method_of(Desk.later).answer_schema == {"type": "string"}
    assert method_of(Desk.note).answer_schema is None
    items = method_of(Desk.count).answer_schema
    assert items is not None
    assert items["$ref"] == "#/$defs/Room"
    assert set(items["$defs"]) == {"Room", "Kind"}


def test_parameters_may_have_any_name() -> None:
    method = method_of(Desk.keep)
    assert list(method.arguments_schema["properties"]) == list(method.signature.parameters)


def test_the_signature_has_hints_and_no_texts() -> None:
    assert method_of(Desk.book).signature.parameters["guest"].annotation is Guest
    assert method_of(Desk.later).signature.return_annotation is str


@pytest.mark.parametrize(
    ("method", "hint", "hints"),
    [
        (method_of(Stack[Any].push, Stack[int]), int, list[int] | None),
        (method_of(Stack[Any].push, DateStack), date, list[date] | None),
        (method_of(DateStack().push), date, list[date] | None),
        (method_of(Stack[Any].push, BookShelf), list[date], list[list[date]] | None),
    ],
)
def test_type_variables_are_what_the_class_says(method: Any, hint: object, hints: object) -> None:
    assert method.signature.parameters["item"].annotation == hint
    assert method.signature.parameters["more"].annotation == hints


def test_a_whole_protocol_is_data() -> None:
    schema = Interface(Desk).schema()
    assert (schema["server"], schema["description"], schema["version"]) == ("Desk", "The front desk.", 1)
    assert {name: method["kind"] for name, method in schema["methods"].items()} == {
        "book": "call",
        "count": "stream",
        "crash": "call",
        "keep": "call",
        "later": "call",
        "lie": "call",
        "note": "cast",
        "seen": "call",
    }
    book = schema["methods"]["book"]
    assert (book["description"], book["timeout"], book["errors"]) == ("Book rooms for a guest.", 2.0, ["NoRoom"])
    assert TypeAdapter(Any).dump_json(schema)


def test_only_what_is_offered_is_there() -> None:
    assert list(Interface(Desk, methods=["book", "_private"]).methods) == ["book", "_private"]
    assert "_private" not in Interface(Desk).methods


# -- what is refused


class Bad(GenServer[None]):
    @axon.call
    def a_lock(self, state: None, lock: Lock) -> None: ...
    @axon.call
    def a_function(self, state: None, function: Callable[[int], int]) -> None: ...
    @axon.call
    def a_handle(self, state: None, desk: Desk) -> None: ...
    @axon.call
    def handles(self, state: None) -> list[Desk]:
        return []

    @axon.call
    def a_lock_back(self, state: None) -> Lock:
        return Lock()

    @axon.call
    def stars(self, state: None, *what: int) -> None: ...
    @axon.call
    def two_stars(self, state: None, /, **what: int) -> None: ...
    @stream
    async def locks(self, state: None) -> AsyncIterator[Lock]:
        yield Lock()


def no_hint(self: Any, state: Any, what: int) -> None: ...
def no_answer(self: Any, state: Any, what: int) -> int:
    return what


def unknown(self: Any, state: Any, what: int) -> None: ...


del no_hint.__annotations__["what"], no_answer.__annotations__["return"]
unknown.__annotations__["what"] = "Nowhere"
Worse: Any = type("Bad", (Bad,), {function.__name__: axon.call(function) for function in (no_hint, no_answer, unknown)})


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a_lock", "its parameter 'lock' of type .* is nothing that JSON carries"),
        ("a_function", "its parameter 'function' of type .* is nothing that JSON carries"),
        ("a_handle", "its parameter 'desk' of type Desk is nothing that JSON carries"),
        ("handles", "its answer of type .* is nothing that JSON carries"),
        ("a_lock_back", "its answer of type .* is nothing that JSON carries"),
        ("locks", "its answer of type .* is nothing that JSON carries"),
        ("no_hint", "its parameter 'what' has no hint"),
        ("no_answer", "its answer has no hint"),
        ("stars", r"takes \*what: the fields of a message have names"),
        ("two_stars", r"takes \*\*what: the fields of a message have names"),
        ("unknown", "its hints cannot be read: name 'Nowhere' is not defined"),
    ],
)
def test_what_no_message_can_stand_for_is_refused_when_it_is_asked_for(name: str, problem: str) -> None:
    with pytest.raises(NotOnWire, match=rf"Bad\.{name}: {problem}") as refused:
        Interface(Worse, methods=[name])
    assert isinstance(refused.value, InvalidHandler)
    assert refused.value.handler == f"Bad.{name}"
    with pytest.raises(NotOnWire, match=problem):
        method_of(getattr(Worse, name))


def test_one_that_cannot_be_offered_keeps_the_whole_class_from_being_offered() -> None:
    with pytest.raises(NotOnWire):
        Interface(Bad)
    assert list(Interface(Bad, methods=[]).methods) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("methods", ["book", "cook"]),
        ("methods", "book"),
        ("version", 0),
        ("version", True),
        ("version", "1"),
        ("unknown", "allow"),
        ("migrations", {1: dict}),
        ("server", int),
        ("server", "Desk"),
    ],
)
def test_an_option_that_cannot_be(option: str, value: object) -> None:
    options: dict[str, Any] = {"server": Desk, option: value}
    with pytest.raises(InvalidOption) as refused:
        Interface(**options)
    assert refused.value.option == option


def test_a_version_needs_the_migrations_to_it() -> None:
    with pytest.raises(InvalidOption, match="one from each of the versions 1 to 2"):
        Interface(Desk, version=3, migrations={2: dict})


def test_a_method_is_a_handler() -> None:
    with pytest.raises(InvalidOption):
        method_of(inspect.cleandoc)


# -- handles inside pydantic models


class Holder(BaseModel):
    desk: Desk


async def test_a_handle_in_a_model_is_checked_by_its_class_and_is_never_json() -> None:
    desk = await axon.start(Desk())
    holder = Holder(desk=desk)
    assert holder.desk is desk
    with pytest.raises(ValidationError):
        Holder.model_validate({"desk": {"rooms": 3}})
    with pytest.raises(PydanticSerializationError, match="is an address in one event loop"):
        holder.model_dump_json()
    await axon.stop(desk)
