"""Agents: a pydantic-ai agent, unmodified, as a supervised server that keeps its conversation from run to run.

Importing this room loads pydantic-ai, which takes a second or two; `import axon` does not.
"""

from ._agent import AgentServer as AgentServer
from ._errors import ExitRefused as ExitRefused
from ._errors import RunInterrupted as RunInterrupted
from ._order import Prompt as Prompt
from ._status import AgentStatus as AgentStatus
from ._status import RunningTool as RunningTool
