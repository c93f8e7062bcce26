"""What is asked of an agent in one run, checked before anything is sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, UserContent
from pydantic_ai.tools import DeferredToolResults
from pydantic_ai.usage import UsageLimits

from ..errors import InvalidOption

if TYPE_CHECKING:
    from ._turn import Turn

Prompt: TypeAlias = str | Sequence[UserContent]
"""A text, or texts with images, documents and other content, as `pydantic_ai.Agent.run` takes it."""

EXCERPT = 80
"""Characters of a prompt that status and reports show."""

inside: ContextVar[tuple[Turn[Any, Any], ...]] = ContextVar("axon_turns", default=())
"""The turns on whose behalf code runs, over all agents in between, the outermost first."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Order:
    """The request for one run; shown by its prompt alone, since the rest may hold keys."""

    prompt: Prompt | None
    deps: Any
    message_history: Sequence[ModelMessage] | None
    deferred_tool_results: DeferredToolResults | None
    usage_limits: UsageLimits | None
    within: tuple[Turn[Any, Any], ...]

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


def checked_order(
    prompt: object,
    deps: object,
    message_history: object,
    deferred_tool_results: object,
    usage_limits: object,
) -> Order:
    """The order, made on the caller's side; `InvalidOption` if an argument cannot be one."""
    if prompt is not None and not isinstance(prompt, str) and not _is_content(prompt):
        raise InvalidOption("prompt", prompt, "a text, a list of user content, or None")
    if message_history is not None and not _are_messages(message_history):
        raise InvalidOption("message_history", message_history, "a list of ModelRequest and ModelResponse, or None")
    if deferred_tool_results is not None and not isinstance(deferred_tool_results, DeferredToolResults):
        raise InvalidOption("deferred_tool_results", deferred_tool_results, "DeferredToolResults or None")
    return Order(
        prompt=cast("Prompt | None", prompt),
        deps=deps,
        message_history=cast("Sequence[ModelMessage] | None", message_history),
        deferred_tool_results=deferred_tool_results,
        usage_limits=checked_limits(usage_limits),
        within=inside.get(),
    )


def checked_limits(limits: object) -> UsageLimits | None:
    """`usage_limits=` as None or a `UsageLimits`."""
    if limits is not None and not isinstance(limits, UsageLimits):
        raise InvalidOption("usage_limits", limits, "pydantic_ai.UsageLimits or None")
    return limits


def _items(value: object) -> list[object] | None:
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
