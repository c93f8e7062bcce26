"""What can be told of a run before it begins, so that nothing in it has to be watched for the sake of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic_ai import Agent, ModelSettings
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.models import Model

if TYPE_CHECKING:
    from ._agent import AgentServer

BUILT_IN = frozenset(type(capability) for capability in Agent(name="plain").root_capability.capabilities)
"""The capabilities that every agent has."""


def settings_of(server: AgentServer[Any, Any]) -> ModelSettings | None:
    """The settings for a run with the default limit of a request among them, unless the agent, its model or the server
    have another one; None if only the run can tell, since a function or a capability gives settings.
    """
    agent, given = server.agent, server.model_settings
    if not _is_simple(agent) or callable(agent.model_settings) or callable(given):
        return None
    model = server.model or agent.model
    settings = ModelSettings(**(given or {}))
    layers = (settings, agent.model_settings, model.settings if isinstance(model, Model) else None)
    if server.request_timeout is not None and not any(layer and "request_timeout" in layer for layer in layers):
        settings["request_timeout"] = server.request_timeout
    return settings


def _is_simple(agent: AbstractAgent[Any, Any]) -> TypeGuard[Agent[Any, Any]]:
    return type(agent) is Agent and all(type(it) in BUILT_IN for it in agent.root_capability.capabilities)
