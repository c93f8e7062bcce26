"""A server's spec as JSON: where its class is, and its fields. Another process makes it again, of this very class."""

from __future__ import annotations

import dataclasses
import sys
import typing
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue, TypeAdapter

from ..server import GenServer, is_server_class
from ._errors import CannotCross

G = TypeVar("G", bound=GenServer[Any])


class SpecAsData(BaseModel, frozen=True):
    """A spec: the module and name of its class, and its fields by name."""

    module: str
    name: str
    fields: dict[str, JsonValue]


def as_data(spec: GenServer[Any]) -> SpecAsData:
    """The spec as data. Raises `CannotCross`: a class that is not found by its name, or a field that JSON cannot carry."""
    cls = type(spec)
    if "<locals>" in cls.__qualname__:
        raise CannotCross(spec, f"{cls.__qualname__} is made inside a function; put it into a module")
    module = _module_of(spec)
    if _found(sys.modules.get(cls.__module__), cls.__qualname__) is not cls:
        raise CannotCross(spec, f"{cls.__module__}.{cls.__qualname__} is another one")
    hints = _hints(spec)
    fields: dict[str, JsonValue] = {}
    as_dataclass: Any = cls
    for field in dataclasses.fields(as_dataclass):
        if field.init:
            fields[field.name] = _crossing(spec, field.name, hints.get(field.name, Any))
    return SpecAsData(module=module, name=cls.__qualname__, fields=fields)


def from_data(data: SpecAsData) -> GenServer[Any]:
    """The spec again; imports its module, which its maker named. Raises what that raises, and `TypeError`."""
    server = _found(import_module(data.module), data.name)
    if not is_server_class(server):
        raise TypeError(f"{data.module}.{data.name} is no class of servers here")
    hints = typing.get_type_hints(server, include_extras=True)
    fields = {name: TypeAdapter(hints[name]).validate_python(value) for name, value in data.fields.items()}
    return server(**fields)


def copy_as(cls: type[G], spec: GenServer[Any]) -> G:
    """The same spec, of a subclass of its class."""
    copied = object.__new__(cls)
    for name, value in vars(spec).items():
        object.__setattr__(copied, name, value)
    return copied


def _module_of(spec: GenServer[Any]) -> str:
    """What another process imports: of the main program its module, which has to be one that may be imported."""
    module = type(spec).__module__
    if module != "__main__":
        return module
    main = sys.modules["__main__"]
    found = getattr(main, "__spec__", None)
    if found is not None and not found.name.endswith("__main__"):
        return str(found.name)
    file = getattr(main, "__file__", None)
    if file is None or not Path(file).stem.isidentifier():
        raise CannotCross(spec, "its class is made in a program that cannot be imported; put it into a module")
    return Path(file).stem


def _found(module: object, name: str) -> object:
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _hints(spec: GenServer[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(type(spec), include_extras=True)
    except Exception as error:
        raise CannotCross(spec, f"its hints cannot be read: {error}") from error


def _crossing(spec: GenServer[Any], name: str, hint: Any) -> JsonValue:
    """The value of a field as JSON, of which the same value comes back."""
    value = getattr(spec, name)
    where = f"its field {name!r}, {hint if typing.get_args(hint) else getattr(hint, '__name__', hint)},"
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        data: JsonValue = adapter.dump_python(value, mode="json", warnings="error")
        same = bool(adapter.validate_python(data) == value)
    except Exception as error:
        first = next(iter(str(error).splitlines()), "") or repr(error)
        raise CannotCross(spec, f"{where} is nothing that JSON carries ({first})") from error
    if not same:
        raise CannotCross(spec, f"{where} does not come back as what it was (a secret goes by `env` or `inherit`)")
    return data
