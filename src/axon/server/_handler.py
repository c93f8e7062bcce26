"""What a decorated method is: the function that runs in the server, and the method that sends it a message.

To a type checker `@call` gives the same method without `state`, to be awaited: hover text, go-to-definition,
protocols and overriding are those of any method.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload

from ..errors import InvalidHandler, InvalidOption, WrongArguments
from ..process import checked_seconds
from ._send import asking, opening, telling
from ._stream import Stream

if TYPE_CHECKING:
    from ._genserver import GenServer

A = TypeVar("A", bound="GenServer[Any]")
S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")

CALL_TIMEOUT = 5.0
"""Seconds a caller waits for an answer unless told otherwise, as in OTP."""

Kind = Literal["call", "cast", "stream"]


class Handler:
    """One handler of a server class."""

    __slots__ = (
        "_shapes",
        "_signature",
        "answers",
        "function",
        "is_async",
        "kind",
        "least",
        "most",
        "name",
        "only",
        "raises",
        "send",
        "timeout",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        kind: Kind,
        timeout: float | None,
        raises: tuple[type[Exception], ...],
    ) -> None:
        self.function: Callable[..., Any] = function
        self.kind: Kind = kind
        self.name: str = function.__name__
        self.timeout: float | None = timeout
        self.raises: tuple[type[Exception], ...] = raises
        self.answers: type[object] | None = None  # the class of its last answer that was given at once
        self.is_async: bool = inspect.iscoroutinefunction(function)
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())[2:]
        self._signature = signature.replace(parameters=parameters)
        self._shapes: set[tuple[object, ...]] = set()
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        needed = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
        self.least: int = sys.maxsize if needed else sum(p.default is p.empty for p in positional)
        """So many arguments, all by position, fit."""
        self.most: int = sys.maxsize if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(positional)
        self.only: inspect.Parameter | None = parameters[0] if len(parameters) == len(positional) == 1 else None
        """Its one parameter, if it has exactly one, and that can be given by position."""
        self.send: Callable[..., Any] = {"cast": telling, "call": asking, "stream": opening}[kind](self)
        """The method that users see."""

    def check(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Raise `WrongArguments` if they do not fit; what has fitted once is known (0.2 µs instead of 3)."""
        if not keywords and self.least <= len(args) <= self.most:
            return
        shape = (len(args), *keywords)
        if shape in self._shapes:
            return
        try:
            self._signature.bind(*args, **keywords)
        except TypeError as error:
            raise WrongArguments(self.function.__qualname__, str(error)) from None
        self._shapes.add(shape)


def _handler(fn: Callable[..., Any], kind: Kind, timeout: float | None, raises: tuple[type[Exception], ...]) -> Handler:
    option = f"@{kind}(timeout=)"
    if not callable(fn):
        raise InvalidOption(f"@{kind}", fn, "put on a method")
    if not isinstance(raises, tuple):
        raise InvalidOption(f"@{kind}(raises=)", raises, "a tuple of exception classes")
    if kind != "stream" and (inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn)):
        raise InvalidHandler(fn.__qualname__, "a generator gives many answers: make it a @stream")
    for error in raises:
        if not (isinstance(error, type) and issubclass(error, Exception)):
            raise InvalidOption(f"@{kind}(raises=)", error, "a tuple of exception classes")
    return Handler(fn, kind, None if timeout is None else checked_seconds(timeout, option), raises)


def _as_method(handler: Handler) -> Any:
    """Let the sending function look like the handler without its `state` parameter."""
    send = handler.send
    functools.update_wrapper(send, handler.function)
    signature = inspect.signature(handler.function)
    kept = [p for n, p in enumerate(signature.parameters.values()) if n != 1]
    send.__dict__["__signature__"] = signature.replace(parameters=kept)
    send.__dict__["__axon_handler__"] = handler
    return send


class CallDecorator(Protocol):
    """What `@call(timeout=…, raises=…)` returns."""

    @overload
    def __call__(
        self, fn: Callable[Concatenate[A, S, P], asyncio.Future[R]], /
    ) -> Callable[Concatenate[A, P], CoroutineType[None, None, R]]: ...
    @overload
    def __call__(
        self, fn: Callable[Concatenate[A, S, P], Coroutine[Any, Any, asyncio.Future[R]]], /
    ) -> Callable[Concatenate[A, P], CoroutineType[None, None, R]]: ...
    @overload
    def __call__(
        self, fn: Callable[Concatenate[A, S, P], Coroutine[Any, Any, R]], /
    ) -> Callable[Concatenate[A, P], CoroutineType[None, None, R]]: ...
    @overload
    def __call__(
        self, fn: Callable[Concatenate[A, S, P], R], /
    ) -> Callable[Concatenate[A, P], CoroutineType[None, None, R]]: ...


