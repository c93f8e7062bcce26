"""What is sent is what arrives, whatever it is, and fits the JSON Schema that describes it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from desks import BookShelf, DateStack, Desk, Guest, Kind, Room
from hypothesis import given
from hypothesis import strategies as st

from axon.wire import BadMessage, Interface, JSONSchema
from axon.wire._frames import frame_of, value_in

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
DATES = st.dates()
GUESTS = st.builds(Guest, st.text(), st.none() | DATES)
ROOMS = st.builds(Room, number=st.integers(), kind=st.sampled_from(Kind), tags=st.frozensets(st.text(), max_size=3))
EXTRAS = st.fixed_dictionaries({"what": st.text(), "price": DECIMALS})
SPANS = st.timedeltas(timedelta(days=-9999), timedelta(days=9999))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

DESK = Interface(Desk)
LENIENT = Interface(Desk, unknown="ignore")
DATE_STACK, BOOK_SHELF = Interface(DateStack), Interface(BookShelf)
NEWER = Interface(Desk, version=2, migrations={1: dict})
TRUSTED = Interface(Desk, trusted=True)
ARGUMENTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "book": st.fixed_dictionaries({"guest": GUESTS}, optional={"rooms": st.integers(min_value=1)}),
    "keep": st.fixed_dictionaries(
        {"first": st.integers()},
        optional={
            "second": st.text(),
            "copy": FLOATS,
            "_secret": st.binary(),
            "json": st.none() | ROOMS,
            "model_fields": st.none() | st.lists(st.uuids(), max_size=3),
            "extras": st.none() | st.dictionaries(st.text(), EXTRAS, max_size=3),
            "wait": SPANS,
        },
    ),
    "later": st.fixed_dictionaries({"seconds": FLOATS}),
    "seen": st.just({}),
    "crash": st.just({}),
    "lie": st.just({}),
    "note": st.fixed_dictionaries({"what": st.text()}),
    "count": st.fixed_dictionaries({"to": st.integers()}, optional={"broken": st.booleans()}),
}
ANSWERS: dict[str, st.SearchStrategy[Any]] = {
    "book": st.integers(),
    "keep": st.dictionaries(st.text(), JSON, max_size=3),
    "later": st.text(),
    "seen": st.integers(),
    "crash": st.none(),
    "lie": st.integers(),
    "count": ROOMS,
}


def test_a_trusted_interface_describes_the_same_protocol_with_models_built_when_they_are_used() -> None:
    fresh = Interface(Desk, trusted=True)
    assert not any(method.model.__pydantic_complete__ for method in fresh.methods.values())
    assert fresh.schema() == DESK.schema()
    assert all(method.model.__pydantic_complete__ for method in fresh.methods.values())


def test_every_method_is_tried() -> None:
    assert sorted(ARGUMENTS) == sorted(DESK.methods)
    assert sorted(ANSWERS) == sorted(name for name, method in DESK.methods.items() if method.kind != "cast")


def sent(interface: Interface[Any], name: str, given: dict[str, Any]) -> bytes:
    """The message, with the arguments by position that go by position alone."""
    rest, parameters = dict(given), interface.methods[name].signature.parameters.values()
    first = [rest.pop(it.name) for it in parameters if it.kind is it.POSITIONAL_ONLY and it.name in rest]
    method: Callable[..., Any] = getattr(interface.server, name)
    return interface.encode(method, *first, **rest)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ARGUMENTS))
@given(data=st.data())
def test_a_request_arrives_as_it_was_made(name: str, data: st.DataObject) -> None:
    arguments = data.draw(ARGUMENTS[name])

    message = sent(DESK, name, arguments)
    request = DESK.decode(message)

    assert (request.method.name, request.given, request.timeout) == (name, arguments, None)
    assert sent(TRUSTED, name, arguments) == message
    assert TRUSTED.decode(message).given == arguments
    assert JSONSchema(request.method.arguments_schema).problems(json.loads(message)["arguments"]) == ()
    more = {**json.loads(message), "arguments": {**json.loads(message)["arguments"], "unknown": 1}, "also": 2}
    assert LENIENT.decode(json.dumps(more)).given == arguments
    assert NEWER.decode(message).given == NEWER.decode(sent(NEWER, name, arguments)).given == arguments


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ANSWERS))
@given(data=st.data())
def test_an_answer_comes_back_as_it_was_given(name: str, data: st.DataObject) -> None:
    value, method = data.draw(ANSWERS[name]), DESK.methods[name]

    frame = frame_of(method, value)

    assert value_in(method, frame) == value_in(TRUSTED.methods[name], frame_of(TRUSTED.methods[name], value)) == value
    assert method.answer_schema is not None
    (inside,) = json.loads(frame).values()
    assert JSONSchema(method.answer_schema).problems(inside) == ()


@given(st.lists(DATES, min_size=1, max_size=3))
def test_a_generic_server_takes_what_its_class_says(dates: list[date]) -> None:
    first, *rest = dates
    for interface, arguments in (
        (DATE_STACK, {"item": first, "more": rest}),
        (BOOK_SHELF, {"item": dates, "more": [rest]}),
    ):
        assert interface.decode(sent(interface, "push", arguments)).given == arguments


@pytest.mark.parametrize("number", [math.inf, -math.inf])
def test_numbers_that_json_has_no_word_for_arrive(number: float) -> None:
    message = DESK.encode(Desk.later, number)
    json.loads(message, parse_constant=pytest.fail)  # it is JSON as the standard has it
    assert DESK.decode(message).given == {"seconds": number}
    assert math.isnan(DESK.decode(DESK.encode(Desk.later, math.nan)).given["seconds"])


@given(DECIMALS)
def test_decimals_stay_what_they_are(price: Decimal) -> None:
    extras: Any = {"bed": {"what": "bed", "price": price}}
    assert DESK.decode(DESK.encode(Desk.keep, 1, extras=extras)).given["extras"] == extras


@given(st.binary() | st.text() | JSON.map(json.dumps))
def test_no_bytes_at_all_make_decode_fail_in_another_way(data: bytes | str) -> None:
    with pytest.raises(BadMessage):
        DESK.decode(data)
