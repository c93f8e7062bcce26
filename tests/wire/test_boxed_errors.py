"""Errors as data: what comes back is of the same type if that is known, and named if it is not; nothing is imported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from desks import NoRoom, NoRoomTonight
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import axon
from axon import (
    AnswerCancelled,
    AxonError,
    CallCycle,
    CallTimeout,
    ChildNotFound,
    DeadlineExceeded,
    Ignored,
    InvalidHandler,
    InvalidOption,
    MailboxFull,
    MaxChildrenReached,
    NameTaken,
    NoMembers,
    NoProcess,
    ServerDied,
    StartFailed,
    SupervisorDied,
    TaskExit,
    TaskTimeout,
    killed,
    shutdown,
)
from axon.wire import BadMessage, BoxedError, Problem, RemoteError, UnknownMethod, UnknownVersion

TREE: list[Exception] = [
    AxonError("something"),
    InvalidOption("timeout", -1, "a number of seconds"),
    InvalidHandler("Desk.book", "takes no state"),
    NoProcess("root/desk", "it has ended", restart_in=0.5),
    NoMembers("clerks"),
    ServerDied("root/desk", killed),
    ServerDied("root/desk", shutdown("enough")),
    ServerDied("root/desk", CallTimeout("root/other", 5.0)),
    CallTimeout("root/desk", 5.0),
    DeadlineExceeded("root/desk"),
    AnswerCancelled("root/desk"),
    CallCycle(["a", "b"]),
    MailboxFull("root/desk", 3, "book(…)"),
    StartFailed("desk", shutdown),
    Ignored("desk"),
    NameTaken("desk", "root/one", "root/two"),
    ChildNotFound("root", "desk"),
    MaxChildrenReached("root", "desk", 3),
    TaskExit("task", killed),
    TaskTimeout("task", 2.0),
    SupervisorDied("root", shutdown, "more than 3 restarts"),
    BadMessage([Problem("arguments.by", "Field required")]),
    UnknownMethod("cook", ["book"]),
    UnknownVersion(3, 2),
    RemoteError("KeyError", "'x'", {"args": ["x"]}),
]


def there_and_back(error: BaseException, known: Any = ()) -> Exception:
    return BoxedError.model_validate_json(BoxedError.of(error).model_dump_json()).error(known)


@pytest.mark.parametrize("error", TREE, ids=lambda error: type(error).__name__)
def test_axons_own_errors_come_back_as_themselves(error: Exception) -> None:
    back = there_and_back(error)
    assert type(back) is type(error)
    assert str(back) == str(error)
    shown = {name: value for name, value in vars(back).items() if not isinstance(value, Exception)}
    expected = {name: value for name, value in vars(error).items() if not isinstance(value, Exception)}
    assert repr(shown) == repr(expected).replace("Problem(where=", "(").replace("what=", "")
    assert repr(back.__cause__) == repr(error.__cause__)


async def test_the_error_of_a_real_server_names_it() -> None:
    class Silent(axon.GenServer[None]):
        def init(self) -> None: ...
        @axon.call(timeout=1)
        def ask(self, state: None) -> axon.Reply[int]:
            return axon.Reply()

    silent = await axon.start(Silent(), name="silent")
    with pytest.raises(CallTimeout) as caught:
        await silent.ask()
    back = there_and_back(caught.value)
    assert isinstance(back, CallTimeout)
    assert (back.target, back.after) == (caught.value.target, 1)
    await axon.stop(silent)


def test_an_error_that_is_not_known_is_named() -> None:
    back = there_and_back(NoRoom(3, 1))
    assert isinstance(back, RemoteError)
    assert (back.error_type, back.message, back.details) == (
        "NoRoom",
        "3 rooms were wanted, 1 are free",
        {"wanted": 3, "free": 1},
    )
    assert str(back) == "NoRoom: 3 rooms were wanted, 1 are free"


def test_an_error_that_is_passed_on_stays_what_it_was() -> None:
    once = there_and_back(NoRoom(3, 1))
    twice = there_and_back(once, [NoRoom])
    assert isinstance(twice, NoRoom)
    assert (twice.wanted, twice.free) == (3, 1)


def test_a_known_error_brings_its_subclasses_along() -> None:
    assert type(there_and_back(NoRoomTonight(2, 1), [NoRoom])) is NoRoomTonight


def test_a_builtin_brings_none() -> None:
    assert type(there_and_back(ValueError("x"), [ValueError])) is ValueError
    assert type(there_and_back(KeyError("x"), [LookupError])) is RemoteError
    back = there_and_back(KeyError("x"), [KeyError])
    assert (type(back), back.args, str(back)) == (KeyError, ("x",), "'x'")


def test_of_two_errors_of_one_name_the_declared_one_counts() -> None:
    class CallTimeout(Exception):
        """The program's own."""

    assert type(there_and_back(CallTimeout("mine"), [CallTimeout])) is CallTimeout
    assert type(there_and_back(CallTimeout("mine"))) is axon.CallTimeout


