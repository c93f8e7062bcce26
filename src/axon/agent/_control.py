"""An agent seen from outside while it works: asked what it does, told more, stopped, granted and refused."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai.messages import ModelMessage
from pydantic_ai.usage import RunUsage

from ..server import GenServer, Reply, call, cast
from ..store import Approval, ApprovalStatus
from . import _approvals
from ._order import Prompt
from ._state import AgentState
from ._status import AgentStatus, TurnStatus


async def _turn_of(state: AgentState, message_id: str) -> TurnStatus:
    return state.turn(message_id)


class AgentControl(GenServer[AgentState]):
    """What can be asked of every agent, whatever it answers with. Each is answered at once, whatever a run does."""

    @call
    def cancel(self, state: AgentState, *, message_id: str | None = None) -> asyncio.Future[bool]:
        """End the run under way; returns whether there was one, when it has ended.

        message_id: end the run of this message instead, also if it waits for its turn: it ends when that comes.
        Whoever waits for that run gets `pydantic_ai.RunCancelled`, which carries the messages until then; the
        conversation stays as it was before, and the next run that waits begins. With a store the wish is kept: a crash
        in between does not bring the run back.
        """
        answer: Reply[bool] = Reply()
        state.cancel(answer, message_id)
        return answer

    @call(timeout=None)
    def steer(self, state: AgentState, message: Prompt, *, message_id: str | None = None) -> asyncio.Future[bool]:
        """Tell the run under way something more: the model reads it with its next request.

        Returns True once the message is kept: it reaches the model also if the agent crashes, as long as the run is not
        cancelled or failed. False if there is no run to tell it to, or it ended just now; then `run` it.
        message_id: only if the run under way is the one of this message, default any.
        """
        return state.steer(message, message_id)

    @call
    def status(self, state: AgentState) -> AgentStatus:
        """What the agent is doing now."""
        return state.status()

    @call(timeout=None)
    def _turn(self, state: AgentState, message_id: str) -> asyncio.Future[TurnStatus]:
        return state.passivation.when_active(lambda: state.work(_turn_of(state, message_id)))

    @call
    def messages(self, state: AgentState) -> asyncio.Future[list[ModelMessage]]:
        """The conversation so far, without the run under way. The messages are not copied: read them only."""
        return state.passivation.when_active(state.messages)

    @call
    def usage(self, state: AgentState) -> RunUsage:
        """What all runs have used, the one under way and failed ones included; with a store also before the last
        restart.
        """
        return state.usage()

    @cast
    def reset(self, state: AgentState) -> None:
        """Forget the conversation: runs asked for before this still belong to it, later ones begin afresh."""
        state.reset()

    # -- approvals

    @call(timeout=None)
    def approvals(
        self, state: AgentState, *, status: ApprovalStatus | None = "pending"
    ) -> asyncio.Future[list[Approval]]:
        """The approvals that the agent asked for, of this status, default those that wait; None for all."""
        return state.work(state.journal.rows.approvals(key=state.journal.key, status=status))

    @call(timeout=None)
    def approve(
        self, state: AgentState, id: str, *, args: dict[str, Any] | None = None, by: str = ""
    ) -> asyncio.Future[Approval]:
        """Let the tool call run that waits under this id; see `axon.agent.approve`, which does the same from any
        process.
        """
        return state.decide(_approvals.approve(state.journal.rows, id, args=args, by=by))

    @call(timeout=None)
    def deny(self, state: AgentState, id: str, message: str = "", *, by: str = "") -> asyncio.Future[Approval]:
        """Refuse it: the model is told so, with `message` as the reason; see `axon.agent.deny`."""
        return state.decide(_approvals.deny(state.journal.rows, id, message, by=by))

    @call(timeout=None)
    def answer(self, state: AgentState, id: str, value: object, *, by: str = "") -> asyncio.Future[Approval]:
        """Give the result of a tool call that is carried out elsewhere; see `axon.agent.answer`."""
        return state.decide(_approvals.answer(state.journal.rows, id, value, by=by))
