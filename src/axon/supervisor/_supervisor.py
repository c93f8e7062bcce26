"""The supervisor: a fixed order of children, one strategy for all, and what can be asked of it by a child's id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any, TypeVar, cast, get_args

from ..errors import (
    AxonError,
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    InvalidOption,
    StartFailed,
    WrongServer,
)
from ..process import shutdown
from ..server import GenServer, Stop, call, class_of, slot_of
from ._base import BaseSupervisor, checked_choice, this_supervisor
from ._children import Child, Children, added_child
from ._decide import AutoShutdown, Strategy, ends_supervisor, group
from ._spec import ChildSpec, as_child

G = TypeVar("G", bound=GenServer[Any])


class Supervisor(BaseSupervisor):
    """Keeps its children running: `async with Supervisor([Counter(), Feed()], strategy="rest_for_one") as sup:`.

    children: servers or `child(...)` specs, started in this order and stopped in reverse. strategy: what one exit
    does to the others: `one_for_one` (default) nothing, `one_for_all` all restart, `rest_for_one` those after it do.
    max_restarts, max_seconds: more than 3 restarts within 5 seconds (the defaults) and the supervisor gives up: it
    ends its children and exits `shutdown`. auto_shutdown: whether the end of `significant` children ends it.
    name: its registered name, and the root of its path when it is entered as a block.

    The `async with` block is the parent: leaving it stops the tree in order, and when the supervisor ends by itself
    the body is cancelled and the block raises `SupervisorDied`. As a child of another supervisor it is a spec like
    any other. Not for children that come and go by the thousand: that is `DynamicSupervisor`; nor for work that ends
    with its block: that is `asyncio.TaskGroup`.
    https://www.erlang.org/doc/man/supervisor, https://hexdocs.pm/elixir/Supervisor.html
    """

    children: Sequence[ChildSpec[GenServer[Any]] | GenServer[Any]] = ()
    strategy: Strategy = field(default="one_for_one", kw_only=True)
    auto_shutdown: AutoShutdown = field(default="never", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_choice("strategy", self.strategy, get_args(Strategy))
        checked_choice("auto_shutdown", self.auto_shutdown, get_args(AutoShutdown))
        if not isinstance(self.children, list | tuple):
            raise InvalidOption("children", self.children, "a list of servers or child(...) specs")
        specs = [as_child(given) for given in self.children]
        seen: set[str] = set()
        names: set[str] = set()
        for spec in specs:
            if isinstance(spec.name, str):
                if spec.name in names:
                    raise InvalidOption("name", spec.name, "unique among the children: one process has it at a time")
                names.add(spec.name)
            if spec.id in seen:
                raise InvalidOption("id", spec.id, "unique among the children; give another with child(..., id=...)")
            seen.add(spec.id)
            self._check_significant(spec)
        object.__setattr__(self, "children", tuple(specs))

    def _check_significant(self, spec: ChildSpec[Any]) -> None:
        if spec.significant and self.auto_shutdown == "never":
            raise InvalidOption("significant", True, "False under auto_shutdown='never'")

    # -- what a program asks of it

    def get(self, server: type[G], id: str | None = None) -> G:
        """The handle of a child, at once: `sup.get(Counter)`. It follows the child's restarts.

        id: default the class name. Raises `ChildNotFound`, and `WrongServer` if that child is of another class.
        """
        wanted = class_of(server).__name__ if id is None else id
        found, slot = self._handle(wanted), slot_of(self)
        if found is None:
            raise ChildNotFound(slot.path, wanted)
        if not isinstance(found, class_of(server)):
            raise WrongServer(f"the child {wanted!r} of {slot.path} is {found!r}, not a {server.__name__}")
        return cast("G", found)

    async def start_child(self, server: ChildSpec[G] | G) -> G:
        """Add a child at the end of the order and start it; returns its handle when its `init` is done.

        Raises `StartFailed` with the cause (the child is not kept, and is not retried), `ChildAlreadyStarted`,
        `ChildAlreadyPresent`, `InvalidOption`. If its `init` raised `Ignore` nobody runs behind the handle.
        """
        spec = as_child(server)
        self._check_significant(spec)
        return cast("G", await self._start_child(spec))

    @call(timeout=None, raises=(AxonError,))
    async def _start_child(self, state: Children, spec: ChildSpec[GenServer[Any]]) -> GenServer[Any]:
        me = this_supervisor()
        known = state.by_id.get(spec.id)
        if known is not None:
            raise (ChildAlreadyStarted if known.status == "running" else ChildAlreadyPresent)(me.path, spec.id)
        child = added_child(me.slot, spec, spec.id, spec.server)
        failure = await state.start(child, me)
        if isinstance(failure, StartFailed):
            child.slot.end("it failed to start")
            raise failure
        if failure is not None and spec.restart == "temporary":
            child.slot.end("it was temporary and chose not to start")
        else:
            state.by_id[spec.id] = child
        return child.handle

    @call(timeout=None, raises=(AxonError,))
    async def terminate_child(self, state: Children, id: str) -> None:
        """Stop a child; its spec stays, unless it is temporary. It gives up a restart that is due. Stopping a
        stopped child is no error. Raises `ChildNotFound`.
        """
        child = _known(state, id)
        await state.stop(child, this_supervisor(), "none: terminate_child")
        self._gone(state, child, "was terminated")

    @call(timeout=None, raises=(AxonError,))
    async def restart_child(self, state: Children, id: str) -> None:
        """Start a stopped child again. Raises `ChildNotFound`, `ChildRunning`, `ChildRestarting`, `StartFailed`."""
        child = _stopped(state, id)
        child.streak = None  # somebody has seen to it
        failure = await state.start(child, this_supervisor())
        if isinstance(failure, StartFailed):
            raise failure

    @call(timeout=None, raises=(AxonError,))
    def delete_child(self, state: Children, id: str) -> None:
        """Drop the spec of a stopped child. Raises `ChildNotFound`, `ChildRunning`, `ChildRestarting`."""
        state.remove(_stopped(state, id), "it was deleted")

    @call(timeout=None, raises=(AxonError,))
    def get_child_spec(self, state: Children, id: str) -> ChildSpec[GenServer[Any]]:
        """The child's spec with all defaults filled in. Raises `ChildNotFound`."""
        return _known(state, id).spec

    # -- what kind of supervisor it is

    def _specs(self) -> Sequence[ChildSpec[GenServer[Any]]]:
        return [as_child(given) for given in self.children]

    def _group(self, state: Children, failed: Child) -> list[Child] | None:
        if self.strategy == "one_for_one":
            return None
        return [state.by_id[id] for id in group(self.strategy, state.by_id, failed.id)]

    def _ended(self, state: Children, child: Child) -> None:
        super()._ended(state, child)
        if child.spec.significant and ends_supervisor(self.auto_shutdown, True, state.others_active(child)):
            raise Stop(shutdown)


def _known(state: Children, id: str) -> Child:
    if not isinstance(id, str):
        raise InvalidOption("id", id, "the id of a child")
    child = state.by_id.get(id)
    if child is None:
        raise ChildNotFound(this_supervisor().path, id)
    return child


def _stopped(state: Children, id: str) -> Child:
    child = _known(state, id)
    if child.status == "running":
        raise ChildRunning(this_supervisor().path, id)
    if child.status == "restarting":
        raise ChildRestarting(this_supervisor().path, id)
    return child
