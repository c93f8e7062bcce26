"""Names: how processes find each other without passing addresses around."""

from ._names import lookup as lookup
from ._names import register as register
from ._names import registered as registered
from ._names import unregister as unregister
from ._names import whereis as whereis
