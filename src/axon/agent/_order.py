"""What is asked of an agent in one run, checked before anything is sent."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pydantic import ConfigDict, TypeAdapter
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, UserContent
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import DeferredToolResults
from pydantic_ai.usage import UsageLimits
from pydantic_core import to_json, to_jsonable_python

from ..budget import Budget
from ..errors import InvalidOption
from ..store import Store, Unreadable
from ._history import check_history
from ._records import Accepted, Content, Hop

if TYPE_CHECKING:
    from ._turn import Turn

Prompt: TypeAlias = str | Sequence[UserContent]
"""A text, or texts with images, documents and other content, as `pydantic_ai.Agent.run` takes it."""

EXCERPT = 80
"""Characters of a prompt that status and reports show."""

inside: ContextVar[Turn[Any, Any] | None] = ContextVar("axon_turn", default=None)
"""The turn on whose behalf code runs."""


@dataclass(eq=False, slots=True, kw_only=True, repr=False)
class Order:
    """The request for one run, which nobody changes; shown by its prompt alone, since the rest may hold keys."""

    prompt: Prompt | None
    deps: Any
    message_history: Sequence[ModelMessage] | None
    deferred_tool_results: DeferredToolResults | None
    usage_limits: UsageLimits | None
    message_id: str
    hops: tuple[Hop, ...] = ()
    """The turns that wait for this one, over all agents in between, the outermost first."""
    budget: Budget | None = None
    is_inherited: bool = False
    kept_deps: Any = None
    """The dependencies as JSON, where there is a store."""
    aside: bool = False
    """Whether its turn is beside the conversation."""
    model_settings: ModelSettings | None = None
    kept_settings: dict[str, Any] | None = None
    """The settings as JSON, where there is a store."""
    is_reference: bool = False
    """It is for a message that was given before, and says nothing but its id."""

    def __repr__(self) -> str:
        return repr(self.excerpt)

    @property
    def excerpt(self) -> str | None:
        """The beginning of the prompt's text."""
        if self.prompt is None or isinstance(self.prompt, str):
            text = self.prompt
        else:
            text = " ".join(part if isinstance(part, str) else f"<{type(part).__name__}>" for part in self.prompt)
        return text if text is None or len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def checked_order(  # noqa: PLR0917
    prompt: object,
    deps: object,
    message_history: object,
    deferred_tool_results: object,
    usage_limits: object,
    message_id: object,
    budget: object,
    aside: object = False,
    model_settings: object = None,
) -> Order:
    """The order, made on the caller's side; `InvalidOption` if an argument cannot be one."""
    if prompt is not None and not isinstance(prompt, str) and not _is_content(prompt):
        raise InvalidOption("prompt", prompt, "a text, a list of user content, or None")
    if message_history is not None and not _are_messages(message_history):
        raise InvalidOption("message_history", message_history, "a list of ModelRequest and ModelResponse, or None")
    if deferred_tool_results is not None and not isinstance(deferred_tool_results, DeferredToolResults):
        raise InvalidOption("deferred_tool_results", deferred_tool_results, "DeferredToolResults or None")
    if message_id is not None and not (isinstance(message_id, str) and 0 < len(message_id) <= 200):
        raise InvalidOption("message_id", message_id, "a text of 1 to 200 characters, or None")
    if budget is not None and not isinstance(budget, Budget):
        raise InvalidOption("budget", budget, "an axon.budget.Budget, or None")
    if not isinstance(aside, bool):
        raise InvalidOption("aside", aside, "True or False")
    if model_settings is not None and not isinstance(model_settings, Mapping):
        raise InvalidOption("model_settings", model_settings, "pydantic_ai.ModelSettings for one run, or None")
    history = cast("Sequence[ModelMessage] | None", message_history)
    if history is not None:
        check_history(history, prompted=prompt is not None)
    asker = inside.get()
    return Order(
        prompt=cast("Prompt | None", prompt),
        deps=deps,
        message_history=history,
        deferred_tool_results=deferred_tool_results,
        usage_limits=checked_limits(usage_limits),
        message_id=message_id or os.urandom(16).hex(),
        hops=() if asker is None else asker.hops,
        budget=budget,
        aside=aside,
        model_settings=cast("ModelSettings | None", model_settings),
    )


