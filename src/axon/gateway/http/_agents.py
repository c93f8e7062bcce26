"""Routes of agents: create, list, look, delete; their tools, their log, and what they ask people for."""

from __future__ import annotations

from fastapi import APIRouter, Response

from .._requests import (
    AgentInfo,
    AgentList,
    ApprovalInfo,
    ApprovalList,
    CreateAgent,
    Decision,
    Log,
    LogEntry,
    LogRequest,
    ToolAnswer,
    ToolCall,
)
from ._answers import answer, errors
from ._asking import AgentId, Seconds, within
from ._route import JSONRequest, JSONRoute

agents = APIRouter(prefix="/agents", tags=["agents"], route_class=JSONRoute)


@agents.post("", status_code=201, response_model=AgentInfo, responses=errors(404, 409))
async def create_agent(asked: JSONRequest, request: CreateAgent) -> Response:
    """Serve an agent: that of a module on the list, or one made of data alone. Needs the scope `admin`."""
    info = await asked.gateway.agents.create(asked.who, request)
    return answer(info, 201, {"Location": f"/agents/{info.agent_id}"})


@agents.get("", response_model=AgentList, responses=errors())
async def list_agents(asked: JSONRequest) -> Response:
    """All agents. Needs the scope `read`."""
    return answer(AgentList(agents=await asked.gateway.agents.infos(asked.who)))


@agents.get("/{agent_id}", response_model=AgentInfo, responses=errors(404))
async def show_agent(asked: JSONRequest, agent_id: AgentId) -> Response:
    """What an agent is and does. Needs the scope `read`."""
    return answer(await asked.gateway.agents.info(asked.who, agent_id))


@agents.delete("/{agent_id}", status_code=204, responses=errors(404, 409))
async def delete_agent(asked: JSONRequest, agent_id: AgentId) -> Response:
    """End an agent and its runs; what is kept of one that a request created is deleted. Needs the scope `admin`."""
    await asked.gateway.agents.delete(asked.who, agent_id)
    return Response(status_code=204)


@agents.post("/{agent_id}/tool_call", response_model=ToolAnswer, responses=errors(404, 409, 422, 504))
async def call_tool(asked: JSONRequest, agent_id: AgentId, call: ToolCall, timeout: Seconds = None) -> Response:
    """Call one of its tools outside any run (scope `run`), or give the result of one that waits for it (`approve`)."""
    async with within(timeout):
        if call.tool_name is not None:
            result = await asked.gateway.agents.call_tool(asked.who, agent_id, call.tool_name, call.args)
        else:
            result = call.result
            await asked.gateway.approvals.answer(asked.who, agent_id, call.request_id or "", result)
    return answer(ToolAnswer(request_id=call.request_id, result=result))


@agents.get("/{agent_id}/log", response_model=Log, responses=errors(404))
async def read_log(asked: JSONRequest, agent_id: AgentId) -> Response:
    """The last lines of its log. Needs the scope `read`."""
    return answer(asked.gateway.agents.log(asked.who, agent_id))


@agents.post("/{agent_id}/log", status_code=201, response_model=LogEntry, responses=errors(404))
async def write_log(asked: JSONRequest, agent_id: AgentId, line: LogRequest) -> Response:
    """Write into its log. Needs the scope `run`."""
    return answer(asked.gateway.agents.write(asked.who, agent_id, line), 201)


@agents.get("/{agent_id}/approvals", response_model=ApprovalList, responses=errors(404))
async def list_approvals(asked: JSONRequest, agent_id: AgentId) -> Response:
    """The tool calls of all its runs that wait for a decision. Needs the scope `approve`."""
    return answer(ApprovalList(approvals=await asked.gateway.approvals.of_agent(asked.who, agent_id)))


@agents.post("/{agent_id}/approve", response_model=ApprovalInfo, responses=errors(404, 409))
async def approve(asked: JSONRequest, agent_id: AgentId, decision: Decision) -> Response:
    """Let one of them run. Needs the scope `approve`."""
    return answer(await asked.gateway.approvals.decide_of_agent(asked.who, agent_id, "approve", decision))


@agents.post("/{agent_id}/deny", response_model=ApprovalInfo, responses=errors(404, 409))
async def deny(asked: JSONRequest, agent_id: AgentId, decision: Decision) -> Response:
    """Do not let it run; the model is told so. Needs the scope `approve`."""
    return answer(await asked.gateway.approvals.decide_of_agent(asked.who, agent_id, "deny", decision))
