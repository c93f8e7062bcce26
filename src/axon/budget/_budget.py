"""Budgets as programs hold them: a root that is granted, and shares that are handed on from it."""

from __future__ import annotations

import asyncio
import copy
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from decimal import Decimal
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn, Self

from ..errors import InvalidOption, NotInProcess, NotPicklable
from ..process import current
from ..store import Store
from ._amount import Amounts, Balance, Limits, Money, Price, checked_amounts, plus
from ._ledger import Decision, Ledger, taken_back
from ._meter import metered
from ._root import BudgetRef, Root, checked_budget_name, checked_prices, checked_response
from ._rules import Terms, Wait, balance_of, may_request, may_reserve
from ._tree import Event, Path, Tree
from ._window import Per, checked_per

KEY = "axon.budget/"
"""What the keys of budgets in a store begin with."""


class Request:
    """A request that was admitted; say with `used` what it came to, before its block ends."""

    def __init__(self) -> None:
        self.amounts: Amounts = {}

    def used(self, *, usd: Money = 0, tokens: int = 0) -> None:
        """It was answered, and used so much; said again, it used that besides. Raises `InvalidOption`."""
        more = checked_amounts(usd, tokens, None, None, zero=True)
        self.amounts = {**plus(self.amounts, more), "requests": Decimal(1)}


def _refuse_to_leave(budget: Budget) -> NoReturn:
    raise NotPicklable(f"the budget {budget.name!r} counts in this program, and does not cross to another one")


