"""JSON Schemas that come as data: checked when they are given, and values checked against them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from ..errors import InvalidOption
from ._errors import InvalidSchema, Problem

with suppress(
    ImportError
):  # here and not when the first schema comes: it reads files, which would hold an event loop up
    import_module("jsonschema.validators")

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


class JSONSchema:
    """A JSON Schema that was given as data, of the draft that its `$schema` names, default 2020-12.

        room = JSONSchema({"type": "object", "properties": {"beds": {"type": "integer"}}})
        room.problems({"beds": "two"})          # (Problem("beds", "'two' is not of type 'integer'"),)

    option: what errors call it. Raises `InvalidSchema` if it is none, or if it refers to what is not in itself: nothing
    is fetched. Formats (`"format": "date"`) are not checked, as the standard has it. Needs the extra:
    `pip install 'axon-otp[schemas]'`. https://json-schema.org, https://python-jsonschema.readthedocs.io
    """

    def __init__(self, schema: Mapping[str, Any], *, option: str = "schema") -> None:
        try:
            from jsonschema import SchemaError
            from jsonschema.validators import Draft202012Validator, validator_for
            from referencing import Registry
        except ImportError as error:
            message = f"given with jsonschema installed ({error.name} is missing): pip install 'axon-otp[schemas]'"
            raise InvalidOption(option, schema, message) from error
        if not isinstance(schema, Mapping):
            raise InvalidSchema(option, schema, "it is no object")
        self.schema: dict[str, Any] = dict(schema)
        kind: type[Validator] = validator_for(self.schema, default=Draft202012Validator)
        try:
            kind.check_schema(self.schema)
        except SchemaError as error:
            where = ".".join(map(str, error.absolute_path))
            raise InvalidSchema(option, schema, f"{where}: {error.message}" if where else error.message) from None
        self._validator: Validator = kind(self.schema, registry=Registry())
        self._refuse_loose_ends(option)

    def problems(self, value: Any) -> tuple[Problem, ...]:
        """What is wrong with a value, which is what `json.loads` gives; empty if nothing is."""
        try:
            found = list(self._validator.iter_errors(value))
        except RecursionError:
            return (Problem("", "it is too deep, or the schema refers to itself for ever"),)
        return tuple(Problem(".".join(map(str, error.absolute_path)), error.message) for error in found)

    def _refuse_loose_ends(self, option: str) -> None:
        from referencing import Registry, Resource
        from referencing.exceptions import Unresolvable
        from referencing.jsonschema import DRAFT202012

        resolver = Registry[Any]().resolver_with_root(Resource.from_contents(self.schema, DRAFT202012))
        for reference in _references(self.schema):
            try:
                resolver.lookup(reference)
            except (Unresolvable, ValueError):
                raise InvalidSchema(option, self.schema, f"it refers to {reference!r}, which is not in it") from None


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in cast("dict[str, object]", schema).items():
            if name in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            elif name not in ("const", "default", "enum", "examples"):  # which hold values
                yield from _references(value)
    elif isinstance(schema, list):
        for item in cast("list[object]", schema):
            yield from _references(item)
