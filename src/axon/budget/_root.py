"""What a program says of a budget, checked, and as it is kept with what goes on after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import cast

from ..errors import InvalidOption
from ._amount import Amounts, Limits, Price, Resource, checked_amounts
from ._rules import Terms
from ._tree import Path
from ._window import Per, window_of


@dataclass(frozen=True)
class Root:
    """The options of a root budget, as decimals."""

    name: str
    limits: Amounts = field(default_factory=dict[Resource, Decimal])
    per: Per | None = None
    response: Amounts = field(default_factory=dict[Resource, Decimal])
    prices: dict[str, Price] = field(default_factory=dict[str, Price])

    def terms(self, now: float) -> tuple[Terms, float]:
        """What counts at this moment, and when its window began."""
        start, end = window_of(self.per, now)
        return Terms(self.name, self.limits, self.response, end), start


@dataclass(frozen=True)
class BudgetRef:
    """A budget as JSON can carry it, to be found again in its store with `Budget.of`."""

    root: Root
    path: Path = ()


def checked_budget_name(name: object) -> str:
    """A name that every store takes. Raises `InvalidOption`."""
    if not isinstance(name, str) or not 0 < len(name) <= 200 or not name.isprintable():
        raise InvalidOption("name", name, "a printable text of 1 to 200 characters")
    return name


def checked_response(response: object) -> Amounts:
    """`response=` as decimals. Raises `InvalidOption`."""
    if response is None:
        return {}
    if not isinstance(response, Limits):
        raise InvalidOption("response", response, "axon.budget.Limits(usd=..., tokens=...), or None")
    return checked_amounts(response.usd, response.tokens, None, None, of="response.")


def checked_prices(prices: object) -> dict[str, Price]:
    """`prices=` as a dict. Raises `InvalidOption`."""
    if prices is None:
        return {}
    if not isinstance(prices, Mapping):
        raise InvalidOption("prices", prices, "a mapping from names of models to axon.budget.Price, or None")
    for model, price in cast("Mapping[object, object]", prices).items():
        if not isinstance(model, str) or not isinstance(price, Price):
            raise InvalidOption("prices", {model: price}, "made of names of models and axon.budget.Price")
    return dict(cast("Mapping[str, Price]", prices))
