"""Plain agents, which have the built-in capabilities alone: for their runs these are put together with the hooks once.

pydantic-ai puts the capabilities of a run together with those of its agent anew each time, 0.3 ms of CPU, and each one
more costs 0.1 ms on top. So the hooks ride on one of the built-in ones, and stand with the rest in the agent's place
while its run begins.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Generic, TypeGuard, TypeVar, cast

from pydantic_ai import Agent
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.capabilities import AbstractCapability, CombinedCapability, ToolSearch
from pydantic_ai.run import AgentRun

from ._hooks import Hooks, ToolHooks

Deps = TypeVar("Deps")
Output = TypeVar("Output")

BUILT_IN = Agent(name="plain").root_capability.capabilities
"""The capabilities that every agent has."""


def is_plain(agent: AbstractAgent[Any, Any]) -> TypeGuard[Agent[Any, Any]]:
    """Whether nothing but its model and its tools has a part in its runs."""
    return type(agent) is Agent and agent.root_capability.capabilities == BUILT_IN


class _RidingToolHooks(ToolHooks, ToolSearch[Any]):
    pass


class _RidingHooks(Hooks, ToolSearch[Any]):
    pass


@dataclass(frozen=True, slots=True)
class Root:
    """Capabilities put together, as pydantic-ai has them in its override."""

    value: CombinedCapability[Any]


def _together(riding: ToolHooks) -> Root:
    """The built-in capabilities with the hooks among them, asked only for that of which one of them has its own notion.

    pydantic-ai asks each of them at every step of a run, with a copy of its context, and what it is told is mostly what
    the base class says: 0.2 ms of a turn that only talks, 0.4 with a tool.
    """
    capabilities = [riding, *(one for one in BUILT_IN if not isinstance(one, ToolSearch))]
    base, direct = vars(AbstractCapability), dict[str, Any]()
    for name, method in vars(CombinedCapability).items():
        if name not in base or not inspect.iscoroutinefunction(method):
            continue
        if name == "on_event":  # to override it is to listen, and then every model request is a streamed one
            continue
        asked = [one for one in capabilities if getattr(type(one), name) is not base[name]]
        if not asked:
            direct[name] = base[name]
        elif asked == [riding]:
            direct[name] = staticmethod(getattr(riding, name))
    kind = cast("type[CombinedCapability[Any]]", type("Together", (CombinedCapability,), direct))
    return Root(kind(capabilities))


ROOTS: Mapping[type[ToolHooks], Root] = MappingProxyType(
    {ToolHooks: _together(_RidingToolHooks()), Hooks: _together(_RidingHooks())}
)
"""What stands in a plain agent's place, by the hooks of its run."""


class Opening(Generic[Deps, Output]):
    """A run that begins with other capabilities than its agent's; what is run inside it has the agent's again."""

    def __init__(
        self,
        run: AbstractAsyncContextManager[AgentRun[Deps, Output]],
        override: ContextVar[Root | None],
        root: Root,
    ) -> None:
        self._run = run
        self._override = override
        self._root = root

    async def __aenter__(self) -> AgentRun[Deps, Output]:
        token = self._override.set(self._root)
        try:
            return await self._run.__aenter__()
        finally:
            self._override.reset(token)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._run.__aexit__(kind, error, trace)
