"""`AgentService`: runs of the gateway's agents, asked for over gRPC."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from contextvars import Context as Blank
from typing import Any, Literal, TypeAlias

import grpc

from ...errors import AxonError
from ...server import deadline
from ...telemetry import emit, wants
from .._errors import Draining, LimitExceeded, RunnerNotServed
from .._events import RequestBroke, RequestServed
from .._failure import Failure, failure_of
from .._gateway import Gateway
from .._run import Run
from .._tokens import Principal
from . import synapse_pb2
from ._call import Call, Context
from ._messages import after_of, request_of, response_of

SERVICE = synapse_pb2.DESCRIPTOR.services_by_name["AgentService"].full_name
Runner: TypeAlias = Literal["run_sync", "run", "run_stream"]
Method: TypeAlias = Callable[[Principal, Call], Awaitable[None]]


class TooManyCalls(LimitExceeded):
    """As many calls are under way as there may be at once (`max_calls`)."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"max_calls={limit}", 1.0)

    def __str__(self) -> str:
        return f"as many calls are under way as there may be ({self.limit})"


class Service:
    """The calls of one server that are under way. `runner` is the only one that is served, None for all of them."""

    def __init__(self, gateway: Gateway, *, max_calls: int, max_message: int, runner: Runner | None = None) -> None:
        self._gateway = gateway
        self._runner = runner
        self._max_calls = max_calls
        self._max_message = max_message
        self._calls = 0
        self._is_open = True
        self._is_over = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._cancelling: set[asyncio.Task[None]] = set()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a gRPC server takes."""
        methods = {"Run": self._run, "RunStream": self._run_stream, "Cancel": self._cancel}
        # On the wire a unary method is a stream of one message. Taken as a stream its request is not read, and takes no
        # memory, before it is known who asks.
        handlers: dict[str, Any] = {
            name: grpc.stream_stream_rpc_method_handler(self._answered(name, ask)) for name, ask in methods.items()
        }
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    async def close(self, within: float) -> None:
        """Take no more calls, and wait until none is under way, for so many seconds at most."""
        self._is_open = False
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()
        self.abort()
        if self._cancelling:
            await asyncio.wait(self._cancelling)

    def abort(self) -> None:
        """Take no more calls; those under way are about to be cut off, which ends none of their runs."""
        self._is_open, self._is_over = False, True

    def _answered(self, name: str, ask: Method) -> Callable[[AsyncIterator[bytes], Context], Awaitable[None]]:
        async def answer(requests: AsyncIterator[bytes], context: Context) -> None:
            call = Call(context, self._max_message)
            del requests, context  # an error that is kept, in a log or for others, keeps what it came through
            try:
                failure = await self._asked(f"{SERVICE}/{name}", ask, call)
                if failure is not None:
                    await call.fail(failure)
            finally:
                call.is_over()

        return answer

    async def _asked(self, route: str, ask: Method, call: Call) -> Failure | None:
        began, failure, status = time.perf_counter(), None, 499  # of a client that goes away
        try:
            with self._counted():
                who = self._gateway.principal(call.token)
                async with AsyncExitStack() as stack:
                    if call.left is not None:
                        await stack.enter_async_context(deadline(call.left))
                    await ask(who, call)
            status = 200
        except Exception as error:
            failure = failure_of(error)
            status = failure.status
            if status == 500:
                emit(RequestBroke(what=route, error=error))
        finally:
            if wants(RequestServed):
                seconds = time.perf_counter() - began
                error_type = "" if failure is None else failure.error_type
                emit(RequestServed(edge="grpc", route=route, status=status, error_type=error_type, seconds=seconds))
        return failure

    @contextmanager
    def _counted(self) -> Generator[None]:
        if not self._is_open:
            raise Draining
        if self._calls >= self._max_calls:
            raise TooManyCalls(self._max_calls)
        self._calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    def _check(self, method: str, *runners: Runner) -> None:
        if self._runner is not None and self._runner not in runners:
            raise RunnerNotServed(method, self._runner)

    # -- the methods

    async def _run(self, who: Principal, call: Call) -> None:
        self._check("Run", "run", "run_sync")
        message = await call.read(synapse_pb2.RunRequest)
        request = request_of(message)
        given = request.idempotency_key or call.key
        key = given or uuid.uuid4().hex
        try:
            run_id, result = await self._gateway.runs.run(who, message.agent_id, request, key)
        except asyncio.CancelledError:
            # The client cancelled the call or is gone, and without a key nobody can ask for the answer any more. A
            # deadline that passes ends the run itself, and a server that stops ends no runs.
            if not given and call.left != 0 and not self._is_over:
                self._end(who, message.agent_id, key)
            raise
        response = response_of(result, run_id)
        if not call.has_room(response):
            response.ClearField("messages")
        await call.write(response)

    async def _run_stream(self, who: Principal, call: Call) -> None:
        self._check("RunStream", "run_stream")
        who.needs("read")
        message = await call.read(synapse_pb2.RunRequest)
        request, after = request_of(message), after_of(message)
        key = request.idempotency_key or call.key or uuid.uuid4().hex
        run_id = await self._gateway.runs.submit(who, message.agent_id, request, key)
        await call.tell(("idempotency-key", key), ("run-id", run_id))
        async with aclosing(await self._gateway.runs.follow(who, run_id, after)) as pieces:
            async for id, piece in pieces:
                if isinstance(piece, str):
                    chunk = synapse_pb2.RunResponseChunk(data=piece, event_id=id)
                else:
                    chunk = synapse_pb2.RunResponseChunk(event_id=id, response=response_of(piece, run_id))
                    if not call.has_room(chunk):
                        chunk.response.ClearField("messages")
                await call.write(chunk)

    async def _cancel(self, who: Principal, call: Call) -> None:
        message = await call.read(synapse_pb2.CancelRequest)
        run = Run.begin(message.agent_id, who.name, message.idempotency_key)
        await call.write(synapse_pb2.CancelResponse(cancelled=await self._gateway.runs.cancel(who, run.id)))

    def _end(self, who: Principal, agent_id: str, key: str) -> None:
        async def end() -> None:
            with suppress(AxonError):  # it is over, or was not begun
                await self._gateway.runs.cancel(who, Run.begin(agent_id, who.name, key).id)

        task = asyncio.get_running_loop().create_task(end(), name=f"cancel {agent_id}:{key}", context=Blank())
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)
