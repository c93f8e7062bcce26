"""Axon as two peers of an actor benchmark harness: `AxonPeer` with plain handlers, `AxonAsyncPeer` with async ones.

The harness gives a behaviour (`on_cast`, `on_call`) and asks for spawn, cast, call, kill, supervise and timers. Name
this file in its `BENCH_ADAPTERS`: `axon=tests/bench/axon_peer.py:AxonPeer`.
"""

# No `from __future__ import annotations`: the harness loads this file without registering it as a module, and a
# dataclass looks for its textual hints there.
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import axon
from axon import GenServer, Group, Supervisor, call, cast, child, send_after

if TYPE_CHECKING:

    class Peer:
        """What the harness provides."""

else:
    from peers.base import Peer


class Plain(GenServer[Any]):
    behaviour: Any

    def init(self) -> Any:
        return self.behaviour

    @call
    def ask(self, state: Any, message: Any) -> Any:
        return state.on_call(message)

    @cast
    def tell(self, state: Any, message: Any) -> None:
        state.on_cast(message)

    def handle_info(self, state: Any, message: object) -> None:
        state.on_cast(message)


class PlainCrasher(Plain):
    """`behaviour` makes one for each incarnation of a supervised server."""

    def init(self) -> Any:
        return self.behaviour()


class Async(GenServer[Any]):
    behaviour: Any

    async def init(self) -> Any:
        return self.behaviour

    @call
    async def ask(self, state: Any, message: Any) -> Any:
        return state.on_call(message)

    @cast
    async def tell(self, state: Any, message: Any) -> None:
        state.on_cast(message)

    async def handle_info(self, state: Any, message: object) -> None:
        state.on_cast(message)


class AsyncCrasher(Async):
    async def init(self) -> Any:
        return self.behaviour()


class AxonPeer(Peer):
    packages = ("axon-otp",)
    server: type[Plain | Async] = Plain
    crasher: type[Plain | Async] = PlainCrasher
    supervisors: list[Supervisor]

    async def start(self) -> None:
        self.supervisors = []

    async def stop(self) -> None:
        for supervisor in self.supervisors:
            await axon.stop(supervisor)

    async def spawn(self, behaviour: Any) -> Plain | Async:
        return await axon.start(self.server(behaviour))

    def caster(self, ref: Plain | Async) -> Callable[[Any], None]:
        return ref.tell

    def caller(self, ref: Plain | Async) -> Callable[[Any], Awaitable[Any]]:
        return ref.ask

    async def kill(self, ref: Plain | Async) -> None:
        await axon.stop(ref)

    async def supervise(self, factory: Callable[[], Any]) -> Plain | Async:
        tree = Supervisor([child(self.crasher(factory), id="it")], max_restarts=1_000_000_000, max_seconds=0.001)
        supervisor = await axon.start(tree)
        self.supervisors.append(supervisor)
        return supervisor.get(self.server, "it")

    async def group(self, behaviours: list[Any]) -> Group[Plain | Async]:
        pool: Group[Plain | Async] = axon.group(self.server, "group")
        pool.join(*[await self.spawn(behaviour) for behaviour in behaviours])
        return pool

    def broadcaster(self, group: Group[Plain | Async]) -> Callable[[Any], None]:
        tell: Any = self.server.tell
        return partial(group.broadcast, tell)

    def send_after(self, delay: float, ref: Plain | Async, message: Any) -> None:
        send_after(delay, ref, message)


class AxonAsyncPeer(AxonPeer):
    server = Async
    crasher = AsyncCrasher
