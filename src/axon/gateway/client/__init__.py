"""The client of a gateway: what a program elsewhere has in place of handles, over HTTP."""

from ._client import Client as Client
from ._client import RequestType as RequestType
from ._errors import ErrorAnswer as ErrorAnswer
from ._errors import GatewayUnreachable as GatewayUnreachable
from ._events import RunEvents as RunEvents
