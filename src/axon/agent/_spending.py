"""How a turn spends: which budget it draws on, and what that is asked before each model request and told after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.usage import RunUsage

from ..budget import Budget, Price, PriceUnknown, Request
from ..errors import InvalidOption
from ._order import Order, inside

if TYPE_CHECKING:
    from ._agent import AgentServer
    from ._attempt import Attempt


def with_budget(order: Order, server: AgentServer[Any, Any]) -> Order:
    """The order with the budget that it brings: its own, or that of the turn on whose behalf it is, if the server has
    none. Raises `InvalidOption` for one that would not outlive a restart, as the turn does.
    """
    asker = inside.get()
    if order.budget is None and server.budget is None and asker is not None:
        order = replace(order, budget=asker.budget, is_inherited=True)
    if order.budget is not None and server.store is not None and order.budget.store is not server.store:
        raise InvalidOption(
            "budget", order.budget, f"kept in the store of the agent, {server.store!r}: a turn goes on after a restart"
        )
    return order


@dataclass(kw_only=True)
class Spending(AbstractCapability[Any]):
    """Sends no model request that the budget does not admit, and counts what each came to before anything follows."""

    attempt: Attempt[Any, Any]
    budget: Budget
    _priced: set[str] = field(default_factory=set[str])

    async def wrap_model_request(self, ctx: RunContext[Any], *, request_context: Any, handler: Any) -> ModelResponse:
        """Admit the request, send it, and count it, also if it failed and cost something."""
        limits_usd = await self.budget.limits_usd()
        if limits_usd:
            self._check_price(request_context.model)
        self.attempt.weather.hold(True)
        async with self.budget.request() as request:
            self.attempt.weather.hold(False)
            before = replace(ctx.usage)
            response: ModelResponse | None = None
            try:
                response = await handler(request_context)
            finally:
                is_priced = self._count(request, ctx.usage, before, response, request_context.model)
        assert response is not None, "a request that did not raise has one"
        if limits_usd and not is_priced:
            raise PriceUnknown(self.budget.name, response.model_name or request_context.model.model_name)
        return response

    def _check_price(self, model: Model) -> None:
        for one in _all(model):
            if one.model_name not in self._priced and not _has_price(one, self.budget.prices):
                raise PriceUnknown(self.budget.name, one.model_name)
            self._priced.add(one.model_name)

    def _count(
        self, request: Request, usage: RunUsage, before: RunUsage, response: ModelResponse | None, model: Model
    ) -> bool:
        """Count what the run used meanwhile, other attempts included; returns whether all of it has a price."""
        usd = (usage.cost or Decimal(0)) - (before.cost or Decimal(0))
        tokens = usage.total_tokens - before.total_tokens
        is_priced = True
        if response is not None and response.usage.cost is None:
            price = self.budget.prices.get(response.model_name or model.model_name)
            if price is None:
                is_priced = False
            else:
                usd += price.of(response.usage.input_tokens, response.usage.output_tokens)
        if response is not None or tokens or usd:
            request.used(usd=usd, tokens=tokens)
        return is_priced


def _all(model: Model) -> Iterator[Model]:
    """The models that a model may ask."""
    if isinstance(model, FallbackModel):
        for one in model.models:
            yield from _all(one)
    elif isinstance(model, WrapperModel):
        yield from _all(model.wrapped)
    else:
        yield model


def _has_price(model: Model, prices: Mapping[str, Price]) -> bool:
    """Whether a response of this model will have a price, as far as one can know before."""
    if model.model_name in prices:
        return True
    try:
        url = model.base_url
    except (AttributeError, UserError):
        url = None
    empty = ModelResponse(parts=[], model_name=model.model_name, provider_name=model.system, provider_url=url)
    try:
        empty.cost()
    except LookupError:
        return False
    except ValueError:  # it knows the model, and not what to say of no usage
        return True
    return True
