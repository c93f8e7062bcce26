"""The gateway over HTTP: JSON, server-sent events and WebSockets.

Needs the extra `http`.
"""

from . import _extra as _extra
from ._app import application as application
from ._server import HTTPServer as HTTPServer
from ._server import HTTPServerStopped as HTTPServerStopped
from ._server import bind as bind
