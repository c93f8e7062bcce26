"""A ready agent to copy: a module with an attribute `agent`, which chooses no model, so that any may be given.

AgentServer(example_agent.agent, model="openai:gpt-5")
"""

from datetime import date

from pydantic_ai import Agent

agent = Agent(
    name="example",
    instructions="You answer questions about dates. Never count days yourself: use the tool. Answer in one sentence.",
)


@agent.tool_plain
async def days_between(first: date, last: date) -> int:
    """The number of days from one date to another, negative if the last one is earlier.

    Args:
        first: the date to count from.
        last: the date to count to.

    """
    return (last - first).days
