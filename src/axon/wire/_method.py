"""One handler as it is seen from outside: the model of its message, and of its answer."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import GenerateJsonSchema

from ..errors import InvalidOption
from ..server import GenServer, Handler, class_of, is_server
from ._errors import NotOnWire
from ._hints import Filled, answer_hint, filled_in, hints_of, item_hint

CONFIG = ConfigDict(
    frozen=True,
    populate_by_name=False,
    serialize_by_alias=True,
    protected_namespaces=(),
    ser_json_bytes="base64",
    val_json_bytes="base64",
    ser_json_inf_nan="strings",
)
"""JSON that gives back what went in: bytes of any kind, and numbers that JSON has no word for."""


Unknown: TypeAlias = Literal["refuse", "ignore"]
"""What becomes of fields that a message has and its model has not."""


class _SchemaGenerator(GenerateJsonSchema):
    """A default that JSON has no word for is left out in silence: the handler knows it."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  # as pydantic has it


@dataclass(frozen=True, kw_only=True, eq=False)
class Method:
    """A handler as it is seen from outside.

    name: what messages call it. kind: `call`, `cast` or `stream`. description: its docstring. model: the pydantic model
    of its arguments, named, typed and with the defaults of the handler. signature: what a caller gives and gets, with
    hints in place of the texts that `from __future__ import annotations` makes of them. raises: the errors that are
    answers. timeout: seconds a caller waits unless told otherwise. where: what errors call it, `Counter.increment`.
    """

    name: str
    kind: Literal["call", "cast", "stream"]
    description: str
    model: type[BaseModel]
    answer_model: type[BaseModel] | None
    signature: inspect.Signature
    raises: tuple[type[Exception], ...]
    timeout: float | None
    where: str

    @cached_property
    def arguments_schema(self) -> dict[str, Any]:
        """The JSON Schema of its arguments, an object."""
        return self.model.model_json_schema(schema_generator=_SchemaGenerator)

    @cached_property
    def answer_schema(self) -> dict[str, Any] | None:
        """The JSON Schema of its answer, of each item if it is a stream, None for a cast."""
        return None if self.answer_model is None else _value_schema(self.answer_model)

    @cached_property
    def field_of(self) -> dict[str, str]:
        """Under which name the model keeps each parameter: its own, unless pydantic has another use for it."""
        return {field.alias or name: name for name, field in self.model.model_fields.items()}

    @cached_property
    def quoted(self) -> str:
        """Its name as JSON."""
        return json.dumps(self.name)

    @cached_property
    def _positional(self) -> tuple[str, ...]:
        parameters = self.signature.parameters.values()
        return tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)

    def bound(self, args: tuple[object, ...], keywords: dict[str, object]) -> dict[str, object]:
        """The arguments of a request by their names. Raises `TypeError` if they do not fit."""
        if not keywords and len(args) <= len(self._positional):  # the model sees whether any is missing: 3 µs less
            return dict(zip(self._positional, args, strict=False))
        return self.signature.bind(*args, **keywords).arguments

    def schema(self) -> dict[str, Any]:
        """All of it as data."""
        return {
            "kind": self.kind,
            "description": self.description,
            "arguments": self.arguments_schema,
            "answer": self.answer_schema,
            "timeout": self.timeout,
            "errors": [error.__name__ for error in self.raises],
        }


def method_of(method: Callable[..., Any], server: Any = None) -> Method:
    """What a handler is from outside: `method_of(Counter.increment)`, or `method_of(counter.increment)` of a handle.

    server: the class that has it, if the hints of the handler need it: `method_of(Stack.push, Stack[int])`; of a handle it
    is known, type arguments apart.

    Raises `NotOnWire` if no message can stand for the handler: a parameter without a hint, or of a type that is no JSON,
    `*args` and `**kwargs`, an answer without a hint; `InvalidOption` if it is no handler.
    """
    found = getattr(method, "__axon_handler__", None)
    if not isinstance(found, Handler):
        raise InvalidOption("method", method, "a method decorated with @call, @cast or @stream")
    owner = getattr(method, "__self__", None)
    if server is None and is_server(owner):
        server = type(owner)
    return make_method(found, found.name, GenServer if server is None else server, "refuse", trusted=False)


