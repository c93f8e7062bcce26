"""Tasks: functions as processes of their own, whose results their owners await, alone or under a supervisor."""

from ._await import OnTimeout as OnTimeout
from ._options import StreamOptions as StreamOptions
from ._outcome import Exited as Exited
from ._outcome import Finished as Finished
from ._outcome import TaskReply as TaskReply
from ._stream import TaskStream as TaskStream
from ._stream import outcomes_of as outcomes_of
from ._supervisor import TaskSupervisor as TaskSupervisor
from ._task import Task as Task
