"""The gateway over HTTP: JSON, server-sent events and WebSockets.

Needs the extra `http`.
"""

from . import _extra as _extra
from ._app import create_app as create_app
from ._server import serving as serving
