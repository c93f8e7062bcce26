"""What a budget has to say.

BudgetError
├─ BudgetExceeded        a request was refused, a run was ended        .budget .resource .spent .reserved .granted .opens_at
├─ BudgetClosed          the share is not there any more               .budget
└─ PriceUnknown          money is limited, and nobody knows the price  .budget .model
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from ..errors import AxonError

if TYPE_CHECKING:
    from ._amount import Resource


class BudgetError(AxonError):
    """A budget refused something; `budget` is its path, such as `"acme/report"`."""

    def __init__(self, budget: str, message: str) -> None:
        super().__init__(message)
        self.budget = budget


class BudgetExceeded(BudgetError):
    """There is not enough left of a `resource`: a request was not sent, a share not made, or a run was ended.

    `granted` is the whole grant, of which `spent` is gone and `reserved` was handed on to shares; a share was refused
    because it asked for `wanted`. `opens_at` is when the budget's window opens again, in seconds since 1970, None if it
    has none.
    """

    def __init__(
        self,
        budget: str,
        resource: Resource,
        *,
        spent: Decimal,
        reserved: Decimal,
        granted: Decimal,
        opens_at: float | None = None,
        wanted: Decimal | None = None,
    ) -> None:
        held = f", {reserved:f} reserved by shares" if reserved else ""
        asked = f"; {wanted:f} were asked for" if wanted is not None else ""
        opens = f"; it opens again at {datetime.fromtimestamp(opens_at, UTC):%Y-%m-%d %H:%M:%S} UTC" if opens_at else ""
        super().__init__(
            budget, f"budget {budget!r} is out of {resource}: {spent:f} of {granted:f} spent{held}{asked}{opens}"
        )
        self.resource = resource
        self.spent = spent
        self.reserved = reserved
        self.granted = granted
        self.opens_at = opens_at
        self.wanted = wanted


class BudgetClosed(BudgetError):
    """A share was used that is not there any more: it was refunded, or its holder was not heard of for too long."""

    def __init__(self, budget: str) -> None:
        super().__init__(budget, f"the share {budget!r} was refunded, or given back because its holder was gone")


class PriceUnknown(BudgetError):
    """The budget limits money, and the price of the model is not known: give it with `prices=`, or limit tokens instead.

    Tokens and requests of what was answered are counted.
    """

    def __init__(self, budget: str, model: str) -> None:
        super().__init__(
            budget,
            f"budget {budget!r} limits usd, and nobody knows what the model {model!r} costs: "
            f"Budget(..., prices={{{model!r}: Price(input=..., output=...)}}) says it",
        )
        self.model = model
