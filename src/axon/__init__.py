"""Axon: OTP for Python's AI agents. Actors, supervisors and agents that survive, in pure asyncio.

General layout: a room is a package with one purpose, whose `__init__` re-exports and whose `_noun.py` files do the
work; a room imports only rooms further up in this list.

    errors      the error tree                     process     mailbox, links, monitors, exit signals, timers
    telemetry   what happened, as events           server      GenServer: typed requests, one at a time
    registry    names, groups, registries, topics  supervisor  children, strategies, restart budgets, applications
    task        functions as processes whose results their owners await (`Task`, `TaskSupervisor`)
    wire        requests, protocols and errors as JSON (import axon.wire)
    store       journals and decisions that outlive a process (import axon.store)
    mcp         MCP servers that many agents share (import axon.mcp)
    budget      money, tokens, requests and time, granted and handed on (import axon.budget)
    env         Python environments that are built when an agent asks for them (import axon.env)
    port        servers, and any programs, in processes of their own (import axon.port)
    provider    accounts at model providers: limits, weather, prices (import axon.provider)
    agent       pydantic-ai agents as servers (import axon.agent; loading pydantic-ai takes a second)
    blueprint   agents as data: tools, templates, schemas (import axon.blueprint)
    gateway     agents as a service: HTTP, WebSocket, gRPC (import axon.gateway)
    testing     helpers for tests                  cli         the `axon` command
"""

from . import errors as errors
from . import process as process
from . import telemetry as telemetry
from .errors import *  # noqa: F403  # the whole tree, by its __all__
from .process import DeadLetters as DeadLetters
from .process import Down as Down
from .process import Exit as Exit
from .process import ExitReason as ExitReason
from .process import Letter as Letter
from .process import Message as Message
from .process import Monitor as Monitor
from .process import Process as Process
from .process import Reason as Reason
from .process import Stop as Stop
from .process import Timeout as Timeout
from .process import Timer as Timer
from .process import ancestors as ancestors
from .process import callers as callers
from .process import cancel_timer as cancel_timer
from .process import current as current
from .process import dead_letters as dead_letters
from .process import demonitor as demonitor
from .process import exit as exit
from .process import is_clean as is_clean
from .process import kill as kill
from .process import killed as killed
from .process import link as link
from .process import monitor as monitor
from .process import noproc as noproc
from .process import normal as normal
from .process import read_timer as read_timer
from .process import send as send
from .process import send_after as send_after
from .process import shutdown as shutdown
from .process import start_timer as start_timer
from .process import unlink as unlink
from .process import wait_down as wait_down
from .registry import Group as Group
from .registry import GroupMonitor as GroupMonitor
from .registry import Joined as Joined
from .registry import Left as Left
from .registry import PubSub as PubSub
from .registry import Registry as Registry
from .registry import group as group
from .registry import lookup as lookup
from .registry import monitor_scope as monitor_scope
from .registry import register as register
from .registry import registered as registered
from .registry import unregister as unregister
from .registry import whereis as whereis
from .registry import which_groups as which_groups
from .server import GenServer as GenServer
from .server import IdleTimeout as IdleTimeout
from .server import Ignore as Ignore
from .server import Reply as Reply
from .server import Statistics as Statistics
from .server import Status as Status
from .server import Stream as Stream
from .server import Wait as Wait
from .server import call as call
from .server import cast as cast
from .server import change_code as change_code
from .server import continue_with as continue_with
from .server import deadline as deadline
from .server import from_thread as from_thread
from .server import get_state as get_state
from .server import get_status as get_status
from .server import handler as handler
from .server import idle_after as idle_after
from .server import offer as offer
from .server import replace_state as replace_state
from .server import resume as resume
from .server import start as start
from .server import start_link as start_link
from .server import statistics as statistics
from .server import stop as stop
from .server import stop_self as stop_self
from .server import stream as stream
from .server import suspend as suspend
from .server import trace as trace
from .server import waits as waits
from .server import watch_loop as watch_loop
from .supervisor import Application as Application
from .supervisor import ChildCounts as ChildCounts
from .supervisor import ChildInfo as ChildInfo
from .supervisor import ChildSpec as ChildSpec
from .supervisor import DynamicSupervisor as DynamicSupervisor
from .supervisor import PartitionSupervisor as PartitionSupervisor
from .supervisor import Supervisor as Supervisor
from .supervisor import child as child
from .supervisor import run as run
from .task import Exited as Exited
from .task import Finished as Finished
from .task import Task as Task
from .task import TaskReply as TaskReply
from .task import TaskStream as TaskStream
from .task import TaskSupervisor as TaskSupervisor
