"""What cannot cross to another process is refused when the spec is made, with the reason."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from port_servers import Counter
from pydantic import SecretStr

import axon
from axon import GenServer, Supervisor, call, child
from axon.port import CannotCross, FrameTooLarge, Limits, isolated
from axon.port._channel import Channel
from axon.port._frames import LARGEST, Decoder, Kind, encode
from axon.port._life import Life
from axon.port._onbehalf import OnBehalf
from axon.port._reasons import error_as_data, error_from_data
from axon.port._requests import Requests
from axon.port._spec import SpecAsData, as_data, from_data
from axon.wire import NotOnWire, RemoteError


class Plain(GenServer[None]):
    """Its fields are what JSON carries, in one way or another."""

    name: str = "x"
    day: date = date(2026, 1, 2)
    where: Path = Path("/tmp")
    pairs: tuple[tuple[str, int], ...] = (("a", 1),)
    options: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    none: int | None = None

    def init(self) -> None: ...


class WithFunction(Plain):
    function: Callable[..., int] = int


class WithSecret(Plain):
    secret: SecretStr = SecretStr("")


class WithObject(Plain):
    thing: object = None


known = {1, 2, 3}


class Unhinted(Plain):
    @call
    def ask(self, state: None, what) -> int:  # type: ignore[no-untyped-def]
        return 3


def test_a_spec_comes_back_as_it_was() -> None:
    spec = Plain(name="y", options={"a": [1.5]})
    again = from_data(as_data(spec))
    assert type(again) is Plain
    assert vars(again) == vars(spec)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (WithFunction(function=lambda: 3), "its field 'function', collections.abc.Callable"),
        (WithSecret(secret=SecretStr("key")), "its field 'secret', SecretStr, does not come back as what it was"),
        (
            WithObject(thing=object()),
            "its field 'thing', object, is no attribute of a module, which would do, and nothing that JSON carries",
        ),
        (Supervisor([]), "a supervisor's children are code"),
    ],
)
def test_a_field_that_json_cannot_carry_is_refused_by_name(spec: GenServer[Any], problem: str) -> None:
    with pytest.raises(CannotCross) as refused:
        isolated(spec)
    assert refused.value.problem.startswith(problem)
    assert "key" not in str(refused.value)


def test_what_json_cannot_carry_crosses_by_where_it_is() -> None:
    """A function, a class, or an attribute of a module: the other process imports that module."""
    for spec in (WithFunction(function=len), WithFunction(function=int), WithObject(thing=known)):
        again = from_data(SpecAsData.model_validate_json(as_data(spec).model_dump_json()))
        assert vars(again) == vars(spec)


def test_a_class_that_another_process_does_not_find_is_refused() -> None:
    class Inner(Counter):
        pass

    with pytest.raises(CannotCross, match="made inside a function; put it into a module"):
        isolated(Inner())


def test_a_handler_that_no_message_can_stand_for_is_refused() -> None:
    with pytest.raises(NotOnWire, match=r"Unhinted\.ask"):
        isolated(Unhinted())


def test_options_are_refused_with_their_values() -> None:
    for options, message in (
        ({"python": "python3"}, "python must be the absolute path"),
        ({"limits": 3}, "limits must be"),
        ({"environ": {"A=B": "c"}}, "environ must be"),
        ({"inherit": "KEY"}, "inherit must be"),
        ({"hang": 0}, "hang must be"),
        ({"start_within": -1}, "start_within must be"),
        ({"grace": -1}, "grace must be"),
    ):
        wrong: Any = options
        with pytest.raises(axon.InvalidOption, match=message):
            isolated(Counter(), **wrong)
    for limits in ({"memory": 10}, {"cpu": 0}, {"open_files": True}, {"file_size": -1}):
        wrong = limits
        with pytest.raises(axon.InvalidOption, match=next(iter(limits))):
            Limits(**wrong)
    with pytest.raises(axon.InvalidOption, match="server"):
        wrong = Counter
        isolated(wrong)


def test_a_spec_says_what_it_is_and_can_be_changed() -> None:
    spec = isolated(Counter(begin=5))
    assert isinstance(spec, Counter)
    assert type(spec).__name__ == "Counter"
    assert child(spec).id == "Counter"
    assert dataclasses.replace(spec, begin=6).begin == 6
    assert repr(spec) == "<Counter not started>"


async def test_an_answer_or_request_that_is_too_large_is_refused_and_nobody_dies() -> None:
    with pytest.raises(FrameTooLarge):
        encode(Kind.REQUEST, 1, bytes(LARGEST + 1))
    assert Decoder().feed(encode(Kind.REQUEST, 1, b"{}")[:5]) == []


class Written(Channel):
    """A channel that keeps what is sent."""

    def write(self, frame: bytes) -> None:
        frames.append(frame)


frames: list[bytes] = []


async def test_what_is_too_large_leaves_its_context_to_no_other_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axon.port._frames.LARGEST", 100)
    monkeypatch.setattr("axon.port._requests.on_behalf", lambda: OnBehalf(callers=("asker",), traceparent=None))
    frames.clear()
    channel = Written(lambda _: None, lambda _: None, lambda: None)
    requests = Requests(axon.process.runtime(), Life(0.0, 1.0, None, 1.0), channel, lambda: None)
    with pytest.raises(FrameTooLarge):
        requests.cast(bytes(101))
    assert frames == []
    requests.cast(bytes(1))
    assert len(frames) == 2, "its context, and the request"


def test_a_type_that_is_named_in_a_frame_is_looked_up_and_nothing_else_is_done() -> None:
    """`pydantic.BaseSettings` would be an import, and that fails."""
    crossing = {"box": {"error_type": "BaseSettings", "message": "m"}, "types": ["pydantic:BaseSettings"]}
    error = error_from_data(json.dumps(crossing).encode())
    assert isinstance(error, RemoteError)
    assert error.error_type == "BaseSettings"


def test_an_error_keeps_its_methods_whatever_its_attributes_are_called() -> None:
    """A child may have set them so."""
    boxed = {"error_type": "ValueError", "message": "m", "details": {"add_note": 1, "with_traceback": 2, "left": 3}}
    error = error_from_data(json.dumps({"box": boxed, "trace": "in crash"}).encode())
    assert isinstance(error, ValueError)
    assert vars(error) == {"left": 3, "__notes__": ["in the child process:\nin crash"]}


@pytest.mark.parametrize("error", [StopIteration("it"), StopAsyncIteration("it")])
def test_an_error_that_means_an_end_to_python_is_another_one(error: Exception) -> None:
    assert type(error_from_data(error_as_data(error))) is RuntimeError
