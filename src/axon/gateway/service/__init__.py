"""Agents that stay plain services: each a program of its own, behind HTTP or gRPC, that a supervisor starts and watches.

`python -m axon.port agents.example_agent --http 0` is the program; `AgentService` is its place in a tree.
"""

from ._agent_service import AgentService as AgentService
from ._serving import LAST_ANSWERS as LAST_ANSWERS
from ._serving import ORIGINAL as ORIGINAL
from ._serving import Serving as Serving
from ._serving import store_of as store_of