@overload
def call(
    fn: Callable[Concatenate[A, S, P], asyncio.Future[R]], /
) -> Callable[Concatenate[A, P], CoroutineType[None, None, R]]: ...
@overload
def call(
    fn: Callable[Concatenate[A, S, P], Coroutine[Any, Any, asyncio.Future[R]]], /
) -> Callable[Concatenate[A, P], CoroutineType[None, None, R]]: ...
@overload
def call(
    fn: Callable[Concatenate[A, S, P], Coroutine[Any, Any, R]], /
) -> Callable[Concatenate[A, P], CoroutineType[None, None, R]]: ...
@overload
def call(fn: Callable[Concatenate[A, S, P], R], /) -> Callable[Concatenate[A, P], CoroutineType[None, None, R]]: ...
@overload
def call(*, timeout: float | None = CALL_TIMEOUT, raises: tuple[type[Exception], ...] = ()) -> CallDecorator: ...
def call(fn: Any = None, /, *, timeout: float | None = CALL_TIMEOUT, raises: tuple[type[Exception], ...] = ()) -> Any:
    """Make a method a request: `await server.method(...)` runs it in the server and gives its answer.

    The method is `def` or `async def` and takes `(self, state, ...)`; what it returns is the answer. A returned
    `asyncio.Future` (a Task is one, `axon.Reply` too) is answered when it is done, and the server goes on meanwhile.

    timeout: seconds the caller waits, default 5; None waits without limit. It is only the caller's patience: the
    request is still executed. raises: exceptions that are answers; they go to the caller and the server lives. Any
    other exception ends the server, and the caller gets `ServerDied` with the cause.

    The caller may see `NoProcess`, `ServerDied`, `CallTimeout`, `DeadlineExceeded`, `CallCycle`, `MailboxFull`.
    Not for work of which nobody needs the end: that is a `@cast`. https://www.erlang.org/doc/man/gen_server#call-3
    """
    if fn is None:
        return partial(_call, timeout, raises)
    return _call(timeout, raises, fn)


def _call(timeout: float | None, raises: tuple[type[Exception], ...], fn: Callable[..., Any]) -> Any:
    handler = _handler(fn, "call", timeout, raises)
    return _as_method(handler)


@overload
def cast(fn: Callable[Concatenate[A, S, P], Coroutine[Any, Any, None]], /) -> Callable[Concatenate[A, P], None]: ...
@overload
def cast(fn: Callable[Concatenate[A, S, P], None], /) -> Callable[Concatenate[A, P], None]: ...
def cast(fn: Any, /) -> Any:
    """Make a method a one-way message: `server.method(...)` returns None at once, whatever becomes of it.

    A message that nobody takes goes to the dead letters. An exception in the handler ends the server. Not for
    anything whose success the sender relies on. https://www.erlang.org/doc/man/gen_server#cast-2
    """
    handler = _handler(fn, "cast", None, ())
    return _as_method(handler)


class StreamDecorator(Protocol):
    """What `@stream(timeout=…)` returns."""

    def __call__(
        self, fn: Callable[Concatenate[A, S, P], AsyncIterator[R]], /
    ) -> Callable[Concatenate[A, P], Stream[R]]: ...


@overload
def stream(fn: Callable[Concatenate[A, S, P], AsyncIterator[R]], /) -> Callable[Concatenate[A, P], Stream[R]]: ...
@overload
def stream(*, timeout: float | None = CALL_TIMEOUT) -> StreamDecorator: ...
def stream(fn: Any = None, /, *, timeout: float | None = CALL_TIMEOUT) -> Any:
    """Make an async generator method a request with many answers: `async for item in server.method(...)`.

    The generator runs in a task of the server, up to 16 items ahead of its reader, and leaves `state` alone after
    its first await. It starts a turn after its request; a plain function that returns one has its own part done, in
    the order of requests, before. timeout: seconds the reader waits for each item, default 5; None without limit.
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        handler = _handler(fn, "stream", timeout, ())
        if handler.is_async:
            raise InvalidHandler(
                fn.__qualname__,
                "a @stream handler is an async generator (async def … yield), or a plain function that returns one",
            )

        ask = handler.send

        def send(self: GenServer[Any], /, *args: Any, **keywords: Any) -> Stream[Any]:
            handler.check(args, keywords)
            return Stream(lambda: ask(self, *args, **keywords), timeout)

        handler.send = send
        return _as_method(handler)

    return decorate if fn is None else decorate(fn)


def handler(method: Callable[Concatenate[A, P], object]) -> Callable[Concatenate[A, Any, P], Any]:
    """The function behind a handler, to run it in place: `handler(Counter.increment)(self, state, 3)`.

    For a unit test, or to call the inherited handler in an override.
    """
    found = getattr(method, "__axon_handler__", None)
    if not isinstance(found, Handler):
        raise InvalidOption("method", method, "a method decorated with @call, @cast or @stream")
    return found.function
