"""Exit reasons and errors as JSON, and back with their types: an error of a type that is loaded on both sides, and of no
other; nothing is imported by a name that comes in a frame.
"""

from __future__ import annotations

import builtins
import sys
import traceback
from collections.abc import Iterable
from types import ModuleType

from pydantic import BaseModel

from ..errors import ServerDied
from ..process import ExitReason, Reason, normal
from ..wire import BoxedError

LONGEST_TRACE = 8000
"""Characters of a traceback that cross."""

_BUILTIN = [
    error for error in vars(builtins).values() if isinstance(error, type) and issubclass(error, Exception)
]  # of two of one name the first counts: OSError, and not IOError


class Crossing(BaseModel, frozen=True):
    """An error, or an exit reason. types: of all errors in it, where they are defined, as `module:name`."""

    box: BoxedError
    types: tuple[str, ...] = ()
    trace: str = ""


def reason_as_data(reason: ExitReason) -> bytes:
    """A reason as JSON."""
    return _crossing(ServerDied("", reason), reason if isinstance(reason, BaseException) else None)


def reason_from_data(data: bytes) -> ExitReason:
    """The reason in these bytes. Raises pydantic's `ValidationError`."""
    crossing = Crossing.model_validate_json(data)
    died = crossing.box.error(_known(crossing.types, ()))
    reason: object = getattr(died, "reason", None)
    if isinstance(reason, Exception):
        _note(reason, crossing.trace)
        return reason
    return reason if isinstance(reason, Reason) else died if reason is None else normal


def error_as_data(error: Exception) -> bytes:
    """An error as JSON."""
    return _crossing(error, error)


def error_from_data(data: bytes, declared: Iterable[type[Exception]] = ()) -> Exception:
    """The error in these bytes. Raises pydantic's `ValidationError`."""
    crossing = Crossing.model_validate_json(data)
    error = crossing.box.error(_known(crossing.types, declared))
    if isinstance(error, StopIteration | StopAsyncIteration):  # no future takes these, and they would end a stream
        error = RuntimeError(f"the server answered with {error!r}")
    _note(error, crossing.trace)
    return error


def _crossing(boxed: BaseException, shown: BaseException | None) -> bytes:
    trace = "" if shown is None else "".join(traceback.format_exception(shown))[-LONGEST_TRACE:]
    types = tuple(dict.fromkeys(f"{type(error).__module__}:{type(error).__qualname__}" for error in _within(shown)))
    return Crossing(box=BoxedError.of(boxed), types=types, trace=trace).model_dump_json().encode()


def _within(error: BaseException | None) -> Iterable[BaseException]:
    """An error, and those that its attributes hold."""
    found = [] if error is None else [error]
    for one in found[:100]:
        inner: list[object] = [*vars(one).values(), *getattr(one, "exceptions", ())]
        found += [value for value in inner if isinstance(value, BaseException)]
    return found


def _known(types: Iterable[str], declared: Iterable[type[Exception]]) -> list[type[Exception]]:
    known: list[type[Exception]] = []
    for name in types:
        module, _, qualified = name.partition(":")
        found: object = sys.modules.get(module)
        for part in qualified.split("."):  # what is there already: `getattr` may import, or do anything else
            found = vars(found).get(part) if isinstance(found, type | ModuleType) else None
        if isinstance(found, type) and issubclass(found, Exception):
            known.append(found)
    return [*known, *declared, *_BUILTIN]


def _note(error: BaseException, trace: str) -> None:
    """Where it happened is told with it, wherever it is shown: its own traceback begins here."""
    if trace:
        error.add_note("in the child process:\n" + trace)
