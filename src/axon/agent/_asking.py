"""One agent asks another on behalf of its turn: under an id that is the same after a crash, with a part of its budget."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from contextvars import Context
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic_ai import AgentRunResult
from pydantic_ai.exceptions import ToolFailed

from ..budget import Budget, Grant, Share
from ..errors import AxonError, InvalidOption, UsageError
from ..registry import whereis
from ._attach import attached
from ._errors import TurnFailed
from ._order import Prompt, inside

if TYPE_CHECKING:
    from ._agent import AgentServer
    from ._turn import Turn

Find: TypeAlias = "Callable[[str], Awaitable[AgentServer[Any, Any]]]"
"""Who is asked; given the id of the message, since whoever has it already is asked again."""

ID_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and with what; `key` names it, the same whenever it is asked again."""

    key: str
    prompt: Prompt | None
    deps: Any = None
    history: Any = None
    part: Grant | float | None = None
    aside: bool = False


async def ask(find: Find, question: Question) -> tuple[str, AgentRunResult[Any]]:
    """Ask, and return the id under which it was asked and the result.

    The turn of the one that is asked ends with the turn that asks, unless that goes on after a restart. Raises what
    `AgentServer.run` raises.
    """
    for again in count():
        id = message_id_of(question.key if again == 0 else f"{question.key}~{again}")
        try:
            return id, await _ask(find, question, id)
        except TurnFailed as failed:
            # Its share was given back while the asker was being restarted: for this one alone it is asked anew.
            if question.part is None or not failed.error.startswith("BudgetClosed:"):
                raise
    raise AssertionError("it is asked until there is an answer")


async def _ask(find: Find, question: Question, id: str) -> AgentRunResult[Any]:
    turn = inside.get()
    server = await find(id)
    async with AsyncExitStack() as stack:
        share, limits_time = None, False
        if question.part is not None:
            share, limits_time = await _share_of(turn, question, id)
            await stack.enter_async_context(share)
        order = server._order(question.prompt, question.deps, question.history, None, None, id, share, question.aside)
        if share is not None:  # the asker's own time runs meanwhile: it is counted once, unless the share limits it
            order.is_inherited = not limits_time
        if turn is not None:
            turn.asked = turn.asked or {}
            turn.asked[id] = lambda: end_turn(server, id)
        try:
            result = await server._ask(order)
        except asyncio.CancelledError:
            if turn is None:
                end_turn(server, id)
            raise  # the turn itself may go on with it after a restart
        except Exception:
            _is_answered(turn, id)
            raise
        _is_answered(turn, id)
        return result


def _is_answered(turn: Turn[Any, Any] | None, id: str) -> None:
    if turn is not None and turn.asked is not None:
        turn.asked.pop(id, None)


def end_turn(server: AgentServer[Any, Any], id: str) -> None:
    """End the turn of a message, also if its agent is being restarted just now."""

    async def end() -> None:
        with suppress(AxonError):  # there is nobody any more, or it takes its time
            await attached(lambda: whereis(server), lambda: server.cancel(message_id=id))

    # In no context of the asker, who may be dead, and late; whatever it waits for holds the task.
    _ = asyncio.get_running_loop().create_task(end(), context=Context())


def message_id_of(key: str) -> str:
    """The key itself if it can be a message's id."""
    return key if len(key) <= ID_LENGTH else hashlib.blake2b(key.encode(), digest_size=32).hexdigest()


# -- the part of a budget that goes along


def checked_part(part: object) -> Grant | float | None:
    """`budget=` as a grant, or a fraction of what is left. Raises `InvalidOption`."""
    if part is None or isinstance(part, Grant):
        return part
    if isinstance(part, bool) or not isinstance(part, int | float) or not 0 < part <= 1:
        raise InvalidOption(
            "budget", part, "an axon.budget.Grant, a fraction > 0 and <= 1 of what is left, or None for the asker's own"
        )
    return float(part)


async def _share_of(turn: Turn[Any, Any] | None, question: Question, id: str) -> tuple[Share, bool]:
    """The share, and whether it limits time."""
    budget = None if turn is None else turn.budget
    if budget is None:
        raise UsageError("a part of the asker's budget is to be handed on (budget=), and it has none")
    grant = question.part if isinstance(question.part, Grant) else await _fraction(budget, question.part or 1.0)
    name = f"for {hashlib.blake2b(id.encode(), digest_size=8).hexdigest()}"
    share = await budget.reserve(
        name, usd=grant.usd, tokens=grant.tokens, requests=grant.requests, seconds=grant.seconds
    )
    return share, grant.seconds is not None


async def _fraction(budget: Budget, part: float) -> Grant:
    left = (await budget.balance()).left
    grant = Grant(
        usd=None if left.usd is None else left.usd * Decimal(str(part)),
        tokens=None if left.tokens is None else int(left.tokens * part),
        requests=None if left.requests is None else int(left.requests * part),
        seconds=None if left.seconds is None else left.seconds * part,
    )
    if any(amount is not None and amount <= 0 for amount in (grant.usd, grant.tokens, grant.requests, grant.seconds)):
        raise ToolFailed("There is too little budget left for this.")
    return grant
