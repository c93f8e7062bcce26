"""An agent that sells what is in stock."""

from __future__ import annotations

from pydantic_ai import Agent, RunContext
from shop import Stock

seller = Agent[Stock, str](deps_type=Stock, name="seller")


@seller.tool
async def reserve(context: RunContext[Stock], customer: str) -> str:
    """Reserve an item for a customer."""
    return "reserved" if await context.deps.reserve(customer) else "sold out"