def reference(message_id: str) -> Order:
    """An order for a message that was given before."""
    order = checked_order(None, None, None, None, None, message_id, None)
    order.is_reference = True
    return order


# -- orders as they are kept

_CONTENT: TypeAdapter[Content | None] = TypeAdapter(
    Content | None, config=ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
)


def content_of(prompt: Prompt) -> Content:
    """A prompt as it is kept."""
    return prompt if isinstance(prompt, str) else list(prompt)


def fingerprint_of(prompt: Prompt | None) -> str:
    """What is the same for the same prompt, and for no other."""
    body = to_json(prompt) if isinstance(prompt, str) else _CONTENT.dump_json(None if prompt is None else list(prompt))
    return hashlib.blake2b(body, digest_size=32).hexdigest()  # half the time of sha256, which OpenSSL is asked for


def kept_order(
    order: Order,
    left: float | None,
    *,
    streamed: bool,
    first: bool,
    durable: bool,
) -> Accepted:
    """The record of an order; `left` are the seconds it has. One that is not durable has what a turn needs alone."""
    history = order.message_history
    return Accepted(
        order.message_id,
        None if order.prompt is None else content_of(order.prompt),
        fingerprint_of(order.prompt) if durable else "",
        None if history is None else list(history),
        order.deferred_tool_results,
        order.usage_limits,
        order.kept_deps,
        None if left is None else time.time() + left,
        streamed,
        first,
        None if order.budget is None or not durable else order.budget.ref,
        order.is_inherited,
        order.hops,
        order.aside,
        order.kept_settings,
    )


def kept_deps(agent: AbstractAgent[Any, Any], deps: object) -> Any:
    """The dependencies of one run as JSON. Raises `InvalidOption`, which does not show them."""
    try:
        return TypeAdapter[Any](agent.deps_type).dump_python(deps, mode="json", warnings="error")
    except Exception as error:
        raise InvalidOption(
            "deps",
            type(deps),
            "something JSON can carry when the agent has a store; connections and clients belong to the agent's own deps",
        ) from error


def kept_settings(settings: ModelSettings | None) -> dict[str, Any] | None:
    """The settings of one run as JSON. Raises `InvalidOption`, which does not show them: they may hold keys."""
    try:
        return None if settings is None else to_jsonable_python(dict(settings))
    except Exception as error:
        raise InvalidOption(
            "model_settings", sorted(settings or ()), "something JSON can carry when the agent has a store"
        ) from error


def order_of(kept: Accepted, agent: AbstractAgent[Any, Any], key: str, store: Store | None) -> Order:
    """The order that a record in this store is of. Raises `Unreadable` if the dependencies do not fit the agent any more."""
    try:
        deps = None if kept.deps is None else TypeAdapter(agent.deps_type).validate_python(kept.deps)
    except Exception as error:
        raise Unreadable(key, 0, f"the deps of message {kept.turn!r} are no {agent.deps_type!r}: {error}") from error
    return Order(
        prompt=kept.prompt,
        deps=deps,
        message_history=kept.history,
        deferred_tool_results=kept.deferred,
        usage_limits=kept.limits,
        message_id=kept.turn,
        budget=None if kept.budget is None or store is None else Budget.of(kept.budget, store),
        is_inherited=kept.inherited,
        hops=kept.hops,
        aside=kept.aside,
        model_settings=cast("ModelSettings | None", kept.settings),
    )


def checked_limits(limits: object) -> UsageLimits | None:
    """`usage_limits=` as None or a `UsageLimits`."""
    if limits is not None and not isinstance(limits, UsageLimits):
        raise InvalidOption("usage_limits", limits, "pydantic_ai.UsageLimits or None")
    return limits


def _items(value: object) -> Sequence[object] | None:
    if isinstance(value, list | tuple):
        return cast("Sequence[object]", value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return list(cast("Sequence[object]", value))
    return None


def _is_content(value: object) -> bool:
    items = _items(value)
    return items is not None and all(isinstance(item, str) or _is_instance(item) for item in items)


def _is_instance(item: object) -> bool:
    # pydantic-ai may add kinds of content in any minor; all of them are dataclasses.
    return dataclasses.is_dataclass(item) and not isinstance(item, type)


def _are_messages(value: object) -> bool:
    items = _items(value)
    return items is not None and all(isinstance(item, ModelRequest | ModelResponse) for item in items)
