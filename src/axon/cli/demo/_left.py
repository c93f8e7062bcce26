"""What a killed program left of an agent's turn, as the journal says."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from axon.agent import Boundary
from axon.store import Store


@dataclass
class Left:
    """The last turn of an agent: what of it is done, and will not be done again.

    Attributes:
        message: its message's id.
        requests: how many model requests were answered.
        tool_calls: how many tool calls have succeeded.
        running: the tools that were under way, by call.
        place: the last step that is done.

    """

    message: str = ""
    requests: int = 0
    tool_calls: int = 0
    running: dict[str, str] = field(default_factory=dict[str, str])
    place: str = ""

    def __str__(self) -> str:
        if not self.running:
            return self.place
        calls = Counter(self.running.values())
        return f"in the middle of {' and '.join(tool if n == 1 else f'{n} {tool}' for tool, n in calls.items())}"


async def left_of(store: Store, key: str) -> Left:
    """What is left of the agent with this key. Raises `StoreError`."""
    left = Left()
    journal = await store.read(key)
    for entry in () if journal is None else journal.entries:
        step = json.loads(entry.record.body)
        match entry.record.kind:
            case Boundary.ACCEPTED:
                left = Left(message=step["turn"], place="before the model's answer 1")
            case Boundary.RESPONSE:
                left.requests += 1
                left.running.clear()
                left.place = f"after the model's answer {left.requests}"
            case Boundary.TOOL_INTENDED:
                left.running[step["call"]] = step["tool"]
            case Boundary.TOOL_DONE | Boundary.TOOL_FAILED:
                tool = left.running.pop(step["call"], "a tool")
                left.tool_calls += entry.record.kind == Boundary.TOOL_DONE
                left.place = f"after {tool} {'raised' if step.get('how') == 'raised' else 'ended'}"
            case Boundary.COMMITTED | Boundary.ENDED:
                left.place = "after its end"
            case _:
                pass
    return left
