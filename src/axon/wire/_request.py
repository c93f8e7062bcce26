"""A request that came over the wire, validated and not yet made."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ..server import GenServer, Stream, deadline
from ._method import Method


@dataclass(frozen=True, slots=True)
class Request:
    """What a message asks for: `arguments` are the values its bytes gave, `timeout` the seconds its asker still waits.

    None is no deadline of the asker's; the handler's own timeout counts then.
    """

    method: Method
    arguments: BaseModel
    timeout: float | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The arguments that the message has, by name; the handler has its own defaults for the others."""
        model, fields = self.arguments, self.method.field_of
        return {name: getattr(model, field) for name, field in fields.items() if field in model.model_fields_set}

    async def ask(self, handle: GenServer[Any]) -> Any:
        """Make the request and return the answer, None at once if it is a cast. Raises what a call raises."""
        if self.timeout is None:  # without a context manager, which costs as much as the call
            answer = self.send(handle)
            return None if self.method.kind == "cast" else await answer
        async with self._in_time():
            answer = self.send(handle)
            return None if self.method.kind == "cast" else await answer

    async def items(self, handle: GenServer[Any]) -> AsyncGenerator[Any, None]:
        """Make the request for a stream, and go through its items; closing this closes the stream."""
        stream: Stream[Any] = self.send(handle)
        try:
            async with self._in_time():  # the deadline goes with the request, which is made for the first item
                item = await anext(stream, _END)
            while item is not _END:
                yield item
                item = await anext(stream, _END)
        finally:
            await stream.aclose()

    def send(self, handle: GenServer[Any]) -> Any:
        """What the handle's method returns: to be awaited for a call, a `Stream` for a stream, None for a cast."""
        given = self.given
        by_position: list[Any] = []
        for parameter in self.method.signature.parameters.values():
            if parameter.kind is not parameter.POSITIONAL_ONLY:
                break
            by_position.append(given.pop(parameter.name, parameter.default))
        return getattr(handle, self.method.name)(*by_position, **given)

    @asynccontextmanager
    async def _in_time(self) -> AsyncGenerator[None, None]:
        if self.timeout is None:
            yield
        else:
            async with deadline(self.timeout):
                yield


_END: Any = object()
