"""Balances as tests compare them."""

from __future__ import annotations

from axon.budget import Balance


def usd_of(balance: Balance) -> tuple[float, float, float | None]:
    """Dollars spent, reserved and left."""
    left = balance.left.usd
    return float(balance.spent.usd), float(balance.reserved.usd), None if left is None else float(left)
