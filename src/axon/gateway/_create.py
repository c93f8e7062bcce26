"""The server of an agent from a request to create one: its module, its model, and the functions of its tools."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model

from ..agent import AgentServer
from ..blueprint import FunctionTarget, Targets
from ..errors import InvalidOption
from ..server import GenServer
from ..store import Store
from ._modules import Modules
from ._requests import CreateAgent

MODELS = {"test:model": "test"}
"""Older names of models."""


def server_of(
    request: CreateAgent, modules: Modules | None, servers: Mapping[str, type[GenServer[Any]]], store: Store | None
) -> AgentServer[Any, Any]:
    """What is to be started. Imports modules and a provider's client, so call it in a thread.

    Raises `ModuleNotAllowed`, `ModuleUnusable`, `InvalidOption` for a model that cannot be had, and as
    `AgentBlueprint.spec` does.
    """
    modules = Modules() if modules is None else modules  # which looks at the disk
    agent = None if request.agent_module is None else modules.agent(request.agent_module)
    if request.model is None and (agent is None or agent.model is None):
        raise InvalidOption("model", None, "given, such as openai:gpt-5 or test: the module chooses none")
    spec = request.blueprint.spec(
        Targets(functions=_functions(request, modules), servers=servers),
        agent=agent,
        model=None if request.model is None else model_of(request.model),
        store=store,
    )
    return dataclasses.replace(spec, name=request.agent_id)


def model_of(name: str) -> Model:
    """The model of this name. Raises `InvalidOption`."""
    try:
        return infer_model(MODELS.get(name, name))
    except (UserError, ImportError) as error:
        raise InvalidOption("model", name, f"one that can be used here ({error})") from error


def _functions(request: CreateAgent, modules: Modules) -> dict[str, Callable[..., object]]:
    wanted: list[object] = [request.instructions, *(tool.target for tool in request.tools)]
    return {
        target.name: modules.function(target.module, target.function)
        for target in wanted
        if isinstance(target, FunctionTarget) and target.module is not None
    }
