"""How a turn is part of its run: through one capability given to that run alone; the user's agent stays as it is."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from pydantic_ai import AgentModelSettings, AgentRunResult, ModelRequestNode, ModelSettings, RunContext, ToolDefinition
from pydantic_ai.capabilities import AbstractCapability, ValidatedToolArgs, WrapRunHandler, WrapToolExecuteHandler
from pydantic_ai.exceptions import (
    ApprovalRequired,
    CallDeferred,
    ModelRetry,
    SkipToolExecution,
    ToolFailed,
    ToolFailedError,
    ToolRetryError,
)
from pydantic_ai.messages import ModelResponse, ToolCallPart, ToolReturn, ToolReturnPart
from pydantic_ai.models import Model, ModelRequestContext
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults

from ..errors import UsageError
from ._errors import ExitRefused, ToolTimeout
from ._kept import Effect
from ._records import ToolDeferred, ToolDone, ToolEnded, ToolIntended, ToolUnknown

if TYPE_CHECKING:
    from ._attempt import Attempt

current_attempt: ContextVar[Attempt[Any, Any]] = ContextVar("axon_attempt")
"""Whose run the hooks are called for."""
_effect: ContextVar[str | None] = ContextVar("axon_effect", default=None)

UNKNOWN = (
    "The program ended in the middle of this call: it may or may not have taken effect. Check before you repeat it."
)
"""What the model is told of a tool call whose end was not recorded."""


def idempotency_key() -> str:
    """Inside a tool: a text that is the same whenever this very call is run again, and never that of another call.

    Give it to the service that the tool calls, and declare the tool with `metadata={"idempotent": True}`: then a call
    that a crash interrupted is run again. It also holds in a thread that a plain function runs in. Raises `UsageError`
    outside the tools of an `AgentServer`. https://docs.stripe.com/api/idempotent_requests
    """
    key = _effect.get()
    if key is None:
        raise UsageError("idempotency_key() is for the tools of an AgentServer, and none is running here")
    return key


def effect_key(call: str | None) -> str | None:
    """The idempotency key if it is that of this call, and not of one around a run of another kind."""
    key = _effect.get()
    return key if key is not None and call and key.endswith(f"/{call}") else None


class ToolHooks(AbstractCapability[Any]):
    """Watches over the run and its tools, for the attempt in whose context it is called.

    It overrides no hook on events: these would switch every model request to streaming.
    """

    async def wrap_run(self, ctx: RunContext[Any], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        """Say which task of pydantic-ai's the hooks around the run have, so that none is left behind."""
        current_attempt.get().hooked(asyncio.current_task())
        try:
            return await handler()
        except SystemExit as error:  # in a task of pydantic-ai's it would end the event loop (rule Z7)
            raise ExitRefused("the run", error) from error

    async def before_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Say the same of a request: one that is streamed has a task of its own."""
        current_attempt.get().hooked(asyncio.current_task())
        return request_context

    def get_model_settings(self) -> AgentModelSettings[Any] | None:
        """The default limit of a model request: the settings of the agent, its model and the server come first."""
        seconds = current_attempt.get().request_timeout
        if seconds is None:
            return None

        def limit(ctx: RunContext[Any]) -> ModelSettings:
            return (
                ModelSettings()
                if "request_timeout" in (ctx.model_settings or {})
                else ModelSettings(request_timeout=seconds)
            )

        return limit

    def get_wrapper_model(self, model: Model) -> Model | None:
        """Have the model's requests go through the agent's account, if it has one."""
        return current_attempt.get().weather.wrapped(model)

    # -- tools

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: ValidatedToolArgs,
        handler: WrapToolExecuteHandler,
    ) -> Any:
        """Run the tool, seen by `status` and within its limits."""
        try:
            return await self._watched(call, args, handler)
        except SystemExit as error:  # in a task of pydantic-ai's it would end the event loop (rule Z7)
            raise ExitRefused(f"the tool {call.tool_name!r}", error) from error

    async def _watched(self, call: ToolCallPart, args: ValidatedToolArgs, handler: WrapToolExecuteHandler) -> Any:
        mine, id = current_attempt.get(), call.tool_call_id
        token = _effect.set(mine.key_of(id))
        mine.tool_begins(id, call.tool_name)
        try:
            if mine.tool_timeout is None:
                return await handler(args)
            return await _limited(call, args, handler, mine.tool_timeout)
        finally:
            mine.tool_ends(id)
            _effect.reset(token)

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[Any], *, requests: DeferredToolRequests
    ) -> DeferredToolResults | None:
        """Wait for the decisions here, unless the agent's own output is to ask for them."""
        desk = current_attempt.get().desk
        return None if desk is None else await desk.decide(requests)