def test_the_problems_of_a_validation_error_are_its_details() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[int]).validate_python(["secret"])
    box = BoxedError.of(caught.value)
    assert box.error_type == "ValidationError"
    assert box.details == [
        {
            "type": "int_parsing",
            "loc": [0],
            "msg": "Input should be a valid integer, unable to parse string as an integer",
        }
    ]
    assert "secret" not in box.model_dump_json()


def test_errors_inside_errors_are_boxes_inside_boxes() -> None:
    back = there_and_back(ExceptionGroup("both", [NoRoom(2, 1), CallTimeout("desk", 1.0)]), [NoRoom])
    assert isinstance(back, RemoteError)
    inside: Any = back.details
    assert [one["error_type"] for one in inside["exceptions"]] == ["NoRoom", "CallTimeout"]


def test_what_json_cannot_carry_is_shown() -> None:
    class Odd(Exception):
        """Carries what is no JSON."""

    error = Odd("a name that is no text: \udcff")
    error.__dict__.update(path=Path("x"), bytes=b"\x00", number=float("inf"), many={1}, itself=error)
    box = BoxedError.of(error)
    assert box.message == "a name that is no text: \\udcff"
    assert isinstance(box.details, dict)
    assert box.details["bytes"] == "b'\\x00'"
    assert box.details["number"] == "inf"
    assert box.details["many"] == [1]
    assert BoxedError.model_validate_json(box.model_dump_json()) == box


def test_an_error_that_cannot_even_be_shown_is_boxed() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

        __repr__ = __str__

    error = NoRoom(1, 0)
    error.__dict__["inner"] = Broken()
    assert BoxedError.of(Broken()).message == "<Broken that cannot be shown: ValueError>"
    assert BoxedError.of(error).model_dump_json()


@pytest.mark.parametrize(
    "box",
    [
        {"error_type": "os.system", "message": "true"},
        {"error_type": "SystemExit", "message": "1"},
        {"error_type": "subprocess.Popen", "message": "", "details": {"args": ["true"]}},
        {"error_type": "ServerDied", "message": "x", "details": {}},
        {"error_type": "ServerDied", "message": "x", "details": []},
        {"error_type": "CallTimeout", "message": "x", "details": {"args": 7}},
        {"error_type": "CallTimeout", "message": "x", "details": {"__class__": "y", "__dict__": {}, "target": 7}},
        {"error_type": "BoxedError", "message": "x", "details": {"error_type": 1, "message": 2, "details": 3}},
    ],
)
def test_a_message_decides_nothing_but_what_is_said(box: dict[str, Any]) -> None:
    loaded = set(sys.modules)
    error = BoxedError.model_validate(box).error()
    assert isinstance(error, AxonError)
    assert str(error)
    assert repr(error)
    assert set(sys.modules) == loaded


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([type(error).__name__ for error in TREE]), st.text(), JSON)
def test_any_box_can_be_opened(name: str, message: str, details: Any) -> None:
    error = BoxedError(error_type=name, message=message, details=details).error([NoRoom])
    assert isinstance(error, AxonError)
    assert isinstance(str(error), str)
    BoxedError.of(error)
