"""The base of all servers: a frozen dataclass that is a child spec before it is started and an address afterwards."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import typing
from collections.abc import Awaitable
from types import UnionType
from typing import Any, ClassVar, Generic, NoReturn, TypeGuard, TypeVar, dataclass_transform

from ..errors import InvalidHandler, InvalidOption, NotPicklable
from ..process import ExitReason, Process
from ..telemetry import UnexpectedMessage
from ._handler import Handler
from ._send import SLOT, slot_of
from ._slot import Slot
from ._status import Status, text_of

S = TypeVar("S")


def is_server(value: object) -> TypeGuard[GenServer[Any]]:
    """Whether a value is a server's spec or handle."""
    return isinstance(value, GenServer)


def class_of(server: type[Any]) -> type[Any]:
    """The class itself, of `Stack[int]` too."""
    found = typing.get_origin(server) or server
    if not isinstance(found, type):
        raise InvalidOption("server", server, "a class of servers, such as Counter")
    return found


def is_server_class(value: object) -> TypeGuard[type[GenServer[Any]]]:
    """Whether a value is a class of servers."""
    return isinstance(value, type) and issubclass(value, GenServer)


_NOT_IN_SPEC = (
    "init",
    "terminate",
    "handle_info",
    "handle_continue",
    "format_status",
    "code_change",
    "trap_exit",
)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
class GenServer(Generic[S]):
    """A server: private state `S`, and handlers that take one message at a time.

        class Counter(GenServer[Count]):
            begin: int = 0

            def init(self) -> Count:
                return Count(self.begin)

            @call
            def increment(self, state: Count, by: int = 1) -> int:
                state.value += by
                return state.value

    Subclasses become frozen dataclasses by themselves (one with a decorator of its own is refused): their
    fields are the spec, and a restart calls `init` on it again. A
    started one is a handle: equal to every handle of the same address, shown by type and path only, never pickled.
    State is what `init` returns; it is given to every handler and leaves the process only through answers.

    Set `trap_exit = True` to get exit signals as `Exit` messages, and to have `terminate` run on shutdown.
    Not for code that needs no state or no supervision: a plain function is smaller.
    https://www.erlang.org/doc/man/gen_server, https://hexdocs.pm/elixir/GenServer.html
    """

    _axon_slot: ClassVar[Slot | None] = None  # of a handle, its slot: an attribute of the instance
    trap_exit: ClassVar[bool] = False
    __axon_unchecked__: ClassVar[bool] = False
    __axon_checked__: ClassVar[bool] = False  # of each class by itself: whether one has been started, and was in order
    __axon_awaits__: ClassVar[bool] = False  # whether its init is a coroutine function
    __axon_awaits_info__: ClassVar[bool] = False  # whether its handle_info is one
    __axon_supervises__: ClassVar[bool] = False  # whether it is a child of type supervisor
    __axon_finishes__: ClassVar[bool] = False  # whether a request under way is finished after its deadline
    __axon_isolated__: ClassVar[bool] = False  # whether it lives in another process, and is here by its port alone

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.__axon_checked__ = False
        cls.__axon_awaits__ = inspect.iscoroutinefunction(cls.init)
        cls.__axon_awaits_info__ = inspect.iscoroutinefunction(cls.handle_info)
        _refuse_bare_defaults(cls)
        dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
        for name, value in list(vars(cls).items()):
            found = getattr(value, "__axon_handler__", None)
            if isinstance(found, Handler):
                _check_shape(cls, name, found)
        for name in ("format_status", "code_change"):
            if inspect.iscoroutinefunction(vars(cls).get(name)):
                raise InvalidHandler(
                    f"{cls.__name__}.{name}", "must be a plain function: it runs between two callbacks"
                )
        check_hints(cls, at_start=False)

    # -- what a server defines

    def init(self) -> S | Awaitable[S]:
        """Make the state. `def` or `async def`; `raise Stop(reason)` to fail, `raise Ignore` not to start.

        The starter waits until it returns, so keep slow work for `continue_with`.
        """
        raise InvalidHandler(f"{type(self).__name__}.init", "is missing: a server makes its state in init")

    def handle_info(self, state: S, message: object) -> Awaitable[None] | None:
        """Any other message: `Down`, `Exit`, `IdleTimeout`, timers, what others `send`. The default reports it."""
        slot = slot_of(self)
        if slot.runtime.bus.wants(UnexpectedMessage):
            text = text_of(self, slot, (None, message, None, None))
            slot.runtime.bus.emit(UnexpectedMessage(path=slot.path, text=text))
        return None

    def handle_continue(self, state: S, continuation: object) -> Awaitable[None] | None:
        """What `continue_with` asked for, before any message that waits."""
        raise InvalidHandler(f"{type(self).__name__}.handle_continue", "is missing, and continue_with() was used")

    def terminate(self, state: S, reason: ExitReason) -> Awaitable[None] | None:
        """Clean up. Called when the server ends by itself, is stopped, or traps exits and its parent ends it.

        Not called when `init` failed, on an exit signal that is not trapped, or on `kill`.
        """
        return None

    def format_status(self, status: Status) -> Status:
        """What of this server may be seen: `return replace(status, state=..., messages=...)` hides keys and prompts.

        Asked before anything is shown, of `axon.get_status`, crash reports, statistics, dead letters and traces, and
        wherever else a message becomes text. The default shows all. A plain function; if it fails nothing is shown.
        Its exceptions reach callers and supervisors as they are: put no keys into them.
        https://www.erlang.org/doc/man/gen_server#Module:format_status-1
        """
        return status

    def code_change(self, state: S, extra: object) -> S:
        """The state as new code wants it: called by `axon.change_code` while the server is suspended.

        Make a new one and leave `state` alone: if this raises the server goes on with it. The default changes nothing.
        A plain function. https://www.erlang.org/doc/man/gen_server#Module:code_change-3
        """
        return state

    # -- what a server is that lives in another process

    def __axon_on_wire__(self) -> object:
        """The class whose handlers cross, with its type arguments as far as they follow from this spec."""
        return type(self)

    def __axon_present__(self) -> None:
        """It runs in another process: do here what `init` does there for those who look for it, as taking a name."""

    # -- what an address is

    def __axon_process__(self) -> Process | None:
        slot: Slot | None = self._axon_slot
        process = None if slot is None else slot.process
        return slot_of(self).process if process is None else process  # whoever asks looks whose it is

    def __axon_text__(self, message: object) -> str:
        return text_of(self, slot_of(self), (None, message, None, None))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GenServer):
            return NotImplemented
        mine = self.__dict__.get(SLOT)
        return self is other or (mine is not None and other.__dict__.get(SLOT) is mine)

    def __hash__(self) -> int:
        return hash(self.__dict__.get(SLOT) or id(self))

    def __repr__(self) -> str:
        slot: Slot | None = self.__dict__.get(SLOT)
        return f"<{type(self).__name__} {'not started' if slot is None else slot.path}>"

    def __reduce__(self) -> str:
        _refuse_to_leave(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """In a pydantic model a handle is checked by its class; it is an address, and never becomes JSON."""
        from pydantic_core import core_schema

        refused = core_schema.plain_serializer_function_ser_schema(_refuse_to_leave)
        return core_schema.is_instance_schema(cls, serialization=refused)

    def __copy__(self) -> typing.Self:
        return bound(self, self.__dict__.get(SLOT))

    def __deepcopy__(self, memo: dict[int, Any]) -> typing.Self:
        if SLOT in self.__dict__:
            return self.__copy__()
        fresh = bound(self, None)
        fresh.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return fresh


def _refuse_to_leave(handle: GenServer[Any]) -> NoReturn:
    raise NotPicklable(f"{handle!r} is an address in one event loop; register a name and send that instead")


G = TypeVar("G", bound=GenServer[Any])
_NEW, _PUT = object.__new__, object.__setattr__


def bound(spec: G, slot: Slot | None) -> G:
    """The same spec at an address."""
    handle = _NEW(type(spec))
    for name, value in spec.__dict__.items():
        _PUT(handle, name, value)  # its own `__dict__` would cost 64 bytes as soon as it is asked for
    if slot is not None:
        _PUT(handle, SLOT, slot)
    return handle


# -- what is checked when a server class is made


def _refuse_bare_defaults(cls: type[GenServer[Any]]) -> None:
    """`begin = 7` in a subclass, without its hint, would be no field and be ignored in silence."""
    own = vars(cls).get("__annotations__", {})
    for base in cls.__mro__[1:]:
        for name in getattr(base, "__dataclass_fields__", {}):
            if name in vars(cls) and name not in own:
                raise InvalidHandler(
                    f"{cls.__name__}.{name}", f"is a field of {base.__name__}: a new default needs its hint again"
                )


def _check_shape(cls: type[GenServer[Any]], name: str, found: Handler) -> None:
    where = f"{cls.__name__}.{name}"
    parameters = list(inspect.signature(found.function).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) < 2:
        raise InvalidHandler(where, f"a @{found.kind} handler takes (self, state, ...)")
    if name in _NOT_IN_SPEC:
        raise InvalidHandler(where, f"is a callback of the server and cannot be a @{found.kind}")


def check_hints(cls: type[GenServer[Any]], *, at_start: bool) -> None:
    """Refuse handlers whose hints do not fit the server.

    Hints that do not resolve yet, as of a class made inside a function, are left for the first start.
    """
    wanted = _state_type(cls)
    pending = False
    for name, value in list(vars(cls).items()):
        found = getattr(value, "__axon_handler__", None)
        if not isinstance(found, Handler):
            continue
        try:
            hints = typing.get_type_hints(found.function)
        except Exception as error:
            pending = True
            if at_start and not isinstance(error, NameError):
                raise InvalidHandler(f"{cls.__name__}.{name}", f"its hints cannot be read: {error}") from error
            continue
        state = list(inspect.signature(found.function).parameters)[1]
        given = hints.get(state)
        if given is not None and wanted is not None and not _fits(wanted, given):
            raise InvalidHandler(
                f"{cls.__name__}.{name}", f"takes state {_name(given)}, the server keeps {_name(wanted)}"
            )
        if found.kind == "cast" and hints.get("return", type(None)) is not type(None):
            raise InvalidHandler(f"{cls.__name__}.{name}", "a @cast has no answer: its return hint must be None")
    if pending and not at_start:
        cls.__axon_unchecked__ = True
    elif at_start:
        cls.__axon_unchecked__ = False


def check_at_start(spec: GenServer[Any]) -> None:
    """What could not be checked when the class was made."""
    made = getattr(type(spec), "__dataclass_params__", None)
    if made is not None and (made.eq or not made.frozen):
        raise InvalidHandler(
            type(spec).__name__,
            "is decorated with @dataclass: a server becomes a dataclass by itself, without a decorator",
        )
    if type(spec).__axon_unchecked__:
        for cls in reversed(type(spec).__mro__):
            if is_server_class(cls) and cls.__dict__.get("__axon_unchecked__"):
                check_hints(cls, at_start=True)
    type(spec).__axon_checked__ = True


NO_TERMINATE: object = vars(GenServer)["terminate"]
"""That of a server which has none of its own."""


def _state_type(cls: type[Any]) -> Any:
    for base in getattr(cls, "__orig_bases__", ()):
        if typing.get_origin(base) is GenServer:
            return typing.get_args(base)[0]
    for base in cls.__bases__:
        if base is not GenServer and is_server_class(base):
            found = _state_type(base)
            if found is not None:
                return found
    return None


def _fits(wanted: Any, given: Any) -> bool:
    kept, taken = typing.get_origin(wanted) or wanted, typing.get_origin(given) or given
    if kept == taken or taken in (Any, object):
        return True
    # Type variables, unions, protocols and forward references are the type checker's business.
    if UnionType in (kept, taken) or not (isinstance(kept, type) and isinstance(taken, type)):
        return True
    try:
        return issubclass(kept, taken)
    except TypeError:
        return True


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)
