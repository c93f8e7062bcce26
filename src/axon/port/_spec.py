"""A server's spec as JSON: where its class is, and its fields. Another process makes it again, of this very class.

What JSON cannot carry crosses by where it is: an attribute of a module, which the other process imports, too.
"""

from __future__ import annotations

import dataclasses
import sys
import typing
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue, TypeAdapter

from ..server import GenServer, Handler, is_server_class
from ..wire import Interface
from ._errors import CannotCross

G = TypeVar("G", bound=GenServer[Any])


class SpecAsData(BaseModel, frozen=True):
    """A spec: the module and name of its class, and by name those of its fields that are not their defaults: values, and
    places of attributes of modules, as `module:name`.
    """

    module: str
    name: str
    fields: dict[str, JsonValue]
    places: dict[str, str] = {}


def as_data(spec: GenServer[Any], server: type[GenServer[Any]] | None = None) -> SpecAsData:
    """The spec as data. Raises `CannotCross`: a class that is not found by its name, or a field that JSON cannot carry.

    server: the class that it is to be of, default its own.
    """
    cls = type(spec) if server is None else server
    if "<locals>" in cls.__qualname__:
        raise CannotCross(spec, f"{cls.__qualname__} is made inside a function; put it into a module")
    try:
        module = _importable(cls.__module__)
    except ValueError as error:
        raise CannotCross(spec, f"its class is made in {error}; put it into a module") from None
    if _found(sys.modules.get(cls.__module__), cls.__qualname__) is not cls:
        raise CannotCross(spec, f"{cls.__module__}.{cls.__qualname__} is another one")
    hints = _hints(spec)
    fields: dict[str, JsonValue] = {}
    places: dict[str, str] = {}
    as_dataclass: Any = cls
    for field in dataclasses.fields(as_dataclass):
        value = getattr(spec, field.name)
        if not field.init or _is_default(field, value):
            continue
        try:
            fields[field.name] = _crossing(spec, field.name, hints.get(field.name, Any))
        except CannotCross:
            place = _place_of(value)
            if place is None:
                raise
            places[field.name] = place
    return SpecAsData(module=module, name=cls.__qualname__, fields=fields, places=places)


def from_data(data: SpecAsData) -> GenServer[Any]:
    """The spec again; imports its module, which its maker named. Raises what that raises, and `TypeError`."""
    try:
        loaded = import_module(data.module)
    except RuntimeError as error:
        if "asyncio.run()" not in str(error):
            raise
        raise RuntimeError(
            f"{data.module} is imported here, and starts the program again: what starts it has to stand behind"
            " `if __name__ == '__main__':`"
        ) from error
    server = _found(loaded, data.name)
    if not is_server_class(server):
        raise TypeError(f"{data.module}.{data.name} is no class of servers here")
    hints = typing.get_type_hints(server, include_extras=True)
    fields = {name: TypeAdapter(hints[name]).validate_python(value) for name, value in data.fields.items()}
    for name, place in data.places.items():
        module, _, attribute = place.partition(":")
        fields[name] = _found(import_module(module), attribute)
    return server(**fields)


def copy_as(cls: type[G], spec: GenServer[Any]) -> G:
    """The same spec, of a subclass of its class."""
    copied = object.__new__(cls)
    for name, value in vars(spec).items():
        object.__setattr__(copied, name, value)
    return copied


def _importable(module: str) -> str:
    """What another process imports: of the main program its module, which has to be one that may be imported."""
    if module != "__main__":
        return module
    main = sys.modules["__main__"]
    found = getattr(main, "__spec__", None)
    if found is not None and not found.name.endswith("__main__"):
        return str(found.name)
    file = getattr(main, "__file__", None)
    if file is None or not Path(file).stem.isidentifier():
        raise ValueError("a program that cannot be imported")
    return Path(file).stem


def _is_default(field: dataclasses.Field[Any], value: object) -> bool:
    """Whether the other process has the value by itself."""
    if field.default is not dataclasses.MISSING:
        return field.default is value
    return field.default_factory is not dataclasses.MISSING and bool(field.default_factory() == value)


def _place_of(value: object) -> str | None:
    """Where a value is found by name, if it is an attribute of a module; the module that was loaded last counts, since
    who imports it from there was begun before.
    """
    named = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if all(isinstance(part, str) for part in named) and _found(sys.modules.get(str(named[0])), str(named[1])) is value:
        modules = [str(named[0])]
        name = str(named[1])
    else:
        found = {
            module: name
            for module, loaded in list(sys.modules.items())
            for name, attribute in list(getattr(loaded, "__dict__", {}).items())
            if attribute is value
        }
        if not found:
            return None
        modules, name = list(found), found[list(found)[-1]]
    try:
        return f"{_importable(modules[-1])}:{name}"
    except ValueError:
        return None


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
        raise CannotCross(
            spec, f"{where} is no attribute of a module, which would do, and nothing that JSON carries ({first})"
        ) from error
    if not same:
        raise CannotCross(spec, f"{where} does not come back as what it was (a secret goes by `environ` or `inherit`)")
    return data


def interface_of(spec: GenServer[Any], *, trusted: bool = False) -> Interface[Any]:
    """What may be asked of the server: all of its handlers. Raises `NotOnWire`, unless it is trusted."""
    whole: Any = spec.__axon_on_wire__()
    try:
        hash(whole)
    except TypeError:  # of a hint with metadata, which may be anything
        return _interface.__wrapped__(type(spec), whole, trusted)
    cls: Any = type(spec)
    return _interface(cls, whole, trusted)


@lru_cache(maxsize=256)
def _interface(cls: type[Any], whole: Any, trusted: bool) -> Interface[Any]:
    """Made once for all servers of a kind: it takes milliseconds for each handler, of an agent a whole second."""
    names = [name for name in dir(cls) if isinstance(handler_of(cls, name), Handler)]
    return Interface(whole, methods=names, trusted=trusted)


def handler_of(server: type[Any], name: str) -> object:
    """The handler of this name, if it is one."""
    return getattr(getattr(server, name, None), "__axon_handler__", None)
