"""From values to records and back: the format of each kind has a version, and older ones are migrated when read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import InvalidOption
from ._errors import Unreadable
from ._journal import Entry, Record, checked_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

Migration = Callable[[object], object]
"""Turns a body of one format into that of the next: parsed JSON in (dicts, lists, texts …), the same out."""


class Codec(Generic[T]):
    """Writes values of one type as records of one kind, and reads them again, older formats included.

        steps = Codec("step", Step, format=2, migrations={1: lambda body: {**body, "tokens": 0}})
        record = steps.record(Step(...))
        step = steps.value(entry)

    type: what pydantic can validate; its JSON is the body. format: the version of the layout that is written, 1 by
    default. migrations: for each earlier version, what makes the next version of it. Raises `InvalidOption` when one of
    them is missing: an old record would be unreadable.
    """

    def __init__(
        self, kind: str, type: type[T], *, format: int = 1, migrations: Mapping[int, Migration] | None = None
    ) -> None:
        self.kind: str = checked_text("kind", kind)
        self.format: int = format
        self._type = type
        self._migrations = dict(migrations or {})
        if sorted(self._migrations) != list(range(1, format)):
            raise InvalidOption(
                "migrations", sorted(self._migrations), f"one from each of the formats 1 to {format - 1}"
            )

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        from pydantic import TypeAdapter

        return TypeAdapter(self._type)

    def record(self, value: T) -> Record:
        """The value as a record. Raises pydantic's `PydanticSerializationError` for what JSON cannot carry."""
        return Record(self.kind, self._adapter.dump_json(value), self.format)

    def value(self, entry: Entry) -> T:
        """The value of a record that was read. Raises `Unreadable` if it is of a newer format, or not what it should be."""
        record = entry.record
        try:
            if record.kind != self.kind:
                raise ValueError(f"its kind is {record.kind!r}, not {self.kind!r}")
            if record.format > self.format:
                raise ValueError(f"its format {record.format} is newer than {self.format}, the last this program knows")
            if record.format == self.format:
                return self._adapter.validate_json(record.body)
            body: object = json.loads(record.body)
            for format in range(record.format, self.format):
                body = self._migrations[format](body)
            return self._adapter.validate_json(json.dumps(body))
        except Exception as error:
            raise Unreadable(entry.key, entry.version, str(error) or repr(error)) from error
