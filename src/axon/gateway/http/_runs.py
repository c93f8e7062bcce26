"""Routes of runs: begin one, wait for it or not, follow it, and what can be done with it meanwhile."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from ...errors import InvalidOption
from .._requests import (
    ApprovalInfo,
    Cancelled,
    Decision,
    RunAccepted,
    RunAnswer,
    RunInfo,
    RunRequest,
    Steered,
    SteerRequest,
)
from .._run import Run
from ._answers import answer, errors
from ._asking import After, AgentId, Key, RunId, Seconds, within
from ._frames import EventStream
from ._route import JSONRequest, JSONRoute

FAILURES = errors(404, 409, 422, 499, 504)
EVENT = {
    "type": "object",
    "description": "One event; its data is the frame as JSON, as it is over a WebSocket",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string", "enum": ["chunk", "complete", "error"]},
        "data": {"type": "string"},
    },
    "required": ["event", "data"],
}
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Frames as server-sent events: `chunk` …, then `complete` or `error`",
        "content": {"text/event-stream": {"schema": EVENT}},
    }
}

begin = APIRouter(prefix="/agents/{agent_id}", tags=["runs"], route_class=JSONRoute)
runs = APIRouter(prefix="/runs/{run_id}", tags=["runs"], route_class=JSONRoute)


@begin.post("/run_sync", response_model=RunAnswer, responses=FAILURES)
async def run_sync(
    *, asked: JSONRequest, agent_id: AgentId, request: RunRequest, key: Key = None, timeout: Seconds = None
) -> Response:
    """Run an agent and wait for the answer. A client that goes away does not end the run. Needs the scope `run`."""
    async with within(timeout):
        run_id, result = await asked.gateway.runs.run(asked.who, agent_id, request, key)
    return answer(RunAnswer.of(result), headers={"Run-Id": run_id})


@begin.post("/run", status_code=202, response_model=RunAccepted, responses=errors(404, 409, 504))
async def run(
    *, asked: JSONRequest, agent_id: AgentId, request: RunRequest, key: Key = None, timeout: Seconds = None
) -> Response:
    """Begin a run, which goes on by itself; ask `/runs/{run_id}` for it. Needs the scope `run`."""
    async with within(timeout):
        run_id = await asked.gateway.runs.submit(asked.who, agent_id, request, key)
    return answer(RunAccepted(run_id=run_id), 202, {"Run-Id": run_id, "Location": f"/runs/{run_id}"})


@begin.post("/run_stream", response_class=Response, status_code=200, responses=FAILURES | EVENTS)
async def run_stream(
    *,
    asked: JSONRequest,
    agent_id: AgentId,
    request: RunRequest,
    key: Key = None,
    timeout: Seconds = None,
    after: After = None,
) -> Response:
    """Begin a run, or join it by its key, and follow it. Needs the scopes `run` and `read`."""
    if after is not None and key is None and request.idempotency_key is None:
        raise InvalidOption("Last-Event-ID", after, "given together with the Idempotency-Key of the run")
    asked.who.needs("read")
    async with within(timeout):
        run_id = await asked.gateway.runs.submit(asked.who, agent_id, request, key)
    return EventStream(await asked.gateway.runs.follow(asked.who, run_id, after), run_id)


@runs.get("", response_model=RunInfo, responses=errors(404))
async def show_run(asked: JSONRequest, run_id: RunId) -> Response:
    """What became of a run, and what it waits for. Needs the scope `read`."""
    turn = await asked.gateway.runs.status(asked.who, run_id)
    waits = turn.doing is not None and turn.doing.approvals
    approvals = await asked.gateway.approvals.of_run(asked.who, run_id) if waits else []
    return answer(RunInfo.of(run_id, Run.of(run_id, asked.who.name).agent_id, turn, approvals))


@runs.get("/result", response_model=RunAnswer, responses=FAILURES)
async def result(asked: JSONRequest, run_id: RunId, timeout: Seconds = None) -> Response:
    """Its answer, when it is there; `Request-Timeout` limits the waiting alone. Needs the scope `read`."""
    async with within(timeout):
        return answer(RunAnswer.of(await asked.gateway.runs.result(asked.who, run_id)), headers={"Run-Id": run_id})


@runs.get("/events", response_class=Response, status_code=200, responses=FAILURES | EVENTS)
async def events(asked: JSONRequest, run_id: RunId, after: After = None) -> Response:
    """Follow it. Needs the scope `read`."""
    return EventStream(await asked.gateway.runs.follow(asked.who, run_id, after), run_id)


@runs.post("/cancel", response_model=Cancelled, responses=errors(404))
async def cancel(asked: JSONRequest, run_id: RunId) -> Response:
    """End it. Needs the scope `run`."""
    return answer(Cancelled(cancelled=await asked.gateway.runs.cancel(asked.who, run_id)))


@runs.post("/steer", response_model=Steered, responses=errors(404))
async def steer(asked: JSONRequest, run_id: RunId, request: SteerRequest) -> Response:
    """Tell it something more, which the model reads with its next request. Needs the scope `run`."""
    return answer(Steered(steered=await asked.gateway.runs.steer(asked.who, run_id, request.message)))


@runs.post("/approve", response_model=ApprovalInfo, responses=errors(404, 409))
async def approve_in_run(asked: JSONRequest, run_id: RunId, decision: Decision) -> Response:
    """Let a tool call run that waits for it. Needs the scopes `read` and `approve`."""
    return answer(await asked.gateway.approvals.decide_of_run(asked.who, run_id, "approve", decision))


@runs.post("/deny", response_model=ApprovalInfo, responses=errors(404, 409))
async def deny_in_run(asked: JSONRequest, run_id: RunId, decision: Decision) -> Response:
    """Do not let it run; the model is told so. Needs the scopes `read` and `approve`."""
    return answer(await asked.gateway.approvals.decide_of_run(asked.who, run_id, "deny", decision))
