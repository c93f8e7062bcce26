"""A server class as it is seen from outside: what may be asked of it, in which version, and the bytes of all that."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Mapping
from contextlib import aclosing
from types import CoroutineType
from typing import Any, Concatenate, Generic, ParamSpec, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticSerializationError, from_json

from ..errors import InvalidOption, WrongArguments, WrongServer
from ..process import deadline_at, runtime
from ..server import GenServer, Handler, Stream, class_of
from ._errors import BadMessage, Problem, UnknownMethod, UnknownVersion, problems_of
from ._frames import END, failure, frame_of, value_in
from ._method import Method, Unknown, make_method
from ._request import Request

G = TypeVar("G", bound=GenServer[Any])
P = ParamSpec("P")
R = TypeVar("R")

Migration: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns a message of one version into that of the next: a parsed message in, `{"method": …, "arguments": {…}}` out."""


class Interface(Generic[G]):
    """What may be asked of a server from outside its event loop, as JSON; made from the signatures of its handlers.

        counter = Interface(Counter)
        counter.methods["increment"].arguments_schema       # JSON Schema; counter.schema() describes all of it

        data = counter.encode(Counter.increment, 3)         # b'{"method":"increment","arguments":{"by":3}}'
        frames = [frame async for frame in counter.serve(handle, data)]           # on the other side
        total = counter.answer(Counter.increment, frames[0])                      # int; raises what the call raised

    methods: the names of the handlers that are offered, default all whose name does not begin with `_`. unknown: what
    becomes of fields that a message has and this program does not know: `refuse` (default) or `ignore`; within an
    argument its own type decides. version: of the messages, default 1; change it whenever an older message would be
    misunderstood. migrations: for each earlier version, what makes a message of the next version of it. A message
    without a version is of version 1. Answers have no version: who reads them ignores what it does not know. trusted:
    another program has made this interface before, default False; then it is not looked whether JSON carries each type, and
    models are built when they are first used (of an agent 0.2 s and not 1.1).

    Raises `NotOnWire`, which names the handler, if no message can stand for one that is offered; `InvalidOption`. Not for
    what stays within one event loop: a handle is faster and typed. https://docs.pydantic.dev/latest/concepts/json_schema/
    """

    def __init__(
        self,
        server: type[G],
        *,
        methods: Collection[str] | None = None,
        version: int = 1,
        migrations: Mapping[int, Migration] | None = None,
        unknown: Unknown = "refuse",
        trusted: bool = False,
    ) -> None:
        if not issubclass(class_of(server), GenServer):
            raise InvalidOption("server", server, "a class of servers, such as Counter")
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise InvalidOption("version", version, "a number >= 1")
        if unknown not in get_args(Unknown):
            raise InvalidOption("unknown", unknown, "'refuse' or 'ignore'")
        self.server: type[G] = server
        self.version: int = version
        self._migrations = dict(migrations or {})
        if sorted(self._migrations) != list(range(1, version)):
            known = f"one from each of the versions 1 to {version - 1}" if version > 1 else "none for version 1"
            raise InvalidOption("migrations", sorted(self._migrations), known)
        self.methods: Mapping[str, Method] = {
            name: make_method(handler, name, server, unknown, trusted=trusted)
            for name, handler in _offered(server, methods).items()
        }
        self._messages = {name: _message(method, unknown, trusted) for name, method in self.methods.items()}

    def schema(self) -> dict[str, Any]:
        """The whole protocol as data: its version and of each method the kind, arguments, answer, timeout and errors."""
        server = class_of(self.server)
        return {
            "server": server.__name__,
            "description": inspect.cleandoc(vars(server).get("__doc__") or ""),
            "version": self.version,
            "methods": {name: method.schema() for name, method in self.methods.items()},
        }

    # -- requests

    def encode(self, method: Callable[Concatenate[G, P], object], /, *args: P.args, **keywords: P.kwargs) -> bytes:
        """The message of a request: `encode(Counter.increment, 3)`; the deadline around it goes along.

        Raises `WrongArguments` if the arguments do not fit, or are not of the types of their hints.
        """
        found = self._method(method)
        try:
            arguments = found.model.model_validate(found.bound(args, keywords))
            body = arguments.model_dump_json(exclude_unset=True)
        except TypeError as error:
            raise WrongArguments(found.where, str(error)) from None
        except ValidationError as error:
            raise WrongArguments(found.where, "; ".join(map(str, problems_of(error)))) from error
        except PydanticSerializationError as error:  # as a value of Any may be
            raise WrongArguments(found.where, str(error).splitlines()[0]) from error
        version = f', "version": {self.version}' if self.version > 1 else ""
        due = deadline_at.get()
        timeout = "" if due is None else f', "timeout": {max(0.0, due - runtime().loop.time())!r}'
        return f'{{"method": {found.quoted}{version}{timeout}, "arguments": {body}}}'.encode()

    def decode(self, data: bytes | str) -> Request:
        """The request in a message. Raises `BadMessage`, which says what is wrong where, `UnknownMethod`, `UnknownVersion`."""
        body = _parsed(data)
        version = body.get("version", 1)
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise BadMessage([Problem("version", "must be a number >= 1")])
        if version > self.version:
            raise UnknownVersion(version, self.version)
        if version < self.version:
            body = self._migrated(body, version)
            data = json.dumps(body)
        name = body.get("method")
        if not isinstance(name, str):
            raise BadMessage([Problem("method", "must be the name of a method")])
        if name not in self.methods:
            raise UnknownMethod(name, list(self.methods))
        try:
            message: Any = self._messages[name].model_validate_json(data)
        except ValidationError as error:
            raise BadMessage(problems_of(error), f"a message for {self.methods[name].where}") from error
        return Request(self.methods[name], message.arguments, message.timeout)

    def _migrated(self, body: dict[str, Any], version: int) -> dict[str, Any]:
        for step in range(version, self.version):
            try:
                body = {**self._migrations[step](body), "version": step + 1}
            except Exception as error:
                raise BadMessage(
                    [Problem("", f"its version {step} could not be made {step + 1}: {error!r}")]
                ) from error
        return body

    # -- answers

    async def serve(self, handle: G, data: bytes | str) -> AsyncGenerator[bytes, None]:
        """Do what a message asks for, and give the frames that go back: one for a call, the items and an end for a stream,
        none for a cast. Whatever fails is the last frame; close this generator to close a stream.

        Raises `WrongServer` if the handle is of another class.
        """
        if not isinstance(handle, class_of(self.server)):
            raise WrongServer(f"{handle!r} is no {class_of(self.server).__name__}")
        try:
            request = self.decode(data)
            if request.method.kind == "stream":
                async with aclosing(request.items(handle)) as items:
                    async for item in items:
                        yield frame_of(request.method, item)
                yield END
            else:
                answer = await request.ask(handle)
                if request.method.kind == "call":
                    yield frame_of(request.method, answer)
        except Exception as error:
            yield failure(error)

    def answer(self, method: Callable[Concatenate[G, P], CoroutineType[None, None, R]], frame: bytes | str) -> R:
        """The answer in a frame, or the error in it, raised: typed if it is Axon's or declared (`raises=`), otherwise a
        `RemoteError`. Raises `BadMessage` if it is neither.
        """
        found = self._method(method)
        value: R = value_in(found, frame, found.raises)
        return value

    async def items(
        self, method: Callable[Concatenate[G, P], Stream[R]], frames: AsyncIterable[bytes]
    ) -> AsyncGenerator[R, None]:
        """The items in the frames of a stream, until its end. Raises as `answer`, and `BadMessage` if the end is missing."""
        found = self._method(method)
        async for frame in frames:
            if frame == END:
                return
            yield value_in(found, frame, found.raises)
        raise BadMessage([Problem("", "it broke off before its end")], f"the stream of {found.where}")

    def _method(self, method: Callable[..., object]) -> Method:
        handler = getattr(method, "__axon_handler__", None)
        found = None if not isinstance(handler, Handler) else self.methods.get(handler.name)
        if found is None:
            raise InvalidOption("method", method, f"one of {class_of(self.server).__name__}: {', '.join(self.methods)}")
        return found


