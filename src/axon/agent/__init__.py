"""Agents: a pydantic-ai agent, unmodified, as a supervised server that keeps its conversation from run to run.

With a store it also survives: docs/agents.md says what is promised. Importing this room loads pydantic-ai, which takes a
second or two; `import axon` does not.
"""

from ._agent import AgentServer as AgentServer
from ._agent_group import AgentGroup as AgentGroup
from ._agent_tool import Until as Until
from ._agent_tool import agent_tool as agent_tool
from ._approvals import answer as answer
from ._approvals import approve as approve
from ._approvals import deny as deny
from ._blueprint import AgentBlueprint as AgentBlueprint
from ._blueprint import TemplateInstructions as TemplateInstructions
from ._errors import AgentBusy as AgentBusy
from ._errors import AnswerNotKept as AnswerNotKept
from ._errors import EventsLost as EventsLost
from ._errors import ExitRefused as ExitRefused
from ._errors import FirstTokenTimeout as FirstTokenTimeout
from ._errors import InvalidDeps as InvalidDeps
from ._errors import InvalidHistory as InvalidHistory
from ._errors import InvalidTemplate as InvalidTemplate
from ._errors import MessageIdReused as MessageIdReused
from ._errors import RunInterrupted as RunInterrupted
from ._errors import StreamStalled as StreamStalled
from ._errors import TakenOver as TakenOver
from ._errors import TargetMismatch as TargetMismatch
from ._errors import ToolTimeout as ToolTimeout
from ._errors import TurnFailed as TurnFailed
from ._errors import TurnSetAside as TurnSetAside
from ._errors import TurnTimeout as TurnTimeout
from ._errors import UnknownMessage as UnknownMessage
from ._errors import UnknownTarget as UnknownTarget
from ._errors import UnknownVariable as UnknownVariable
from ._events import Outcome as Outcome
from ._events import TurnBegan as TurnBegan
from ._events import TurnEnded as TurnEnded
from ._events import TurnQueued as TurnQueued
from ._events import TurnResumed as TurnResumed
from ._events import TurnWasSetAside as TurnWasSetAside
from ._hand_over import hand_over as hand_over
from ._hand_over import transfer_to as transfer_to
from ._helpers import helpers_usage as helpers_usage
from ._hooks import idempotency_key as idempotency_key
from ._options import WhenBusy as WhenBusy
from ._order import Prompt as Prompt
from ._records import Boundary as Boundary
from ._status import AgentStatus as AgentStatus
from ._status import RunningTool as RunningTool
from ._status import TurnStatus as TurnStatus
from ._stream import RunStream as RunStream
from ._structured import deps_from as deps_from
from ._structured import structured_dict as structured_dict
from ._template import Template as Template
from ._tool_data import FunctionTarget as FunctionTarget
from ._tool_data import ServerTarget as ServerTarget
from ._tool_data import Targets as Targets
from ._tool_data import ToolBlueprint as ToolBlueprint
from ._tool_data import toolset_of as toolset_of
from ._tool_of import tool_of as tool_of
from ._verdict import ACTIONS as ACTIONS
from ._verdict import Action as Action
