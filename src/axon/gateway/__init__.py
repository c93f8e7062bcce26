"""Agents as a service: what HTTP, WebSocket and gRPC have in common, and a client.

Importing this room needs no extra, and loads pydantic-ai; the edges `axon.gateway.http` and `axon.gateway.grpc` need the
extras `http` and `grpc`. docs/gateway.md says what is promised.
"""

from ._agents import Agents as Agents
from ._approvals import Approvals as Approvals
from ._create import server_of as server_of
from ._drain import drain as drain
from ._errors import AgentExists as AgentExists
from ._errors import AgentNotFound as AgentNotFound
from ._errors import Draining as Draining
from ._errors import Forbidden as Forbidden
from ._errors import GatewayError as GatewayError
from ._errors import InvalidToken as InvalidToken
from ._errors import LimitExceeded as LimitExceeded
from ._errors import ModuleNotAllowed as ModuleNotAllowed
from ._errors import ModuleUnusable as ModuleUnusable
from ._errors import OriginNotAllowed as OriginNotAllowed
from ._errors import RequestTimeout as RequestTimeout
from ._errors import RunnerNotServed as RunnerNotServed
from ._errors import RunNotFound as RunNotFound
from ._errors import TooLarge as TooLarge
from ._errors import ToolFailed as ToolFailed
from ._errors import TooManyRuns as TooManyRuns
from ._events import AgentCreated as AgentCreated
from ._events import AgentDeleted as AgentDeleted
from ._events import AgentNotRestored as AgentNotRestored
from ._events import DrainEnded as DrainEnded
from ._events import DrainStarted as DrainStarted
from ._events import RequestBroke as RequestBroke
from ._events import RequestServed as RequestServed
from ._failure import Failure as Failure
from ._failure import failure_of as failure_of
from ._gateway import Gateway as Gateway
from ._intake import Intake as Intake
from ._modules import Modules as Modules
from ._requests import AgentInfo as AgentInfo
from ._requests import AgentList as AgentList
from ._requests import ApprovalInfo as ApprovalInfo
from ._requests import CreateAgent as CreateAgent
from ._requests import Decision as Decision
from ._requests import ErrorBody as ErrorBody
from ._requests import Log as Log
from ._requests import LogEntry as LogEntry
from ._requests import LogRequest as LogRequest
from ._requests import RunAccepted as RunAccepted
from ._requests import RunAnswer as RunAnswer
from ._requests import RunInfo as RunInfo
from ._requests import RunRequest as RunRequest
from ._requests import SteerRequest as SteerRequest
from ._requests import ToolAnswer as ToolAnswer
from ._requests import ToolCall as ToolCall
from ._requests import Usage as Usage
from ._run import Run as Run
from ._runs import Piece as Piece
from ._runs import Runs as Runs
from ._tokens import Principal as Principal
from ._tokens import Scope as Scope
from ._tokens import Token as Token
from ._tokens import Tokens as Tokens
from .client import Client as Client
from .client import ErrorAnswer as ErrorAnswer
from .client import GatewayUnreachable as GatewayUnreachable
from .client import RequestType as RequestType
from .client import RunEvents as RunEvents
from .service import AgentService as AgentService
