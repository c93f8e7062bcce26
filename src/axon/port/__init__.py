"""A server in an operating-system process of its own, by one option: `isolated(Counter())` is a Counter like any other.

A segfault, an endless loop, a memory leak or a `kill -9` there costs its siblings nothing, and no process is ever left
behind: docs/ports.md says how. `PortPool` keeps several servers of one kind, and lends them out. A program that is no server
of this kind, in any language, is a `Program` there. Importing this room loads pydantic; `import axon` does not.
"""

from ._announcement import ANNOUNCE as ANNOUNCE
from ._announcement import Announcement as Announcement
from ._announcement import announce as announce
from ._choice import Choice as Choice
from ._choice import Key as Key
from ._choice import Sticky as Sticky
from ._command import Command as Command
from ._errors import BadFrame as BadFrame
from ._errors import CannotCross as CannotCross
from ._errors import FrameTooLarge as FrameTooLarge
from ._errors import GuardLost as GuardLost
from ._errors import OutOfMemory as OutOfMemory
from ._errors import OutOfTime as OutOfTime
from ._errors import PortError as PortError
from ._errors import PortExited as PortExited
from ._errors import PortHung as PortHung
from ._errors import PortKilled as PortKilled
from ._errors import PortOverran as PortOverran
from ._errors import PortStartFailed as PortStartFailed
from ._events import PortEnded as PortEnded
from ._events import PortOutput as PortOutput
from ._events import PortOutputDropped as PortOutputDropped
from ._events import PortRefused as PortRefused
from ._events import PortStarted as PortStarted
from ._isolated import isolated as isolated
from ._limits import Limits as Limits
from ._options import own_paths as own_paths
from ._pool import PortPool as PortPool
from ._pool_errors import PoolFull as PoolFull
from ._pool_errors import PoolRefused as PoolRefused
from ._pool_errors import PoolStopped as PoolStopped
from ._pool_errors import PoolTimeout as PoolTimeout
from ._pool_errors import PoolUnavailable as PoolUnavailable
from ._pool_events import WorkerRecycled as WorkerRecycled
from ._pool_events import WorkerRefused as WorkerRefused
from ._pool_events import WorkerTainted as WorkerTainted
from ._pool_status import PoolStatus as PoolStatus
from ._pool_status import WorkerStatus as WorkerStatus
from ._pool_status import pool_status as pool_status
from ._program import Program as Program
from ._program_server import ProgramServer as ProgramServer
from ._recycling import Recycle as Recycle
from ._recycling import Why as Why
from ._running_program import Probe as Probe
from ._running_program import RunningProgram as RunningProgram
from ._status import PortStatus as PortStatus
from ._status import port_status as port_status
from ._surroundings import INHERITED as INHERITED
