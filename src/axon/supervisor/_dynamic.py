"""The dynamic supervisor: children that come and go, one by one, and each one by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeVar, cast

from ..errors import AxonError, ChildNotFound, InvalidOption, MaxChildrenReached
from ..process import ExitReason
from ..server import GenServer, ServerProcess, Slot, call, checked_spec, is_server, slot_of
from ._base import BaseSupervisor, this_supervisor
from ._children import Child, Children, added_child
from ._end import end_all, report_unexpected
from ._spec import ChildSpec, Shutdown, as_child

G = TypeVar("G", bound=GenServer[Any])


class DynamicSupervisor(BaseSupervisor):
    """Begins without children, and keeps those it is given: `ann = await sessions.start_child(Session("ann"))`.

    One server a user, a connection, a job: as many as there are (100,000 are no trouble), each restarted by itself
    and forgotten when it has ended for good. Stopping it stops all of them at once, each with its own `shutdown`.

    max_children: how many it may have, default None, no limit; those that wait for a restart count.
    max_restarts, max_seconds: more than 3 restarts within 5 seconds (the defaults) and it gives up: all children
    share this budget, so give it room when there are many, or a `backoff` to each. extra_arguments: fields that are
    put into every child's spec, as by `dataclasses.replace`, whenever it is started: `{"pool": pool}`.
    name: its registered name, and the root of its path when it is entered as a block.

    A block, or a child of another supervisor, as `Supervisor` is. Not for a fixed set of children that need an order
    or each other: that is `Supervisor`. https://hexdocs.pm/elixir/DynamicSupervisor.html
    """

    max_children: int | None = field(default=None, kw_only=True)
    extra_arguments: Mapping[str, object] = field(default_factory=dict[str, object], kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        limit, extra = self.max_children, self.extra_arguments
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            raise InvalidOption("max_children", limit, "None or a number >= 0")
        if not isinstance(extra, Mapping) or not all(isinstance(name, str) for name in extra):
            raise InvalidOption("extra_arguments", extra, "a mapping of field names to values")
        object.__setattr__(self, "extra_arguments", dict(extra))  # what its owner does to it later changes nothing

    # -- what a program asks of it

    async def start_child(self, server: ChildSpec[G] | G) -> G:
        """Start a child; returns its handle when its `init` is done.

        It needs no id: a default one is made unique by a number, and so is one that another child has. Its handle is
        what `terminate_child` takes, and leads to it through its restarts.

        Raises `MaxChildrenReached`, `StartFailed` with the cause, `Ignored`, `InvalidOption`: the child is not kept.
        """
        spec = as_child(server)
        if spec.significant:
            raise InvalidOption("significant", True, "False: a DynamicSupervisor does not end with its children")
        return cast("G", await self._start_child(spec, self._with_extra_arguments(spec.server)))

    def _with_extra_arguments(self, server: GenServer[Any]) -> GenServer[Any]:
        if not self.extra_arguments:
            return server
        takes = [known.name for known in dataclasses.fields(cast("Any", server)) if known.init]
        unknown = [name for name in self.extra_arguments if name not in takes]
        if unknown:
            fields = f"fields of {type(server).__name__} ({', '.join(takes)})"
            raise InvalidOption("extra_arguments", unknown, fields)
        changed: GenServer[Any] = dataclasses.replace(cast("Any", server), **self.extra_arguments)
        return checked_spec(changed, "server")

    @call(timeout=None, raises=(AxonError,))
    async def _start_child(
        self, state: Children, spec: ChildSpec[GenServer[Any]], server: GenServer[Any]
    ) -> GenServer[Any]:
        me = this_supervisor()
        if self.max_children is not None and len(state.by_id) >= self.max_children:
            raise MaxChildrenReached(me.path, spec.id, self.max_children)
        child = added_child(me.slot, spec, _unique(spec, state, me.slot), server)
        failure = await state.start(child, me)
        if failure is not None:
            child.slot.end("it did not start")
            raise failure
        state.by_id[child.id] = child
        return child.handle

    async def terminate_child(self, handle: GenServer[Any]) -> None:
        """End a child for good, and wait until it is gone. It gives up a restart that is due.

        Raises `ChildNotFound` if it is not, or no longer, a child of this supervisor.
        """
        if not is_server(handle):
            raise InvalidOption("handle", handle, "the handle that start_child returned")
        await self._terminate_child(slot_of(handle))

    @call(timeout=None, raises=(AxonError,))
    async def _terminate_child(self, state: Children, slot: Slot) -> None:
        me, child = this_supervisor(), state.by_id.get(slot.label)
        if child is None or child.slot is not slot:
            raise ChildNotFound(me.path, slot.path)
        await state.stop(child, me, "none: terminate_child")
        self._gone(state, child, "was terminated")

    # -- what kind of supervisor it is

    def _gone(self, state: Children, child: Child, why: str) -> None:
        state.remove(child, f"it {why}")

    async def terminate(self, state: Children, reason: ExitReason) -> None:
        """Stop the children, all at once (rule A45)."""
        children: list[tuple[ServerProcess, Shutdown]] = [
            (child.process, child.spec.shutdown) for child in state.by_id.values() if child.process is not None
        ]
        await end_all(children, this_supervisor())
        for process, how in children:
            report_unexpected(process, how, "none: its supervisor is stopping")
        for child in state.by_id.values():
            state.forget(child)


def _unique(spec: ChildSpec[GenServer[Any]], state: Children, home: Slot) -> str:
    """The child's id among its siblings."""
    id = spec.id
    while id in state.by_id or id == type(spec.server).__name__:
        id = f"{spec.id}#{home.runtime.next_serial()}"
    return id
