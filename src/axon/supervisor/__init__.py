"""Supervisors: what happens when a process ends, decided by its reason and a budget."""

from ._application import Application as Application
from ._base import BaseSupervisor as BaseSupervisor
from ._base import ChildCounts as ChildCounts
from ._base import ChildInfo as ChildInfo
from ._block import enter as enter
from ._block import leave as leave
from ._children import Status as Status
from ._decide import AutoShutdown as AutoShutdown
from ._decide import Strategy as Strategy
from ._decide import add_restart as add_restart
from ._decide import is_restarted as is_restarted
from ._dynamic import DynamicSupervisor as DynamicSupervisor
from ._end import end as end
from ._end import end_all as end_all
from ._partition import PartitionSupervisor as PartitionSupervisor
from ._run import run as run
from ._spec import Backoff as Backoff
from ._spec import ChildSpec as ChildSpec
from ._spec import Restart as Restart
from ._spec import Shutdown as Shutdown
from ._spec import checked_restart as checked_restart
from ._spec import checked_shutdown as checked_shutdown
from ._spec import child as child
from ._supervisor import Supervisor as Supervisor