class Budget:
    """A grant of money, tokens, requests and running time, for a tenant or a job; each of them may be without limit.

        acme = Budget("acme", usd=20, per="day", store=SQLiteStore("agents.db"))
        clerk = AgentServer(agent, name="clerk", budget=acme)

    Agents ask it before each model request and tell it what the response came to; a request for which there is nothing
    left raises `BudgetExceeded`, and is not sent. `reserve` hands a part of it on.

    name: what it is kept under in the store; all who use this name there share the grant, in whatever process. usd: US
    dollars as Decimal, int or text. tokens: of requests and responses together. requests: those that were answered.
    seconds: that runs take; n of them at once use n seconds in a second. per: the window after which all that was spent
    is granted again, `"minute"`, `"hour"`, `"day"`, `"month"` (in UTC) or seconds; default once for all.

    response: the most that one response may use, `Limits(usd="0.50", tokens=50_000)`. While a request is in flight so
    much is kept free for it, or twice the largest of the last 100 responses if that is more; with neither known,
    requests go one at a time. No budget is exceeded by more than one response, as long as none uses more than that.

    prices: of models that genai-prices does not know, by model name. Where usd is limited, a model without a price is
    refused with `PriceUnknown`. store: where the counters outlive the program; default none: in memory, as long as this
    object lives. now: the clock of the windows, seconds since 1970; default `time.time`.

    A budget is no process, and may be a field of a spec; it serves one event loop at a time. Raises `InvalidOption`. Not
    for the limits of one run alone: those are pydantic-ai's `usage_limits`.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """In a pydantic model a budget is checked by its class; it counts here, and never becomes JSON."""
        from pydantic_core import core_schema

        refused = core_schema.plain_serializer_function_ser_schema(_refuse_to_leave)
        here = core_schema.is_instance_schema(cls)
        return core_schema.json_or_python_schema(core_schema.none_schema(), here, serialization=refused)

    def __init__(
        self,
        name: str,
        *,
        usd: Money | None = None,
        tokens: int | None = None,
        requests: int | None = None,
        seconds: float | None = None,
        per: Per | None = None,
        response: Limits | None = None,
        prices: Mapping[str, Price] | None = None,
        store: Store | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        checked_per(per)
        if store is not None and not isinstance(store, Store):
            raise InvalidOption("store", store, "an axon.store.Store, such as SQLiteStore('agents.db'), or None")
        limits = checked_amounts(usd, tokens, requests, seconds)
        root = Root(checked_budget_name(name), limits, per, checked_response(response), checked_prices(prices))
        self._be(root, (), Ledger(KEY + name, store, root.terms, now or _wall_clock))

    def _be(self, root: Root, path: Path, ledger: Ledger) -> None:
        self._root = root
        self._path = path
        self._ledger = ledger

    @classmethod
    def of(cls, ref: BudgetRef, store: Store) -> Budget:
        """The budget or share that a `ref` stands for, with its counters in this store."""
        budget = cls.__new__(cls)
        budget._be(ref.root, ref.path, Ledger(KEY + ref.root.name, store, ref.root.terms, _wall_clock))
        return budget

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def name(self) -> str:
        """Its own name after those of the budgets it came from, such as `"acme/report"`."""
        return "/".join((self._root.name, *self._path))

    @property
    def ref(self) -> BudgetRef:
        """What stands for it where only JSON can go."""
        return BudgetRef(self._root, self._path)

    @property
    def store(self) -> Store | None:
        """Where its counters are."""
        return self._ledger.store

    @property
    def prices(self) -> Mapping[str, Price]:
        """Those that were given, by model name."""
        return MappingProxyType(self._root.prices)

    @property
    def seen(self) -> Balance | None:
        """Its balance as this program last knew it, None before that and after its end."""
        return self._ledger.seen(self._path)

    async def balance(self) -> Balance:
        """Its balance now, with what other processes spent. Raises `BudgetClosed`, `axon.store.StoreError`."""
        path = self._path
        balance: Balance = await self._ledger.submit(
            lambda tree, terms: ((), balance_of(tree, terms, path)), path=path, look=True
        )
        return balance

    async def limits_usd(self) -> bool:
        """Whether money is limited, here or above."""
        path = self._path
        limited: bool = await self._ledger.submit(
            lambda tree, terms: ((), any("usd" in node.limits for node in tree.line(path))), path=path
        )
        return limited

    async def reserve(
        self,
        name: str,
        *,
        usd: Money | None = None,
        tokens: int | None = None,
        requests: int | None = None,
        seconds: float | None = None,
    ) -> Share:
        """Hand a part of what is left on, and return it as a budget of its own.

            async with await acme.reserve("report", usd=2) as share:
                await writer.run("The report, please", budget=share)

        It is taken out of what is left here. What it did not spend comes back when its block, its `refund`, or the
        process that made it ends; with a store also 30 s after its program was last heard of. What is None has no limit
        of its own, and is spent from here. name: a share that has this name already is refunded first, as it must be
        after a restart.

        Raises `BudgetExceeded` if there is not as much left, `BudgetClosed`, `InvalidOption`, `axon.store.StoreError`.
        """
        wanted = checked_amounts(usd, tokens, requests, seconds)
        share = Share.__new__(Share)
        share._be(self._root, (*self._path, checked_budget_name(name)), self._ledger)
        with taken_back(share._end):
            await self._ledger.submit(lambda tree, terms: share._made(tree, terms, wanted), path=self._path)
        share._begin()
        return share

    @asynccontextmanager
    async def request(self) -> AsyncGenerator[Request]:
        """Send a request in this block: it begins when the budget admits it, and what it `used` is counted at its end.

            async with budget.request() as request:
                answer = await ask_the_provider()
                request.used(usd=answer.cost, tokens=answer.tokens)

        Agents do this by themselves. A request that used nothing, as it failed, is not counted. It waits while only
        those in flight are in its way. Raises `BudgetExceeded`, `BudgetClosed`, `axon.store.StoreError`.
        """
        ledger, path, id = self._ledger, self._path, os.urandom(8).hex()

        def admit(tree: Tree, terms: Terms) -> Decision:
            return may_request(tree, terms, path) or ([Event("request", path, id, until=ledger.until())], None)

        def over(used: Amounts | None = None) -> asyncio.Future[None]:
            ledger.let_go(id)
            event = Event("spend", path, id, used or {})
            return ledger.submit(lambda tree, terms: (tree.news(event), None), must=True, path=path)

        with taken_back(over):
            await ledger.submit(admit, path=path)
        ledger.keep(id, path)
        request = Request()
        try:
            yield request
        finally:
            counted = over(request.amounts)  # whatever becomes of this task
        await counted

    def running(self) -> AbstractAsyncContextManager[None]:
        """Count the time of a block, if the budget or one above limits seconds; else it does nothing.

        When there are no more seconds the block is cancelled, and `BudgetExceeded` raised. Agents do this for each turn.
        """
        return metered(self._ledger, self._path)


class Share(Budget):
    """A part of a budget that was handed on, by `Budget.reserve`, until its block ends or it is refunded.

    It can do what a budget can, so it may hand on a part of itself.
    """

    def __init__(self) -> None:
        raise InvalidOption("Share", "()", "made by Budget.reserve")

    async def refund(self) -> None:
        """Give back what was not spent. What is in flight is counted where it came from; again, nothing happens."""
        await self._end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end()

    def _be(self, root: Root, path: Path, ledger: Ledger) -> None:
        super()._be(root, path, ledger)
        self._id = os.urandom(8).hex()

    def _made(self, tree: Tree, terms: Terms, wanted: Amounts) -> Decision:
        events: list[Event] = []
        before = tree.node(self._path)
        if before is not None:
            events.append(Event("refund", self._path, before.id))
            tree = copy.deepcopy(tree)
            tree.apply(events[0])
        if isinstance(wait := may_reserve(tree, terms, self._path[:-1], wanted), Wait):
            return wait
        return [*events, Event("reserve", self._path, self._id, wanted, until=self._ledger.until())], None

    def _begin(self) -> None:
        self._ledger.keep(self._id, self._path)
        with suppress(NotInProcess):
            current().on_death(self._give_back)

    def _end(self) -> asyncio.Future[Any]:
        with suppress(NotInProcess):
            current().forget_on_death(self._give_back)
        self._ledger.let_go(self._id)
        over = Event("refund", self._path, self._id)
        return self._ledger.submit(lambda tree, terms: (tree.news(over), None), must=True)

    def _give_back(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: the program ends, and what it held is given up
            _ = self._end()


def _wall_clock() -> float:
    return time.time()  # looked up each time: in a simulation it is another clock
