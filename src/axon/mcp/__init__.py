"""MCP servers as supervised resources: each has one owner, many agents borrow it, and a broken one is started again.

docs/tools.md says what is promised. Importing this room needs the extra `mcp`, and loads pydantic-ai, which takes
seconds; `import axon` does not.
"""

from . import _extra as _extra
from ._errors import MCPCallLost as MCPCallLost
from ._errors import MCPCallTimeout as MCPCallTimeout
from ._errors import MCPCommandNotFound as MCPCommandNotFound
from ._errors import MCPConnectionLost as MCPConnectionLost
from ._errors import MCPDuplicateTools as MCPDuplicateTools
from ._errors import MCPProtocolError as MCPProtocolError
from ._errors import MCPServerError as MCPServerError
from ._errors import MCPServerExited as MCPServerExited
from ._errors import MCPServerFailed as MCPServerFailed
from ._errors import MCPServerHung as MCPServerHung
from ._errors import MCPStartTimeout as MCPStartTimeout
from ._errors import MCPUnavailable as MCPUnavailable
from ._events import MCPBorrowerDied as MCPBorrowerDied
from ._events import MCPServerBroke as MCPServerBroke
from ._events import MCPServerClosed as MCPServerClosed
from ._events import MCPServerOpened as MCPServerOpened
from ._server import MCPServer as MCPServer
from ._source import Source as Source
from ._status import MCPStatus as MCPStatus
from ._toolset import BorrowedToolset as BorrowedToolset
