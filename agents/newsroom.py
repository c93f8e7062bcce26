"""A team of three: an editor who asks a researcher for facts and a writer for a text, and answers for the page.

    async with newsroom("openai:gpt-5") as room:
        editor = room.get(AgentServer[None, Page], "editor")
        page = (await editor.run("The lighthouse of Cordouan")).output

`python agents/newsroom.py "The lighthouse" openai:gpt-5` prints one page; without a model the one that pydantic-ai has for
tests plays all three, and no key is needed.
"""

import asyncio
import sys

from pydantic import BaseModel, Field
from pydantic_ai import Agent
from pydantic_ai.models import Model

from axon import Supervisor, child
from axon.agent import AgentServer, agent_tool
from axon.budget import Budget
from axon.store import Store


class Facts(BaseModel):
    """What the researcher gives."""

    facts: list[str]
    open_questions: list[str] = Field(description="What could not be found out.")


class Page(BaseModel):
    """What the editor gives."""

    headline: str
    text: str


ARCHIVE = {
    "cordouan": "The lighthouse of Cordouan stands in the mouth of the Gironde; it was first lit in 1611.",
    "fresnel": "The first lens of Fresnel was tried at Cordouan in 1823.",
}

researcher = Agent(
    name="researcher",
    description="Finds facts; ask for one subject at a time.",
    output_type=Facts,
    instructions="You find facts in the archive. What is not there you list as an open question.",
)


@researcher.tool_plain(metadata={"idempotent": True})
async def archive(word: str) -> list[str]:
    """All that the archive has about a word."""
    return [text for key, text in ARCHIVE.items() if word.casefold() in f"{key} {text}".casefold()]


writer = Agent(
    name="writer",
    description="Writes a short text from facts; knows nothing but what you tell it.",
    instructions="You write one paragraph from the facts you are given, and add none.",
)

agent = editor = Agent(
    name="editor",
    output_type=Page,
    instructions=(
        "You make one page about what you are asked for. Ask the researcher for facts first, then give them to the writer. "
        "If the text has what the facts have not, ask the writer again."
    ),
    tools=[
        agent_tool("researcher", description=researcher.description, fresh=True, idempotent=True),
        agent_tool("writer", description=writer.description, idempotent=True),
    ],
)


def newsroom(
    model: Model | str, *, store: Store | None = None, budget: Budget | None = None, helpers: Model | str | None = None
) -> Supervisor:
    """The three under one supervisor; the editor's budget is that of its helpers, too.

    helpers: a model for the researcher and the writer, such as a cheaper one; default the same.
    """
    theirs = model if helpers is None else helpers
    return Supervisor(
        [
            child(AgentServer(researcher, name="researcher", model=theirs, store=store), id="researcher"),
            child(AgentServer(writer, name="writer", model=theirs, store=store), id="writer"),
            child(AgentServer(editor, name="editor", model=model, store=store, budget=budget), id="editor"),
        ]
    )


async def main(subject: str, model: str = "test") -> None:
    async with newsroom(model) as room:
        page = (await room.get(AgentServer[None, Page], "editor").run(subject)).output
        print(page.headline)
        print(page.text)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3] or ["The lighthouse of Cordouan"]))
