"""How processes find each other without passing addresses around: names, registries, groups and topics."""

from ._group import Group as Group
from ._group import How as How
from ._group import group as group
from ._group import monitor_scope as monitor_scope
from ._group import which_groups as which_groups
from ._group_monitor import GroupMonitor as GroupMonitor
from ._group_monitor import Joined as Joined
from ._group_monitor import Left as Left
from ._names import lookup as lookup
from ._names import register as register
from ._names import registered as registered
from ._names import unregister as unregister
from ._names import whereis as whereis
from ._pubsub import PubSub as PubSub
from ._registry import Entry as Entry
from ._registry import Keys as Keys
from ._registry import Registered as Registered
from ._registry import Registry as Registry
from ._registry import Unregistered as Unregistered
