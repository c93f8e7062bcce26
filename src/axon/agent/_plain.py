"""Runs with nothing in them to watch: an agent that only talks to its model costs little more than pydantic-ai itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_ai import Agent, ModelSettings
from pydantic_ai.models import Model
from pydantic_ai.toolsets import FunctionToolset

if TYPE_CHECKING:
    from ._agent import AgentServer

BUILT_IN = frozenset(type(capability) for capability in Agent(name="plain").root_capability.capabilities)
"""The capabilities that every agent has."""


def plain_settings(server: AgentServer[Any, Any]) -> ModelSettings | None:
    """The settings, `request_timeout` among them, of runs that need no hooks; None if they need them.

    A capability of one run makes pydantic-ai put all of the agent's together anew, 0.3 ms of CPU each time. It is left
    out where nothing would come of it: nothing is kept, nothing is tried again, there is no tool, the agent has no
    capability of its own, and what the limit of a request is can be told before the run.
    """
    agent, given = server.agent, server.model_settings
    if server.store is not None or server.on_error or type(agent) is not Agent or not _only_talks(agent):
        return None
    model = server.model or agent.model
    model_settings = model.settings if isinstance(model, Model) else None
    own = agent.model_settings
    if callable(own) or callable(given):
        return None
    settings = ModelSettings(**(given or {}))
    if server.request_timeout is not None and not any("request_timeout" in (it or {}) for it in (model_settings, own)):
        settings.setdefault("request_timeout", server.request_timeout)
    return settings


def _only_talks(agent: Agent[Any, Any]) -> bool:
    own_tools, *others = agent.toolsets
    if others or not isinstance(own_tools, FunctionToolset) or own_tools.tools:
        return False
    return all(type(capability) in BUILT_IN for capability in agent.root_capability.capabilities)
