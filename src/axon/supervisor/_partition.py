"""The partition supervisor: the same server several times, and keys that say which one is meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import Any, Generic, TypeVar, cast, get_args
from zlib import crc32

from ..errors import AxonError, InvalidOption, NoProcess, StartFailed
from ..server import GenServer, call, checked_spec, slot_of
from ._base import BaseSupervisor, checked_choice, this_supervisor
from ._children import Child, Children, static_child
from ._decide import Strategy, group
from ._spec import ChildSpec, as_child

G = TypeVar("G", bound=GenServer[Any])


class PartitionSupervisor(BaseSupervisor, Generic[G]):
    """Splits the work of one server among several: `await counters.route("ann").increment()`.

        async with PartitionSupervisor(Counter(), partitions=8) as counters:

    The partitions are its children, with the ids "0", "1" and so on; the same key leads to the same partition, in
    every run of the program, while their number stays. Against one busy server; with `DynamicSupervisor` as the
    server, against one busy starter of many.

    spec: the server, or a `child(...)` spec of it without a name; not temporary, since a partition that is gone
    would leave a hole. partitions: how many, at least 1, default `os.cpu_count()`. strategy, max_restarts,
    max_seconds: as of `Supervisor`. with_arguments: `(server, number) -> server` makes the spec of each partition,
    default the same for all. name: its registered name, and the root of its path when it is entered as a block.

    A block, or a child of another supervisor, as `Supervisor` is. Not for parallel computing: all partitions share
    one event loop. https://hexdocs.pm/elixir/PartitionSupervisor.html
    """

    spec: ChildSpec[G] | G
    partitions: int = field(default_factory=lambda: os.cpu_count() or 1, kw_only=True)
    strategy: Strategy = field(default="one_for_one", kw_only=True)
    with_arguments: Callable[[G, int], G] | None = field(default=None, kw_only=True)
    _children: tuple[ChildSpec[G], ...] = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_choice("strategy", self.strategy, get_args(Strategy))
        if isinstance(self.partitions, bool) or not isinstance(self.partitions, int) or self.partitions < 1:
            raise InvalidOption("partitions", self.partitions, "a number >= 1")
        spec = cast("ChildSpec[G]", as_child(self.spec))
        if spec.significant:
            raise InvalidOption("significant", True, "False: a PartitionSupervisor does not end with its children")
        if spec.name is not None:
            raise InvalidOption("name", spec.name, "None: all partitions would have it; name the PartitionSupervisor")
        if spec.restart == "temporary":
            raise InvalidOption("restart", spec.restart, "'permanent' or 'transient' for a partition")
        numbers = range(self.partitions)
        children = tuple(replace(spec, id=str(number), server=self._server(spec.server, number)) for number in numbers)
        object.__setattr__(self, "_children", children)

    def _server(self, server: G, number: int) -> G:
        if self.with_arguments is None:
            return server
        made = self.with_arguments(server, number)
        if not isinstance(made, type(server)):
            raise InvalidOption("with_arguments", made, f"a function that returns a {type(server).__name__}")
        return cast("G", checked_spec(made, "with_arguments"))

    # -- what a program asks of it

    def route(self, key: int | str | bytes) -> G:
        """The partition for a key, at once: its handle follows its restarts.

        An int is taken by its absolute value modulo the number of partitions, a text or bytes by a hash that is the
        same in every run. Raises `NoProcess` if there are no partitions now, `InvalidOption` for other keys.
        """
        size = self.size()
        if size == 0:
            raise NoProcess(slot_of(self).path, "it was resized to no partitions")
        return cast("G", self._handle(str(partition_of(key, size))))

    def size(self) -> int:
        """How many partitions there are now, from 0 to `partitions`. Raises `NoProcess` if its supervisor is gone."""
        slot = slot_of(self)
        process = slot.process
        if process is not None and process.phase != "init":
            return len(cast("Children", process.state).by_id)
        if slot.children is None or slot.ended is not None:
            raise slot.absent()
        return self.partitions  # it is being restarted, with all of them

    @call(timeout=None, raises=(AxonError,))
    async def resize(self, state: Children, size: int) -> None:
        """Have this many partitions, from 0 to `partitions`: stop the last ones, or start them again.

        Keys are shared out among them anew. Handles of those that were stopped lead nowhere until they are started
        again. Raises `InvalidOption`, and `StartFailed` at the first one that does not start.
        """
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= self.partitions:
            raise InvalidOption("size", size, f"a number from 0 to {self.partitions}, the partitions it began with")
        me = this_supervisor()
        while len(state.by_id) > size:
            child = state.by_id[str(len(state.by_id) - 1)]
            await state.stop(child, me, "none: resize")
            del state.by_id[child.id]
        while len(state.by_id) < size:
            child = static_child(me.slot, self._children[len(state.by_id)])
            failure = await state.start(child, me)
            if isinstance(failure, StartFailed):
                raise failure
            state.by_id[child.id] = child

    # -- what kind of supervisor it is

    def _specs(self) -> Sequence[ChildSpec[GenServer[Any]]]:
        return self._children

    def _group(self, state: Children, failed: Child) -> list[Child]:
        return [state.by_id[id] for id in group(self.strategy, state.by_id, failed.id)]


def partition_of(key: int | str | bytes, size: int) -> int:
    """The number of the partition for a key, among so many."""
    if isinstance(key, int):
        return abs(key) % size
    if isinstance(key, str):
        return crc32(str.encode(key, "utf-8", "surrogatepass")) % size
    if isinstance(key, bytes):
        return crc32(key) % size
    raise InvalidOption("key", key, "an int, a text or bytes")