def make_method(handler: Handler, name: str, server: Any, unknown: Unknown, *, trusted: bool) -> Method:
    """The method that `server` has under this name."""
    where = handler.function.__qualname__ if server is GenServer else f"{class_of(server).__name__}.{name}"
    hints = _hints(handler, where, filled_in(server, _owner(handler, class_of(server))))
    parameters = list(inspect.signature(handler.function).parameters.values())[2:]
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise NotOnWire(where, f"takes {stars}{parameter.name}: the fields of a message have names")
        if parameter.name not in hints:
            raise NotOnWire(where, f"its parameter {parameter.name!r} has no hint")
    if handler.kind != "cast" and "return" not in hints:
        raise NotOnWire(where, "its answer has no hint")
    answer = answer_hint(hints.get("return"))
    if handler.kind == "stream":
        answer = item_hint(answer)
    return Method(
        name=name,
        kind=handler.kind,
        description=inspect.getdoc(handler.function) or "",
        model=_arguments(where, name, handler, parameters, hints, unknown, trusted),
        answer_model=None if handler.kind == "cast" else _answer(where, name, handler.kind, answer, trusted),
        signature=inspect.Signature(
            [parameter.replace(annotation=hints[parameter.name]) for parameter in parameters],
            return_annotation=answer,
        ),
        raises=handler.raises,
        timeout=handler.timeout,
        where=where,
    )


def _owner(handler: Handler, server: type) -> type:
    """The class that defines the handler."""
    for cls in server.__mro__:
        if any(getattr(value, "__axon_handler__", None) is handler for value in vars(cls).values()):
            return cls
    return server


def _hints(handler: Handler, where: str, filled: Filled) -> dict[str, Any]:
    try:
        return hints_of(handler.function, filled)
    except Exception as error:
        raise NotOnWire(where, f"its hints cannot be read: {error}") from error


def _arguments(  # noqa: PLR0917
    where: str,
    name: str,
    handler: Handler,
    parameters: list[inspect.Parameter],
    hints: dict[str, Any],
    unknown: Unknown,
    trusted: bool,
) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    taken = {parameter.name for parameter in parameters}
    for parameter in parameters:
        default = ... if parameter.default is parameter.empty else parameter.default
        field = parameter.name
        while field.startswith("_") or hasattr(BaseModel, field) or (field != parameter.name and field in taken):
            field = f"{field.lstrip('_')}_"
        taken.add(field)
        if not trusted:
            _refuse(where, f"its parameter {parameter.name!r}", hints[parameter.name], "validation")
        alias = None if field == parameter.name else parameter.name
        fields[field] = (hints[parameter.name], Field(default, alias=alias))
    config = CONFIG | ConfigDict(extra="forbid" if unknown == "refuse" else "ignore", defer_build=trusted)
    return create_model(name, __config__=config, __doc__=inspect.getdoc(handler.function), **fields)


def _answer(where: str, name: str, kind: str, hint: Any, trusted: bool) -> type[BaseModel]:
    if not trusted:
        _refuse(where, "its answer", hint, "serialization")
    config = CONFIG | ConfigDict(defer_build=trusted)
    if kind == "stream":
        return create_model(f"{name}_item", __config__=config, item=(hint, ...))
    return create_model(f"{name}_answer", __config__=config, answer=(hint, ...))


def _refuse(where: str, what: str, hint: Any, mode: Literal["validation", "serialization"]) -> None:
    """Raise `NotOnWire` for a type that JSON does not carry both ways."""
    try:
        model = create_model("Value", __config__=CONFIG, value=(hint, ...))
        model.model_json_schema(mode=mode, schema_generator=_SchemaGenerator)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise NotOnWire(where, f"{what} of type {_name(hint)} is nothing that JSON carries: {reason}") from error


def _value_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model's only field."""
    whole = model.model_json_schema(mode="serialization", schema_generator=_SchemaGenerator)
    (value,) = whole["properties"].values()
    value.pop("title", None)
    return value if "$defs" not in whole else {**value, "$defs": whole["$defs"]}


def _name(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
