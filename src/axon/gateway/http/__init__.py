"""The gateway over HTTP: JSON, server-sent events and WebSockets.

Needs the extra `http`.
"""

from . import _extra as _extra

# isort: split
from .._bind import bind as bind
from .._metrics import Metrics as Metrics
from .._settings import Runner as Runner
from .._settings import Settings as Settings
from .._settings import settings as settings
from .._settings import tokens_of as tokens_of
from ._app import application as application
from ._server import HTTPServer as HTTPServer
from ._server import HTTPServerStopped as HTTPServerStopped
