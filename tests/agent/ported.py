"""The survivor as attributes of a module, for its life in a port; `LIFE` in the environment says what it is to be.

Imported twice: in the program that asks it, where nothing of it is used but to be found here, and in each of its own
processes one after the other, which know by the deaths before them where theirs is to be.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace

from lives import Hiccup, agent_of, model_of, options_of
from worlds import FileWorld, Life, store_of

from axon.agent import AgentServer
from axon.agent._verdict import Action
from axon.port._proc import MARK


def present(life: Life) -> Life:
    """The life of this process."""
    plan, deaths = [(life.at, life.when), *life.then], FileWorld(life).deaths()
    at, when = plan[deaths] if deaths < len(plan) else ("", "before")
    return replace(life, at=at, when=when)


life = present(Life(**json.loads(os.environ["LIFE"])))
world = FileWorld(life)
if MARK in os.environ:
    world.happens("born", os.getpid())
pace = 0.05 if life.scenario == "stopped" else 0.005  # that tool is to be met while it runs
agent = agent_of(world, pace)
model = model_of(life, world, pace)
store = store_of(life, world)
on_error: dict[type[BaseException], Action] = {Hiccup: "retry"}
server = AgentServer(agent, model=model, name="survivor", store=store, on_error=on_error, **options_of(life))
