"""One account at a provider, shared by all agents that use it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import KnownModelName, Model

from ..errors import InvalidOption, WrongLoop
from ..process import checked_seconds
from ._gate import Gate, Options
from ._model import AccountModel
from ._prices import PriceBook
from ._status import AccountStatus, Spent

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice


class Account:
    """An account at a model provider: its limits, its weather and its costs, one object for all agents that share it.

        openai = Account("openai", requests_per_minute=500, tokens_per_minute=200_000)

        AgentServer(writer, name="writer", account=openai)      # an unmodified pydantic_ai.Agent
        Agent(openai.model("openai:gpt-5"))                     # without a server

    Requests wait for room in the limits, in an order that is fair among agents. When the provider is in trouble (rate
    limits, overload, 5xx, broken connections, stalls) all of them wait, while a probe now and then finds out whether it
    is over; then the rate rises to the full one again. When it refuses the account itself (quota, key) nobody asks it
    until `resume`. Whoever waits is not failed by it: its run goes on when the weather does, unless its deadline passes.

    name: what its events and errors call it. requests_per_minute, tokens_per_minute: at most so many within any minute;
    default no limit. A request is counted with an estimate of its tokens, and then with what it used.
    failures: so many in a row open it, default 3; a rate limit, an overload and a `Retry-After` do so at once.
    probe_every: seconds between two probes at least, for all agents together; default 5, so 12 a minute. ramp: seconds
    from recovery to the full rate, default 20. retry_parked_after: seconds after which a probe is sent although nobody
    called `resume`; default never, unless the provider says when. prices: your own, see `PriceBook`.

    It keeps time by the event loop, belongs to the one that first uses it until that is closed, and has no tasks and no
    threads. Processes and machines do not share it: give each its part of the limits. Not for a `FallbackModel`, whose
    models have accounts of their own. Raises `InvalidOption`, showing the option and its value.
    """

    def __init__(
        self,
        name: str,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        failures: int = 3,
        probe_every: float = 5.0,
        ramp: float = 20.0,
        retry_parked_after: float | None = None,
        prices: Mapping[str, ModelPrice] | None = None,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidOption("name", name, "a text that is not empty")
        for option, number in (
            ("requests_per_minute", requests_per_minute),
            ("tokens_per_minute", tokens_per_minute),
            ("failures", failures),
        ):
            if number is None and option != "failures":
                continue
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise InvalidOption(option, number, "a number >= 1")
        for option, seconds in (("probe_every", probe_every), ("retry_parked_after", retry_parked_after)):
            if seconds is None and option == "retry_parked_after":
                continue
            if not checked_seconds(seconds, option) > 0:
                raise InvalidOption(option, seconds, "a number of seconds > 0")
        self.name: str = name
        self.prices: PriceBook = PriceBook(prices)
        self._options = Options(
            name=name,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            failures=failures,
            probe_every=probe_every,
            ramp=checked_seconds(ramp, "ramp"),
            retry_parked_after=retry_parked_after,
        )
        self._gate: Gate | None = None
        self._spent: dict[str, Spent] = {}

    def __repr__(self) -> str:
        return f"<Account {self.name!r}>"

    def model(self, model: Model | KnownModelName | str) -> AccountModel:
        """A model whose requests go through this account, for whatever takes a pydantic-ai model.

        Whoever asks is known by the process whose code runs. Not for agents of an `AgentServer(..., account=...)`, whose
        requests would go through it twice.
        """
        return AccountModel(model, self)

    def status(self) -> AccountStatus:
        """What it is in, who waits, and what was spent. Raises `WrongLoop`."""
        gate = self.gate()
        now, breaker = gate.loop.time(), gate.breaker
        state, until = breaker.state(now), breaker.until(now)
        return AccountStatus(
            name=self.name,
            state=state,
            seconds=now - breaker.since,
            resumes_in=None if until is None else until - now,
            error=None if breaker.is_well else gate.error,
            probes=0 if breaker.is_well else breaker.probes_sent,
            waiting=len(gate.queue),
            in_flight=gate.in_flight,
            requests=gate.requests.used(now),
            tokens=gate.tokens.used(now),
            spent=sum(self._spent.values(), Spent()),
            agents=dict(self._spent),
        )

    def resume(self) -> None:
        """The reason it was parked for is gone: send a probe, as soon as `probe_every` allows, and go on if it is answered.

        Also for one that is open, when a `Retry-After` is not worth waiting for. Without effect on one that is well.
        Raises `WrongLoop`.
        """
        self.gate().resume()

    @property
    def is_well(self) -> bool:
        """Whether requests go through now, be it in a ramp."""
        return self._gate is None or self._gate.breaker.is_well

    def gate(self) -> Gate:
        """Where requests wait in the running loop. Raises `WrongLoop` if the account lives in another."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            raise WrongLoop(f"{self!r} is used outside an event loop") from error
        if self._gate is None or (self._gate.loop is not loop and self._gate.loop.is_closed()):
            self._gate = Gate(self._options, loop)
        if self._gate.loop is not loop:
            raise WrongLoop(f"{self!r} is used in another event loop")
        return self._gate

    def book(self, who: str, response: ModelResponse, model_name: str) -> Decimal | None:
        """Write down what a response used; returns what it cost, if that is known."""
        cost = self.prices.cost_of(response, model_name)
        used = Spent(
            responses=1,
            tokens=response.usage.total_tokens,
            cost=Decimal(0) if cost is None else cost,
            unpriced=1 if cost is None else 0,
        )
        self._spent[who] = self._spent.get(who, Spent()) + used
        return cost
