"""What responses cost: genai-prices, with a program's own prices before them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from pydantic_ai.messages import ModelResponse

from ..errors import InvalidOption

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice


class PriceBook:
    """The prices of models, in US dollars.

        from genai_prices.types import ModelPrice

        PriceBook({"gpt-5": ModelPrice(input_mtok=Decimal("1.10"), output_mtok=Decimal("8.80"))})

    own: prices by the name of the model, as a response has it or as it was asked for: of a contract, a model of your own,
    or one that is newer than genai-prices. All others are those of genai-prices, which comes with pydantic-ai and knows
    some thousand models. https://github.com/pydantic/genai-prices
    """

    def __init__(self, own: Mapping[str, ModelPrice] | None = None) -> None:
        self._own = checked_prices({} if own is None else own)

    def cost_of(self, response: ModelResponse, model_name: str | None = None) -> Decimal | None:
        """What a response costs, None if nobody knows its price, or it does not say what it used.

        model_name: the name of the model that was asked.
        """
        usage = response.usage
        if usage.unmeasured_requests:
            return None
        for name in (response.model_name, model_name):
            if name is not None and name in self._own:
                return self._own[name].calc_price(usage)["total_price"]
        if usage.cost is not None:  # the provider says so itself
            return usage.cost
        try:
            return response.cost().total_price if response.model_name else None
        except (LookupError, ValueError):
            return None


def checked_prices(prices: object) -> dict[str, ModelPrice]:
    """Raise `InvalidOption` for what is no table of prices."""
    from genai_prices.types import ModelPrice

    if not isinstance(prices, Mapping):
        raise InvalidOption("prices", prices, "a mapping from names of models to genai_prices.types.ModelPrice")
    table = dict(cast("Mapping[object, object]", prices))
    for name, price in table.items():
        if not isinstance(name, str) or not isinstance(price, ModelPrice):
            raise InvalidOption("prices", {name: price}, "made of names of models and genai_prices.types.ModelPrice")
    return cast("dict[str, ModelPrice]", table)
