"""Errors as data, and back: by name among those that are known, never by import."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, cast

from pydantic import BaseModel, JsonValue, ValidationError

from ..errors import AxonError
from ..process import Reason
from ._errors import RemoteError

DEPTH = 8
"""So deep errors inside errors, and values inside values, are written out."""


class BoxedError(BaseModel, frozen=True):
    """An exception as data: the name of its type, its text, and what it carries.

        box = BoxedError.of(error)              # {"error_type": "CallTimeout", "message": …, "details": {"after": 5.0, …}}
        raise box.error(known=[OutOfStock])     # CallTimeout again; what is not known is a RemoteError

    details: its public attributes as JSON, what JSON cannot carry as its repr; of a pydantic `ValidationError` the list
    of its problems, without the values. An error inside is a box inside. No traceback crosses an edge.
    """

    error_type: str
    message: str
    details: JsonValue = None

    @classmethod
    def of(cls, error: BaseException) -> BoxedError:
        """The box of an exception. Raises nothing."""
        return cls.model_validate(_boxed(error, DEPTH))

    def error(self, known: Iterable[type[Exception]] = ()) -> Exception:
        """The exception again, without its constructor being called.

        known: types it may have, with their loaded subclasses, before Axon's own errors; of two of one name the first
        counts. Any other is a `RemoteError` that names it.
        """
        return _unboxed(self, {**_by_name([AxonError]), **_by_name(known)})


def _boxed(error: BaseException, depth: int) -> dict[str, JsonValue]:
    if isinstance(error, RemoteError):  # passed on as what it was
        return _box(error.error_type, error.message, _plain(error.details, depth))
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return _box(type(error).__name__, error.title, _plain(found, DEPTH))
    attributes: dict[str, Any] = vars(error)
    details = {_public(error, name): value for name, value in attributes.items() if not name.startswith("__")}
    text = _text(error)
    if not details and error.args != (text,):
        details["args"] = error.args
    group = getattr(error, "exceptions", None)
    if isinstance(group, tuple):
        details["exceptions"] = group
    return _box(type(error).__name__, text, _plain(details, depth) if details else None)


def _box(error_type: str, message: str, details: JsonValue) -> dict[str, JsonValue]:
    return {"error_type": error_type, "message": _clean(message), "details": details}


def _public(error: BaseException, name: str) -> str:
    """`target` for the attribute `_target` that stands behind the property."""
    shown = name.lstrip("_")
    return shown if isinstance(getattr(type(error), shown, None), property) else name


def _plain(value: object, depth: int) -> JsonValue:
    """The value as JSON, as far as it goes."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, str):
        return _clean(value)
    if depth == 0:
        return _text(value, repr)
    if isinstance(value, BaseException):
        return _boxed(value, depth - 1)
    if isinstance(value, Reason):
        said: dict[str, JsonValue] = {"exit": value.name}
        return said if value.term is None else {**said, "term": _plain(value.term, depth - 1)}
    if isinstance(value, Mapping):
        return {_text(key): _plain(item, depth - 1) for key, item in cast("Mapping[object, object]", value).items()}
    items = _items(value)
    if items is not None:
        return [_plain(item, depth - 1) for item in items]
    path = getattr(value, "path", None)  # a process, or what stands for one
    return _clean(path) if isinstance(path, str) else _text(value, repr)


def _items(value: object) -> Iterable[object] | None:
    if isinstance(value, bytes | bytearray | memoryview) or not isinstance(value, Sequence | AbstractSet):
        return None
    return cast("Iterable[object]", value)


def _text(value: object, how: Any = str) -> str:
    try:
        return _clean(how(value))
    except Exception as error:
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _clean(text: str) -> str:
    """The text as UTF-8 can carry it: file names may hold what is no text."""
    return text.encode("utf-8", "backslashreplace").decode()


# -- and back


def _by_name(known: Iterable[type[Exception]]) -> dict[str, type[Exception]]:
    found: dict[str, type[Exception]] = {}
    for error in known:
        for one in _with_subclasses(error):
            found.setdefault(one.__name__, one)
    return found


def _with_subclasses(error: type[Exception]) -> Iterator[type[Exception]]:
    """The type, and what the program has made of it; of a builtin one only itself."""
    yield error
    if error.__module__ != "builtins":
        for one in error.__subclasses__():
            yield from _with_subclasses(one)


def _unboxed(box: BoxedError, known: Mapping[str, type[Exception]]) -> Exception:
    wanted, details = known.get(box.error_type), box.details
    if wanted is None or wanted is RemoteError or not (details is None or isinstance(details, dict)):
        return RemoteError(box.error_type, box.message, details)
    values = {name: _value(value, known) for name, value in (details or {}).items()}
    try:
        error = wanted.__new__(wanted)
        given: Any = values.pop("args", [box.message])
        error.args = tuple(given)
        for name, value in values.items():
            if not name.startswith("__") and not callable(
                getattr(wanted, name, None)
            ):  # its methods stay what they are
                behind = isinstance(getattr(wanted, name, None), property)
                vars(error)[f"_{name}" if behind else name] = value
        reason = values.get("reason")
        cause = reason.term if isinstance(reason, Reason) else reason
        if isinstance(cause, BaseException):
            error.__cause__ = cause
        if str(error) != box.message:
            error.args = (box.message,)
        str(error)
    except Exception:  # what it was made of is not what its type wants
        return RemoteError(box.error_type, box.message, details)
    return error


def _value(value: JsonValue, known: Mapping[str, type[Exception]]) -> Any:
    """What a value in the details stands for; a list comes back as a tuple, which is what errors keep."""
    if isinstance(value, list):
        return tuple(_value(item, known) for item in value)
    if not isinstance(value, dict):
        return value
    if value.keys() == {"error_type", "message", "details"}:
        try:
            return _unboxed(BoxedError.model_validate(value), known)
        except ValidationError:
            return value
    if value.keys() <= {"exit", "term"} and value.get("exit") in ("normal", "shutdown", "killed", "kill", "noproc"):
        name: Any = value["exit"]
        return Reason(name, _value(value.get("term"), known))
    return {name: _value(item, known) for name, item in value.items()}
