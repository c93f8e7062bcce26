"""The options of an agent, checked when its spec is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from pydantic_ai.agent import AbstractAgent
from pydantic_ai.models import Model

from ..budget import Budget
from ..errors import InvalidOption
from ..process import checked_seconds
from ..provider import Account
from ..server import checked_name
from ..store import Store
from ._order import checked_limits
from ._verdict import checked_actions

if TYPE_CHECKING:
    from ._agent import AgentServer

GROUPS = "axon.agent/"
"""What the names of the process groups of agents begin with."""

WhenBusy: TypeAlias = Literal["queue", "steer", "interrupt", "reject"]
"""What becomes of a message that comes while a turn runs: it waits; it is told to that turn, whose result is its answer;
it ends that turn and is next; or its asker gets `AgentBusy`."""

REQUEST_TIMEOUT = 120.0
"""Seconds a model request may take unless told otherwise."""
TOKEN_TIMEOUT = 60.0
"""Seconds a streamed answer may take to begin, and stand still, unless told otherwise."""


def check_options(server: AgentServer[Any, Any]) -> None:
    """Raise `InvalidOption` for the first one that has a value it cannot have."""
    if not isinstance(server.agent, AbstractAgent):
        raise InvalidOption("agent", server.agent, "a pydantic_ai.Agent, or another AbstractAgent")
    checked_name(server.name)
    checked_name(server.group, "group")
    if server.model is not None and not isinstance(server.model, Model | str):
        raise InvalidOption("model", server.model, "a pydantic_ai model, the name of one, or None")
    checked_limits(server.usage_limits)
    settings: object = server.model_settings
    if settings is not None and not isinstance(settings, Mapping) and not callable(settings):
        raise InvalidOption(
            "model_settings", settings, "pydantic_ai.ModelSettings, a function that returns them, or None"
        )
    for option in (
        "request_timeout",
        "first_token_timeout",
        "stall_timeout",
        "tool_timeout",
        "approval_timeout",
        "passivate_after",
    ):
        seconds = getattr(server, option)
        if seconds is not None and not checked_seconds(seconds, option) > 0:
            raise InvalidOption(option, seconds, "a number of seconds > 0, or None")
    for option in ("attempts", "stream_buffer"):
        number = getattr(server, option)
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise InvalidOption(option, number, "a number >= 1")
    if server.when_busy not in get_args(WhenBusy):
        raise InvalidOption("when_busy", server.when_busy, "'queue', 'steer', 'interrupt' or 'reject'")
    if server.passivate_after is not None and server.store is None:
        raise InvalidOption("passivate_after", server.passivate_after, "None without a store to give the messages to")
    if server.budget is not None and not isinstance(server.budget, Budget):
        raise InvalidOption("budget", server.budget, "an axon.budget.Budget, or None")
    checked_actions(server.on_error)
    if server.account is not None and not isinstance(server.account, Account):
        raise InvalidOption("account", server.account, "an axon.provider.Account, or None")
    if server.store is not None and not isinstance(server.store, Store):
        raise InvalidOption("store", server.store, "an axon.store.Store, such as SQLiteStore('agents.db'), or None")
    if server.store is not None and server.name is None:
        raise InvalidOption("name", server.name, "given when there is a store: it is what the agent is kept under")
