"""Amounts of what is limited: money in US dollars, tokens, requests and seconds; counted exactly, as decimals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeAlias, get_args

from ..errors import InvalidOption

Resource: TypeAlias = Literal["usd", "tokens", "requests", "seconds"]
"""What a budget limits. Seconds are those that runs take."""

RESOURCES: tuple[Resource, ...] = get_args(Resource)
Amounts: TypeAlias = dict[Resource, Decimal]
Money: TypeAlias = Decimal | int | str
"""An exact sum of US dollars: `Decimal("0.10")`, `"0.10"` or `2`; a float is none."""

ZERO = Decimal(0)
MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much of each resource."""

    usd: Decimal = ZERO
    tokens: int = 0
    requests: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of each resource one response may use, as `response=` has it; None is not known."""

    usd: Money | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """How much of each resource was granted, or is left of it; None is no limit."""

    usd: Decimal | None = None
    tokens: int | None = None
    requests: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs: US dollars for a million input tokens, and for a million output tokens."""

    input: Money
    output: Money

    def __post_init__(self) -> None:
        for option in ("input", "output"):
            object.__setattr__(self, option, checked_usd(option, getattr(self, option), zero=True))

    def of(self, input_tokens: int, output_tokens: int) -> Decimal:
        """What so many tokens cost."""
        return (Decimal(self.input) * input_tokens + Decimal(self.output) * output_tokens) / MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A budget at one moment.

    granted: the whole grant. spent: of it what was used, in this window, by shares too. reserved: what open shares have
    left of theirs. left: the rest. in_flight: requests whose usage is not known yet. opens_at: when the window ends, in
    seconds since 1970, None without one.
    """

    budget: str
    granted: Grant
    spent: Amount
    reserved: Amount
    left: Grant
    in_flight: int = 0
    opens_at: float | None = None


def checked_usd(option: str, value: object, *, zero: bool = False) -> Decimal:
    """A sum of money, above zero unless told otherwise. Raises `InvalidOption`."""
    expected = f"US dollars {'>= 0' if zero else '> 0'} as Decimal, int or text (a float is not exact)"
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise InvalidOption(option, value, expected)
    try:
        usd = Decimal(value)
    except InvalidOperation:
        raise InvalidOption(option, value, expected) from None
    if not usd.is_finite() or usd < 0 or (usd == 0 and not zero):
        raise InvalidOption(option, value, expected)
    return usd


def checked_amounts(
    usd: object, tokens: object, requests: object, seconds: object, *, of: str = "", zero: bool = False
) -> Amounts:
    """What was given, as decimals; what is None is left out. Raises `InvalidOption` for what cannot be an amount.

    of: the option they are part of, for the message. zero: whether nothing is an amount, too.
    """
    amounts: Amounts = {}
    if usd is not None:
        amounts["usd"] = checked_usd(f"{of}usd", usd, zero=zero)
    counts: tuple[tuple[Resource, object], ...] = (("tokens", tokens), ("requests", requests))
    for resource, count in counts:
        if count is not None:
            if isinstance(count, bool) or not isinstance(count, int) or count < (0 if zero else 1):
                raise InvalidOption(f"{of}{resource}", count, f"a number >= {0 if zero else 1}")
            amounts[resource] = Decimal(count)
    if seconds is not None:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not _is_time(seconds, zero=zero):
            raise InvalidOption(f"{of}seconds", seconds, f"seconds {'>= 0' if zero else '> 0'}")
        amounts["seconds"] = as_seconds(seconds)
    return amounts


def _is_time(seconds: float, *, zero: bool) -> bool:
    return 0 <= seconds < math.inf and (seconds > 0 or zero)


def as_seconds(seconds: float) -> Decimal:
    """Seconds as a decimal, to the microsecond."""
    return Decimal(round(seconds * 1_000_000)) / MILLION


def plus(amounts: Mapping[Resource, Decimal], more: Mapping[Resource, Decimal]) -> Amounts:
    """Both together."""
    both: Amounts = {resource: amounts.get(resource, ZERO) + more.get(resource, ZERO) for resource in RESOURCES}
    return {resource: amount for resource, amount in both.items() if amount}


def as_amount(amounts: Mapping[Resource, Decimal]) -> Amount:
    """Decimals as they are shown; what is left out is zero."""
    return Amount(
        usd=amounts.get("usd", ZERO),
        tokens=int(amounts.get("tokens", ZERO)),
        requests=int(amounts.get("requests", ZERO)),
        seconds=float(amounts.get("seconds", ZERO)),
    )


def as_grant(amounts: Mapping[Resource, Decimal]) -> Grant:
    """Decimals as they are shown; what is left out is not limited."""
    return Grant(
        usd=amounts.get("usd"),
        tokens=int(amounts["tokens"]) if "tokens" in amounts else None,
        requests=int(amounts["requests"]) if "requests" in amounts else None,
        seconds=float(amounts["seconds"]) if "seconds" in amounts else None,
    )
