"""What the runs of served agents ask people for, and what these decide."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

from ..errors import InvalidOption
from ..store import Approval, NoApproval
from ._agents import Agents
from ._requests import ApprovalInfo, Decision
from ._run import Run
from ._runs import Runs
from ._served import Served
from ._tokens import Principal

Verdict: TypeAlias = Literal["approve", "deny"]


class Approvals:
    """Tool calls that wait for a decision, of one run or of all runs of an agent."""

    def __init__(self, agents: Agents, runs: Runs) -> None:
        self._agents = agents
        self._runs = runs

    async def of_agent(self, who: Principal, agent_id: str) -> list[ApprovalInfo]:
        """Those of all runs, whoever asked for them. Needs the scope `approve`. Raises `AgentNotFound`."""
        who.needs("approve")
        return await _pending(self._agents.served(agent_id))

    async def of_run(self, who: Principal, run_id: str) -> list[ApprovalInfo]:
        """Those of one run. Needs the scope `read`. Raises `RunNotFound`."""
        await self._runs.status(who, run_id)
        run = Run.of(run_id, who.name)
        return await _pending(self._agents.served(run.agent_id), run.message_id)

    async def decide_of_agent(
        self, who: Principal, agent_id: str, verdict: Verdict, decision: Decision
    ) -> ApprovalInfo:
        """Decide one of `of_agent`. Needs the scope `approve`.

        Raises `AgentNotFound`, `NoApproval`, `AlreadyDecided`, and `InvalidOption` if it is not clear which one.
        """
        asked = await self.of_agent(who, agent_id)
        return await self._decide(who, self._agents.served(agent_id), _chosen(asked, decision.id), verdict, decision)

    async def decide_of_run(self, who: Principal, run_id: str, verdict: Verdict, decision: Decision) -> ApprovalInfo:
        """Decide one of `of_run`. Needs the scope `approve`. Raises `RunNotFound`, and as `decide_of_agent`."""
        who.needs("approve")
        asked = await self.of_run(who, run_id)
        served = self._agents.served(Run.of(run_id, who.name).agent_id)
        return await self._decide(who, served, _chosen(asked, decision.id), verdict, decision)

    async def answer(self, who: Principal, agent_id: str, id: str, result: Any) -> ApprovalInfo:
        """The result of a tool call that somebody else carries out. Needs the scope `approve`.

        One that nobody waits for is logged. Raises `AgentNotFound`, `NoApproval`, `AlreadyDecided`.
        """
        who.needs("approve")
        served = self._agents.served(agent_id)
        try:
            asked = _chosen(await _pending(served), id)
        except NoApproval:
            served.write("result of an unknown tool call", "warning", {"request_id": id[:500], "by": who.name})
            raise
        await served.agent.answer(asked.id, result, by=who.name)
        return asked

    async def _decide(
        self, who: Principal, served: Served, asked: ApprovalInfo, verdict: Verdict, decision: Decision
    ) -> ApprovalInfo:
        if verdict == "deny":
            await served.agent.deny(asked.id, decision.message, by=who.name)
        elif asked.kind == "external":
            raise InvalidOption("id", asked.id, "that of an approval: this one waits for a result")
        else:
            await served.agent.approve(asked.id, args=decision.args, by=who.name)
        return asked


async def _pending(served: Served, message_id: str | None = None) -> list[ApprovalInfo]:
    rows = [_info(served.agent_id, row) for row in await served.agent.approvals()]
    return [info for of, info in rows if message_id in (None, of)]


def _info(agent_id: str, row: Approval) -> tuple[str, ApprovalInfo]:
    said = json.loads(row.payload)
    return said["message_id"], ApprovalInfo(
        id=row.id,
        agent_id=agent_id,
        kind=said["kind"],
        tool=said["tool"],
        args=said["args"],
        asked_at=row.asked_at,
        expires_at=row.expires_at,
    )


def _chosen(asked: list[ApprovalInfo], id: str | None) -> ApprovalInfo:
    """The one with this id, or whose call has it; without an id the only one. Raises `NoApproval`, `InvalidOption`."""
    found = [info for info in asked if id in (None, info.id)]
    found = found or [info for info in asked if info.id.rpartition("/")[2] == id]  # models repeat the ids of calls
    if len(found) > 1:
        raise InvalidOption("id", id, "that of one alone, since more than one waits")
    if not found:
        raise NoApproval(id or "(any)")
    return found[0]
