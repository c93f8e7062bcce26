"""Decisions from outside: tools that must not run before somebody said yes, and those that somebody else carries out.

A row in the store stands for each, so that it outlives the agent, and any process may decide it.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, TypedDict

from pydantic_ai import ToolDenied
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import DeferredToolApprovalResult, DeferredToolRequests, DeferredToolResults, ToolApproved
from pydantic_core import to_json

from ..store import Approval, ApprovalRequest, Store
from ._journal import Journal
from ._kept import Asked, KeptTurn
from ._records import ApprovalAsked, ApprovalDecided
from ._status import Activity

LOOK_AGAIN = 0.5
"""Seconds after which a waiting agent looks whether another process has decided."""


class _Decision(TypedDict, total=False):
    args: dict[str, Any]
    message: str
    value: Any


async def approve(store: Store, id: str, *, args: dict[str, Any] | None = None, by: str = "") -> Approval:
    """Let a tool run, from any process that has the store; returns the row.

    args: to be used in place of the model's own. by: who decides, in your own words. Raises `axon.store.AlreadyDecided`,
    also when its time has passed, and `axon.store.NoApproval`. Who may decide is for you to check.
    """
    return await store.decide(id, "approved", decision=_json({} if args is None else {"args": args}), by=by)


async def deny(store: Store, id: str, message: str = "", *, by: str = "") -> Approval:
    """Do not let it run; the model is told so, with `message` as the reason. As `approve` otherwise."""
    return await store.decide(id, "denied", decision=_json({"message": message} if message else {}), by=by)


async def answer(store: Store, id: str, value: object, *, by: str = "") -> Approval:
    """The result of a tool that somebody else carries out: anything that JSON can carry. As `approve` otherwise."""
    return await store.decide(id, "approved", decision=_json({"value": value}), by=by)


def _json(decision: _Decision) -> bytes:
    return to_json(decision)


class Desk:
    """Where the tool calls of one turn wait for their decisions."""

    def __init__(self, journal: Journal, kept: KeptTurn, activity: Activity, timeout: float | None) -> None:
        self._journal = journal
        self._kept = kept
        self._activity = activity
        self._timeout = timeout
        self._nudged: asyncio.Future[None] | None = None

    def nudge(self) -> None:
        """Look now: somebody in this process has decided."""
        if self._nudged is not None and not self._nudged.done():
            self._nudged.set_result(None)

    async def decide(self, requests: DeferredToolRequests) -> DeferredToolResults:
        """Ask for what was not asked for yet, and wait until everything is decided."""
        await self._ask([*requests.approvals, *requests.calls], {call.tool_call_id for call in requests.calls})
        results = DeferredToolResults()
        for call in requests.approvals:
            results.approvals[call.tool_call_id] = _approval(await self._decided(call.tool_call_id))
        for call in requests.calls:
            results.calls[call.tool_call_id] = _result(await self._decided(call.tool_call_id))
        return results

    async def cancel(self) -> None:
        """The turn is over: nobody needs to decide any more."""
        for asked in self._kept.asked.values():
            if asked.status == "pending" and (await self._journal.rows.approval(asked.id)).pending:
                await self._journal.rows.decide(asked.id, "cancelled", by="axon")

    async def _ask(self, calls: list[ToolCallPart], external: set[str]) -> None:
        new = [call for call in calls if call.tool_call_id not in self._kept.asked]
        if not new:
            return
        kept = self._kept
        ids = {call.tool_call_id: f"{self._journal.key}/{kept.id}/{kept.responses}/{call.tool_call_id}" for call in new}
        expires = None if self._timeout is None else time.time() + self._timeout
        rows = [
            ApprovalRequest(
                ids[call.tool_call_id],
                to_json(
                    {
                        "agent": self._journal.key,
                        "message_id": kept.id,
                        "kind": "external" if call.tool_call_id in external else "approval",
                        "tool": call.tool_name,
                        "args": call.args_as_dict(),
                    }
                ),
                expires,
            )
            for call in new
        ]
        await self._journal.ask(ApprovalAsked(kept.id, ids), rows)

    async def _decided(self, call: str) -> Asked:
        asked = self._kept.asked[call]
        loop = asyncio.get_running_loop()
        self._activity.approvals[asked.id] = loop.time()
        try:
            while asked.status == "pending":
                self._nudged = loop.create_future()
                row = await self._journal.rows.approval(asked.id)
                if row.pending:
                    left = LOOK_AGAIN if row.expires_at is None else min(LOOK_AGAIN, row.expires_at - time.time())
                    await asyncio.wait([self._nudged], timeout=max(0.001, left))
                else:
                    await self._journal.note(
                        ApprovalDecided(self._kept.id, call, row.status, row.decision.decode() or "{}")
                    )
        finally:
            del self._activity.approvals[asked.id]
        return asked


def _approval(asked: Asked) -> DeferredToolApprovalResult:
    decision: _Decision = json.loads(asked.decision)
    if asked.status == "approved":
        return ToolApproved(override_args=decision.get("args"))
    return ToolDenied(_refusal(asked, decision))


def _result(asked: Asked) -> Any:
    decision: _Decision = json.loads(asked.decision)
    if asked.status == "approved":
        return decision.get("value")
    return ToolFailed(_refusal(asked, decision))


def _refusal(asked: Asked, decision: _Decision) -> str:
    said = decision.get("message")
    if said:
        return said
    if asked.status == "expired":
        return "The approval expired: nobody decided in time, which is a denial."
    return f"The tool call was {asked.status}."
