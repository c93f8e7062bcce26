"""Actors as tools: any `@call` may be offered to a model, and nothing that happens to the actor ends the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any, cast

from pydantic_ai import Tool
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred, ModelRetry, ToolFailed

from ..errors import (
    CallError,
    CallTimeout,
    DeadlineExceeded,
    InvalidOption,
    MailboxFull,
    NoProcess,
    ServerDied,
    WrongServer,
)
from ..server import GenServer, is_server, slot_of
from ..wire import method_of

_SAID = (ModelRetry, ToolFailed, ApprovalRequired, CallDeferred)
"""What a handler may declare and raise to speak with the model itself."""


def tool_of(
    method: Callable[..., CoroutineType[Any, Any, object]],
    *,
    name: str | None = None,
    description: str | None = None,
    idempotent: bool = False,
    requires_approval: bool = False,
    sequential: bool = False,
) -> Tool[object]:
    """A `@call` of a started server as a tool for any pydantic-ai agent.

        clerk = Agent("openai:gpt-5", tools=[tool_of(desk.book), tool_of(desk.free_rooms)])

    name, description: what the model is told, default the method's name and docstring (with its `Args:`); the JSON
    Schema comes from the hints. idempotent: whether an `AgentServer` with a store may call it again when a crash hid
    what became of it. requires_approval: whether somebody has to agree first. sequential: whether other calls wait for
    it. All three default to False.

    The handle follows its server's restarts, and a deadline around the run bounds the call. Arguments that do not fit
    the hints are the model's to correct. A declared error (`raises=`) is told to the model as a failure of the tool, as
    are a server that is not there, dies, is busy or too slow: none of these ends the run. A declared `ModelRetry`,
    `ToolFailed`, `ApprovalRequired` or `CallDeferred` means what it means in any tool.

    Raises `NotOnWire` if no message can stand for the handler, `NotStarted`, `InvalidOption` for anything but a `@call`.
    For an actor that is known by its name only, see `axon.blueprint.ToolBlueprint`. https://ai.pydantic.dev/tools/
    """
    handle = getattr(method, "__self__", None)
    if not is_server(handle):
        raise InvalidOption("method", method, "a @call method of a started handle")
    function = function_of(method, lambda: handle)
    slot_of(handle)
    return Tool(
        function,
        takes_ctx=False,
        name=name,
        description=description,
        requires_approval=requires_approval,
        sequential=sequential,
        metadata={"idempotent": True} if idempotent else None,
    )


def function_of(
    method: Callable[..., Any], find: Callable[[], GenServer[Any]], server: object = None
) -> Callable[..., Awaitable[Any]]:
    """The function of a tool: it asks the server that `find` gives, and looks like the handler of this `@call`.

    server: the class of it with what its type parameters are, where the method does not know. Raises `InvalidOption` for
    anything but a `@call`, `NotOnWire`. Not for a handle that is there: `tool_of` is all that it needs.
    """
    found = method_of(method, server)
    if found.kind != "call":
        raise InvalidOption("method", method, f"a @call method; {found.where} is a @{found.kind}")
    expected: tuple[type[Exception], ...] = (*found.raises, CallError, WrongServer)

    async def ask(*args: Any, **keywords: Any) -> Any:
        try:
            return await getattr(find(), found.name)(*args, **keywords)
        except expected as error:
            if isinstance(error, _SAID):
                raise
            if isinstance(error, found.raises):
                raise ToolFailed(f"{type(error).__name__}: {error}") from error
            raise ToolFailed(told_of(found.where, error)) from error

    ask.__name__ = found.name
    ask.__qualname__ = found.where
    ask.__doc__ = found.description
    looks = cast("Any", ask)
    looks.__signature__ = found.signature
    ask.__annotations__ = {name: parameter.annotation for name, parameter in found.signature.parameters.items()}
    ask.__annotations__["return"] = found.signature.return_annotation
    return ask


def told_of(where: str, error: Exception) -> str:
    """What the model is told of a call that was not answered; of a server's insides nothing, its exit reason may hold
    anything.
    """
    match error:
        case NoProcess(restart_in=seconds):
            soon = "" if seconds is None else f", and is expected back in {max(1, round(seconds))} s"
            return f"{where} is not available now{soon}. Nothing was done."
        case ServerDied():
            return f"{where} broke down in the middle of this: it may or may not have been done."
        case CallTimeout(after=seconds):
            return f"{where} did not answer within {seconds:g} s: it may still be done."
        case DeadlineExceeded():
            return f"There was no time left for {where} to answer: it may or may not have been done."
        case MailboxFull():
            return f"{where} has too much to do now. Nothing was done."
        case WrongServer():
            return f"{where} is not available: its name belongs to another server. Nothing was done."
        case _:
            return f"{where} gave no answer: {error}"
