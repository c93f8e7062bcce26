"""How the runs of an agent begin: what all of them have in common is put together once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic_ai import AgentModelSettings, CancellationToken, ModelSettings
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model
from pydantic_ai.run import AgentRun
from pydantic_ai.tools import DeferredToolResults
from pydantic_ai.usage import RunUsage, UsageLimits

from ..process import Process
from ._helpers import Helpers
from ._hooks import ToolHooks
from ._order import Prompt
from ._plain import ROOTS, Opening, Root, is_plain

if TYPE_CHECKING:
    from ._agent import AgentServer

Deps = TypeVar("Deps")
Output = TypeVar("Output")


class Runs(Generic[Deps, Output]):
    """The runs of one server.

    `request_timeout` is the limit of a request that only a hook can set, None if there is none or the settings have it.
    """

    def __init__(self, server: AgentServer[Deps, Output]) -> None:
        self._server = server
        settings = _settings_of(server)
        self._settings: AgentModelSettings[Deps] | None = server.model_settings if settings is None else settings
        self.request_timeout: float | None = server.request_timeout if settings is None else None
        self.helpers: Helpers | None = None
        self._override = _override(server.agent) if is_plain(server.agent) else None

    def helpers_of(self, process: Process) -> Helpers:
        """The agents that are started for the tools of its runs, which end with this process."""
        if self.helpers is None:
            self.helpers = Helpers(process)
        return self.helpers

    def open(
        self,
        hooks: type[ToolHooks],
        prompt: Prompt | None,
        *,
        deps: object,
        history: Sequence[ModelMessage],
        deferred: DeferredToolResults | None,
        usage: RunUsage,
        limits: UsageLimits | None,
        settings: ModelSettings | None,
        token: CancellationToken,
        inside: Sequence[AbstractCapability[Any]] = (),
    ) -> AbstractAsyncContextManager[AgentRun[Deps, Output]]:
        """A run with these hooks, which find their attempt by their context, and with other capabilities inside them."""
        server, override = self._server, self._override
        root = None if override is None or inside else ROOTS.get(hooks)
        run = server.agent.iter(
            prompt,
            deps=cast("Deps", server.deps if deps is None else deps),
            message_history=history,
            deferred_tool_results=deferred,
            model=server.model,
            model_settings=self._settings if settings is None else _with(self._settings, settings),
            usage=usage,
            usage_limits=limits or server.usage_limits,
            cancellation_token=token,
            capabilities=None if root is not None else [hooks(), *inside],
            infer_name=False,
        )
        return run if override is None or root is None else Opening(run, override, root)


def _override(agent: AbstractAgent[Any, Any]) -> ContextVar[Root | None] | None:
    """Where pydantic-ai looks for capabilities that stand in for an agent's own; None if a later version does not."""
    return getattr(agent, "_override_root_capability", None)


def _with(given: AgentModelSettings[Any] | None, own: ModelSettings) -> AgentModelSettings[Any]:
    """The settings of one run, on top of those of all."""
    if callable(given):
        return lambda ctx: given(ctx) | own
    return own if given is None else given | own


def _settings_of(server: AgentServer[Any, Any]) -> ModelSettings | None:
    """The settings for a run with the default limit of a request among them, unless the agent, its model or the server
    have another one; None if only the run can tell, since a function or a capability gives settings.
    """
    agent, given = server.agent, server.model_settings
    if not is_plain(agent) or callable(agent.model_settings) or callable(given):
        return None
    model = server.model or agent.model
    settings = ModelSettings(**(given or {}))
    layers = (settings, agent.model_settings, model.settings if isinstance(model, Model) else None)
    if server.request_timeout is not None and not any(layer and "request_timeout" in layer for layer in layers):
        settings["request_timeout"] = server.request_timeout
    return settings
