"""A ready agent that answers a question from what it finds, and says where: it searches as often as it needs.

AgentServer(research_agent.agent, deps=Research(my_search), model="openai:gpt-5")

`python agents/research_agent.py "Who built it?" openai:gpt-5` asks it once, in the folder where you are; without a model
the one that pydantic-ai has for tests plays it, and no key is needed.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import BaseModel, Field
from pydantic_ai import Agent, RunContext

import axon
from axon.agent import AgentServer


class Passage(BaseModel):
    """Something that a search found."""

    source: str
    text: str


class Report(BaseModel):
    """What the research came to."""

    answer: str = Field(description="In at most three sentences; says so if nothing was found.")
    sources: list[str] = Field(description="Where each part of the answer is from, as the search named it.")
    confidence: float = Field(ge=0, le=1)


def today() -> date:
    """The date in UTC."""
    return datetime.now(UTC).date()


@dataclass
class Research:
    """What the agent is given: where it looks, the most passages of one search, and what it takes for today."""

    search: Callable[[str], Awaitable[list[Passage]]]
    most: int = 3
    today: date = field(default_factory=today)


agent = Agent(
    name="research",
    description="Answers a question from sources that it searches, and names them.",
    deps_type=Research,
    output_type=Report,
    instructions=(
        "You answer questions from what you find, never from memory. Search for one thing at a time, and again with other "
        "words if a search finds nothing. Name the sources that you used, and no others."
    ),
)


@agent.instructions
def on_this_day(ctx: RunContext[Research]) -> str:
    return f"Today is {ctx.deps.today:%A, %d %B %Y}."


@agent.tool(metadata={"idempotent": True})
async def search(ctx: RunContext[Research], query: str) -> list[Passage]:
    """Find passages with these words.

    Args:
        query: a few words that the passage would have.

    """
    return (await ctx.deps.search(query))[: ctx.deps.most]


async def in_this_folder(query: str) -> list[Passage]:
    """The lines of the Markdown files here that have all words."""
    words = query.casefold().split()

    def look() -> list[Passage]:
        lines = ((path, line) for path in sorted(Path().glob("*.md")) for line in path.read_text().splitlines())
        return [
            Passage(source=path.name, text=line) for path, line in lines if all(w in line.casefold() for w in words)
        ]

    return await asyncio.to_thread(look)


async def main(question: str, model: str = "test") -> None:
    research = await axon.start(AgentServer(agent, deps=Research(in_this_folder), model=model))
    report = (await research.run(question)).output
    print(report.answer)
    for source in report.sources:
        print("-", source)
    await axon.stop(research)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3] or ["What is this?"]))