class Hooks(ToolHooks):
    """Writes down what the run does before it goes on, too, and gives back what was done before."""

    # -- model requests

    async def before_node_run(self, ctx: RunContext[Any], *, node: Any) -> Any:
        """Note what was used before the request."""
        if isinstance(cast("object", node), ModelRequestNode):
            current_attempt.get().requesting(ctx.usage)
        return node

    async def after_node_run(self, ctx: RunContext[Any], *, node: Any, result: Any) -> Any:
        """Write the response down."""
        if isinstance(cast("object", node), ModelRequestNode):
            resend = result.request if isinstance(cast("object", result), ModelRequestNode) else None
            await current_attempt.get().responded(ctx.messages, ctx.usage, resend)
        return result

    # -- tools

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: ValidatedToolArgs,
        handler: WrapToolExecuteHandler,
    ) -> Any:
        """Run the tool between two records, unless it has been run."""
        mine = current_attempt.get()
        idempotent = bool((tool_def.metadata or {}).get("idempotent"))
        before = mine.kept.effects.get(call.tool_call_id)
        if before is not None and not (idempotent and before.state in ("intended", "raised")):
            return await self._as_before(mine, ctx, call, before)
        await mine.note(ToolIntended(mine.kept.id, call.tool_call_id, call.tool_name))
        return await self._recorded(mine, call, args, handler)

    async def _as_before(
        self, mine: Attempt[Any, Any], ctx: RunContext[Any], call: ToolCallPart, effect: Effect
    ) -> Any:
        match effect.state:
            case "done":
                ctx.usage.tool_calls += 1  # a call that is not made is not counted
                if effect.returned is not None:
                    return effect.returned
                return None if effect.part is None else effect.part.content
            case "retry":
                raise ModelRetry(effect.message)
            case "failed" | "raised":
                raise ToolFailed(effect.message)
            case "intended":
                await mine.note(ToolUnknown(mine.kept.id, call.tool_call_id))
            case "unknown":
                pass  # the model was told before another crash
        raise ToolFailed(UNKNOWN)

    async def _recorded(
        self, mine: Attempt[Any, Any], call: ToolCallPart, args: ValidatedToolArgs, handler: WrapToolExecuteHandler
    ) -> Any:
        turn, id = mine.kept.id, call.tool_call_id
        try:
            value = await self._watched(call, args, handler)
        except (ModelRetry, ToolRetryError) as error:
            await mine.note(ToolEnded(turn, id, "retry", _message(error)))
            raise
        except (ToolFailed, ToolFailedError) as error:
            await mine.note(ToolEnded(turn, id, "failed", _message(error)))
            raise
        except SkipToolExecution as skipped:  # another capability had the result
            await mine.note(_done(turn, call, skipped.result))
            raise
        except (ApprovalRequired, CallDeferred):  # nothing ran: the call comes back when it was decided
            await mine.note(ToolDeferred(turn, id))
            raise
        except ToolTimeout:
            raise  # whether it took effect nobody knows
        except Exception as error:
            await mine.note(ToolEnded(turn, id, "raised", f"{type(error).__name__}: {error}"))
            raise
        except SystemExit as error:
            raise ExitRefused(f"the tool {call.tool_name!r}", error) from error
        await mine.note(_done(turn, call, value))
        return value


class Replay(Hooks):
    """The same for a run that begins with a response that was kept: the model is not asked for it again."""

    async def wrap_model_request(self, ctx: RunContext[Any], *, request_context: Any, handler: Any) -> ModelResponse:
        """Give the kept response in place of the first request."""
        kept = current_attempt.get().take_replay()
        if kept is not None:
            return kept
        response: ModelResponse = await handler(request_context)
        return response


async def _limited(call: ToolCallPart, args: ValidatedToolArgs, handler: WrapToolExecuteHandler, seconds: float) -> Any:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await handler(args)
    except TimeoutError as error:
        if limit.expired():
            raise ToolTimeout(call.tool_name, seconds) from error
        raise


def _message(error: ModelRetry | ToolFailed | ToolRetryError | ToolFailedError) -> str:
    """What the tool had to say: pydantic-ai has wrapped it, where the tool itself raised it."""
    cause = error.__cause__
    if isinstance(error, ToolRetryError | ToolFailedError) and isinstance(cause, ModelRetry | ToolFailed):
        return cause.message
    return str(error)


def _done(turn: str, call: ToolCallPart, value: Any) -> ToolDone:
    id, part = call.tool_call_id, None
    if not isinstance(value, ToolReturn):
        part, value = ToolReturnPart(tool_name=call.tool_name, content=value, tool_call_id=id), None
    return ToolDone(turn, id, part, value)  # pyright: ignore[reportUnknownArgumentType]
