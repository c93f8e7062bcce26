"""A model whose requests go through their account; the model itself stays as it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import KnownModelName, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models._request_timeout import (
    enforce_request_deadline,
    start_request_deadline,
    stream_under_deadline,
)
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings, merge_model_settings

from ..telemetry import here
from ._gate import Gate, Watcher
from ._queue import Ticket
from ._tokens import tokens_of

if TYPE_CHECKING:
    from ._account import Account


class AccountModel(WrapperModel):
    """Waits for its account before each request, and after one that failed for the provider's weather sends it again.

    Made by `Account.model`. Waiting does not count as part of the request: its `request_timeout` begins anew with each
    try. The retries of the provider's SDK are off, since this is the one place that tries again.
    """

    def __init__(
        self,
        wrapped: Model | KnownModelName | str,
        account: Account,
        *,
        who: str | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        super().__init__(wrapped)
        self.account: Account = account
        self._who = who
        self._watcher = watcher

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """As the model's own, once the account lets it pass. Raises what that raises, `RequestTooLarge`, and
        `DeadlineExceeded` if its deadline passes while it waits.
        """
        gate, settings = self.account.gate(), self._without_retries(model_settings)
        tokens = tokens_of(messages, settings, model_request_parameters)
        while True:
            ticket = await gate.admit(self._asker, tokens, self._watcher)
            try:
                with enforce_request_deadline(start_request_deadline(self.wrapped, settings, stream=False)):
                    response = await self.wrapped.request(messages, settings, model_request_parameters)
            except BaseException as error:
                if self._is_weather(gate, ticket, error):
                    continue
                raise
            gate.answered(ticket, self.model_name)
            self._book(gate, ticket, response)
            return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """As `request`; once the answer has begun its errors are raised, since what was read cannot be taken back."""
        gate, settings = self.account.gate(), self._without_retries(model_settings)
        async with AsyncExitStack() as stack:
            ticket, stream = await self._opened(stack, gate, messages, settings, model_request_parameters, run_context)
            gate.answered(ticket, self.model_name)
            try:
                yield stream
            except BaseException as error:
                self._is_weather(gate, ticket, error)
                raise
            finally:
                self._book(gate, ticket, stream.get())

    async def _opened(  # noqa: PLR0917
        self,
        stack: AsyncExitStack,
        gate: Gate,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None,
    ) -> tuple[Ticket, StreamedResponse]:
        tokens = tokens_of(messages, settings, parameters)
        while True:
            ticket = await gate.admit(self._asker, tokens, self._watcher)
            limit = start_request_deadline(self.wrapped, settings, stream=True)
            opening = self.wrapped.request_stream(messages, settings, parameters, run_context)
            try:
                return ticket, await stack.enter_async_context(stream_under_deadline(limit, opening))
            except BaseException as error:
                if not self._is_weather(gate, ticket, error):
                    raise

    def _is_weather(self, gate: Gate, ticket: Ticket, error: BaseException) -> bool:
        """Tell the account how a request ended; returns whether to wait and send it again."""
        if isinstance(error, Exception):
            return gate.failed(ticket, error)
        if self._watcher is not None and self._watcher.stalled():
            gate.stalled(ticket)
        else:
            gate.dropped(ticket)
        return False

    def _book(self, gate: Gate, ticket: Ticket, response: ModelResponse) -> None:
        gate.ended(ticket, response.usage.total_tokens)
        if response.usage.has_values():
            response.usage.cost = self.account.book(ticket.who, response, self.model_name)

    @property
    def _asker(self) -> str:
        return here() if self._who is None else self._who

    def _without_retries(self, settings: ModelSettings | None) -> ModelSettings | None:
        if "max_retries" in self.wrapped.unsupported_settings:
            return settings
        return merge_model_settings(settings, ModelSettings(max_retries=0))

    def _start_request_deadline(self, model_settings: ModelSettings | None, *, stream: bool) -> None:
        """None here, as for a fallback: each try has a deadline of its own, and waiting is no part of it."""
