"""A turn that is given to another agent for good: the conversation goes on there, and the asker gets that one's answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from pydantic_ai import RunContext, ToolOutput
from pydantic_ai.messages import ModelMessage, ModelRequest

from ..errors import UsageError
from ..server import slot_of
from ._agent import AgentServer
from ._agent_tool import tool_name
from ._answers import Outputs
from ._asking import Question, ask
from ._order import inside

Output = TypeVar("Output")


async def hand_over(ctx: RunContext[Any], to: AgentServer[Any, Output], message: str | None = None) -> Output:
    """In an output function: let another agent answer in place of this one, and return its answer.

        async def escalate(ctx: RunContext[None], why: str) -> Refund:
            return await hand_over(ctx, manager, why)

        clerk = Agent("openai:gpt-5", output_type=[str, escalate])

    The conversation so far becomes the other agent's, and goes on there; `message`, if there is one, is said in
    it. Its turn has the deadline and the budget of this one and ends with it, and after a crash there is still one answer.
    The answer is also the end of this turn, and of this agent's own conversation it is the last word.

    Raises `UsageError` outside of an `AgentServer`, and what `AgentServer.run` raises: this turn fails with it.
    https://ai.pydantic.dev/output/#output-functions
    """
    turn = inside.get()
    if turn is None:
        raise UsageError("hand_over() is for the output functions of an AgentServer's agent")
    question = Question(f"{turn.key}/hand over to {slot_of(to).path}", message, history=_so_far(ctx.messages))

    async def find(id: str) -> AgentServer[Any, Output]:
        return to

    _, result = await ask(find, question)
    return cast("Output", result.output)


def transfer_to(
    to: AgentServer[Any, Output], *, name: str | None = None, description: str | None = None
) -> ToolOutput[Output]:
    """An output with which the model gives its turn to another agent, as by `hand_over`.

        triage = Agent("openai:gpt-5", output_type=[str, transfer_to(billing), transfer_to(support)])

    to: the handle of an agent that runs. name, description: what the model is told, default `transfer_to_` and the
    agent's name, and the description of its `pydantic_ai.Agent`. The model may say a word to the other agent.

    Raises `NotStarted`. Not to ask somebody and go on: that is `agent_tool`.
    """
    slot_of(to)
    who = to.agent.name or to.name or "agent"

    async def transfer(ctx: RunContext[Any], message: str | None = None) -> Any:
        return await hand_over(ctx, to, message)

    transfer.__annotations__["return"] = Outputs(to.agent.output_type).type
    return ToolOutput(
        transfer,
        name=name or tool_name("transfer_to", who),
        description=description or to.agent.description or f"Let {who}, another agent, answer in your place.",
    )


def _so_far(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """The conversation without the answer that gives it away."""
    before = list(messages)
    while before and not isinstance(before[-1], ModelRequest):
        before.pop()
    return before
