"""What happens in the runtime, as typed events that cost nothing while nobody listens."""

from ._bus import Bus as Bus
from ._bus import attach as attach
from ._bus import bus as bus
from ._events import ChildRestarted as ChildRestarted
from ._events import CrashLoopEnded as CrashLoopEnded
from ._events import CrashLoopStarted as CrashLoopStarted
from ._events import DeadLetter as DeadLetter
from ._events import Event as Event
from ._events import ListenerFailed as ListenerFailed
from ._events import LoopResumed as LoopResumed
from ._events import LoopStalled as LoopStalled
from ._events import ProcessCrashed as ProcessCrashed
from ._events import ProcessExited as ProcessExited
from ._events import ProcessIgnored as ProcessIgnored
from ._events import ProcessStarted as ProcessStarted
from ._events import ProcessStartFailed as ProcessStartFailed
from ._events import SupervisorGaveUp as SupervisorGaveUp
from ._events import UnexpectedMessage as UnexpectedMessage
from ._events import ZombieDeclared as ZombieDeclared
from ._log import configure_logging as configure_logging
