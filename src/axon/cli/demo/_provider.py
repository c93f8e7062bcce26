"""The provider of the demo's model: it answers, except during an outage that was made on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelHTTPError, ModelOverloadedError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from axon.provider import Account

OUTAGE_SECONDS = 0.6
"""How long an outage on purpose lasts."""


class Provider(WrapperModel):
    """A model whose provider is overloaded now and then."""

    def __init__(self, wrapped: Model) -> None:
        super().__init__(wrapped)
        self._is_due = False
        self._until = 0.0

    def is_overloaded(self) -> None:
        """From the next request on, for a while."""
        self._is_due = True

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """As the model's own, outside of outages."""
        self._check()
        return await self.wrapped.request(messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """As the model's own, outside of outages."""
        self._check()
        async with self.wrapped.request_stream(
            messages, model_settings, model_request_parameters, run_context
        ) as stream:
            yield stream

    def _check(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._is_due:
            self._is_due, self._until = False, now + OUTAGE_SECONDS
        if now < self._until:
            raise ModelHTTPError.for_category(
                ModelOverloadedError, status_code=529, model_name=self.model_name, body="overloaded, on purpose"
            )


def account_of(model: str) -> Account:
    """The account that all researchers share. The local model may be asked more often whether it is well again."""
    return Account(model, probe_every=0.2, ramp=0.4) if model == "local" else Account(model)
