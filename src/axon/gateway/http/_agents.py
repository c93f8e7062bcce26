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
from ._asking import BEARER, AgentId, Seconds, Served, Who, within
from ._route import JSONRoute

agents = APIRouter(prefix="/agents", tags=["agents"], route_class=JSONRoute, dependencies=[BEARER])


@agents.post("", status_code=201, response_model=AgentInfo, responses=errors(404, 409))
async def create_agent(gateway: Served, who: Who, request: CreateAgent) -> Response:
    """Serve an agent: that of a module on the list, or one made of data alone. Needs the scope `admin`."""
    info = await gateway.agents.create(who, request)
    return answer(info, 201, {"Location": f"/agents/{info.agent_id}"})


@agents.get("", response_model=AgentList, responses=errors())
async def list_agents(gateway: Served, who: Who) -> Response:
    """All agents. Needs the scope `read`."""
    return answer(AgentList(agents=await gateway.agents.infos(who)))


@agents.get("/{agent_id}", response_model=AgentInfo, responses=errors(404))
async def show_agent(gateway: Served, who: Who, agent_id: AgentId) -> Response:
    """What an agent is and does. Needs the scope `read`."""
    return answer(await gateway.agents.info(who, agent_id))


@agents.delete("/{agent_id}", status_code=204, responses=errors(404, 409))
async def delete_agent(gateway: Served, who: Who, agent_id: AgentId) -> Response:
    """End an agent and its runs; what is kept of one that a request created is deleted. Needs the scope `admin`."""
    await gateway.agents.delete(who, agent_id)
    return Response(status_code=204)


@agents.post("/{agent_id}/tool_call", response_model=ToolAnswer, responses=errors(404, 409, 422, 504))
async def call_tool(gateway: Served, who: Who, agent_id: AgentId, call: ToolCall, timeout: Seconds = None) -> Response:
    """Call one of its tools outside any run (scope `run`), or give the result of one that waits for it (`approve`)."""
    async with within(timeout):
        if call.tool_name is not None:
            result = await gateway.agents.call_tool(who, agent_id, call.tool_name, call.args)
        else:
            result = call.result
            await gateway.approvals.answer(who, agent_id, call.request_id or "", result)
    return answer(ToolAnswer(request_id=call.request_id, result=result))


@agents.get("/{agent_id}/log", response_model=Log, responses=errors(404))
async def read_log(gateway: Served, who: Who, agent_id: AgentId) -> Response:
    """The last lines of its log. Needs the scope `read`."""
    return answer(gateway.agents.log(who, agent_id))


@agents.post("/{agent_id}/log", status_code=201, response_model=LogEntry, responses=errors(404))
async def write_log(gateway: Served, who: Who, agent_id: AgentId, line: LogRequest) -> Response:
    """Write into its log. Needs the scope `run`."""
    return answer(gateway.agents.write(who, agent_id, line), 201)


@agents.get("/{agent_id}/approvals", response_model=ApprovalList, responses=errors(404))
async def list_approvals(gateway: Served, who: Who, agent_id: AgentId) -> Response:
    """The tool calls of all its runs that wait for a decision. Needs the scope `approve`."""
    return answer(ApprovalList(approvals=await gateway.approvals.of_agent(who, agent_id)))


@agents.post("/{agent_id}/approve", response_model=ApprovalInfo, responses=errors(404, 409))
async def approve(gateway: Served, who: Who, agent_id: AgentId, decision: Decision) -> Response:
    """Let one of them run. Needs the scope `approve`."""
    return answer(await gateway.approvals.decide_of_agent(who, agent_id, "approve", decision))


@agents.post("/{agent_id}/deny", response_model=ApprovalInfo, responses=errors(404, 409))
async def deny(gateway: Served, who: Who, agent_id: AgentId, decision: Decision) -> Response:
    """Do not let it run; the model is told so. Needs the scope `approve`."""
    return answer(await gateway.approvals.decide_of_agent(who, agent_id, "deny", decision))