def _offered(server: Any, names: Collection[str] | None) -> dict[str, Handler]:
    cls = class_of(server)
    found = {name: getattr(getattr(cls, name), "__axon_handler__", None) for name in dir(cls)}
    handlers = {name: handler for name, handler in found.items() if isinstance(handler, Handler)}
    if names is None:
        return {name: handler for name, handler in handlers.items() if not name.startswith("_")}
    for name in names:
        if isinstance(names, str) or name not in handlers:
            raise InvalidOption("methods", names, f"some of {', '.join(handlers)}")
    return {name: handlers[name] for name in names}


def _message(method: Method, unknown: Unknown, trusted: bool) -> type[BaseModel]:
    config = ConfigDict(extra="forbid" if unknown == "refuse" else "ignore", defer_build=trusted)
    timeout: Any = (float | None, Field(None, ge=0, allow_inf_nan=False))
    arguments: Any = (method.model, Field(default_factory=dict, validate_default=True))
    fields: dict[str, Any] = {"method": (str, ...), "version": (int, 1), "timeout": timeout, "arguments": arguments}
    return create_model(f"{method.name}_message", __config__=config, **fields)


def _parsed(data: bytes | str) -> dict[str, Any]:
    try:
        body = from_json(data)
    except ValueError as error:
        raise BadMessage([Problem("", f"it is no JSON: {error}")]) from None
    if not isinstance(body, dict):
        raise BadMessage([Problem("", "it is no object")])
    return body  # pyright: ignore[reportUnknownVariableType]
