"""Several equal agents behind one name: whoever has the message or the conversation is asked, else the least busy one."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Generic, cast

from pydantic_ai import AgentRunResult, AgentRunResultEvent
from pydantic_ai.messages import AgentStreamEvent
from pydantic_ai.usage import UsageLimits
from typing_extensions import TypeVar

from ..budget import Budget
from ..errors import InvalidOption
from ..registry import Group, group
from ..server import ServerProcess, slot_of
from ._agent import AgentServer
from ._options import GROUPS
from ._order import Prompt, inside
from ._state import AgentState
from ._stream import RunStream

Deps = TypeVar("Deps", default=Any)
Output = TypeVar("Output", default=Any)


@dataclass(frozen=True)
class AgentGroup(Generic[Deps, Output]):
    """The address of all agents with `AgentServer(group=name)`: each question goes to one of them.

        specs = [child(AgentServer(clerk, group="clerks"), id=f"clerk {n}") for n in range(3)]
        clerks = AgentGroup[None, str]("clerks")
        answer = await clerks.run("A room, please")                               # whoever is the least busy
        answer = await clerks.run("And breakfast", conversation="guest 7")        # always the same one

    Which one: the one that has a message of this `message_id`; else the one the `conversation` belongs to, the same as
    long as it lives, restarted or not, and few move when others come and go; else the one with the fewest runs under way
    and waiting, by turns among equals; one on whose behalf it is asked comes last. Members join at each start.

    While the member of a conversation is being restarted the conversation belongs to another one. Raises
    `InvalidOption`. Not for agents that differ: give these their names. https://www.erlang.org/doc/man/pg
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InvalidOption("name", self.name, "a text that is not empty")

    def members(self) -> list[AgentServer[Deps, Output]]:
        """All that live, in no particular order."""
        return self._group.members()

    def pick(self, *, conversation: str | None = None, message_id: str | None = None) -> AgentServer[Deps, Output]:
        """The member that is asked. Raises `NoMembers`."""
        if message_id is not None:
            for member in self.members():
                state = _state_of(member)
                if state is not None and state.knows(message_id):
                    return member
        if conversation is not None:
            return self._group.pick(key=conversation)
        first = self._group.pick()
        asker = inside.get()
        waiting = frozenset[str]() if asker is None else {hop.agent for hop in asker.hops}
        return min([first, *self.members()], key=lambda member: _load(member, waiting))

    async def run(
        self,
        prompt: Prompt | None,
        *,
        conversation: str | None = None,
        deps: Deps | None = None,
        usage_limits: UsageLimits | None = None,
        message_id: str | None = None,
        budget: Budget | None = None,
    ) -> AgentRunResult[Output]:
        """Ask one of them; see `AgentServer.run`. Raises `NoMembers`, too."""
        member = self.pick(conversation=conversation, message_id=message_id)
        return await member.run(prompt, deps=deps, usage_limits=usage_limits, message_id=message_id, budget=budget)

    def run_stream(
        self,
        prompt: Prompt | None,
        *,
        conversation: str | None = None,
        deps: Deps | None = None,
        message_id: str | None = None,
        after: str | None = None,
    ) -> RunStream[str]:
        """Ask one of them, and read its text; see `AgentServer.run_stream`. Raises `NoMembers`, too."""
        member = self.pick(conversation=conversation, message_id=message_id)
        return member.run_stream(prompt, deps=deps, message_id=message_id, after=after)

    def run_stream_events(
        self,
        prompt: Prompt | None,
        *,
        conversation: str | None = None,
        deps: Deps | None = None,
        message_id: str | None = None,
        after: str | None = None,
    ) -> RunStream[AgentStreamEvent | AgentRunResultEvent[Output]]:
        """As `run_stream`, but all that happens."""
        member = self.pick(conversation=conversation, message_id=message_id)
        return member.run_stream_events(prompt, deps=deps, message_id=message_id, after=after)

    async def find(self, message_id: str) -> AgentServer[Deps, Output]:
        """The member for a message."""
        return self.pick(message_id=message_id)

    @property
    def _group(self) -> Group[AgentServer[Deps, Output]]:
        return group(cast("type[AgentServer[Deps, Output]]", AgentServer), f"{GROUPS}{self.name}")


def _state_of(member: AgentServer[Any, Any]) -> AgentState | None:
    process: ServerProcess | None = slot_of(member).process
    state = None if process is None else process.state
    return state if isinstance(state, AgentState) else None


def _load(member: AgentServer[Any, Any], waiting: AbstractSet[str]) -> tuple[bool, int]:
    """Whether it waits for the answer itself; runs under way and waiting, and messages that are not taken yet."""
    process, state = slot_of(member).process, _state_of(member)
    runs = 0 if state is None else len(state.turns)
    waits = state is not None and state.journal.key in waiting
    return waits, runs + (0 if process is None else len(process.mailbox or ()))
